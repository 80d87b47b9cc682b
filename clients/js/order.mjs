#!/usr/bin/env node
// Buys one unit of item 1: order.mjs USER [tcp://HOST:PORT | http://HOST:PORT]
// Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer, 2 wrong use.

import { writeSync } from 'node:fs';

const [user, where = 'http://127.0.0.1:8080', ...more] = process.argv.slice(2);
if (user === undefined || more.length > 0) {
  console.error('order.mjs USER [tcp://HOST:PORT | http://HOST:PORT]');
  process.exit(2);
}

const { HttpClient } = await import('./stampede/http_client.js');
const client = where.startsWith('tcp:')
  ? new (await import('./stampede/client.js')).Client({ endpoint: where }) : new HttpClient(where);
try {
  const answer = await client.order({ item: 1, user }, { timeoutMs: 20_000 });
  writeSync(1, `${JSON.stringify(answer)}\n`);
  process.exitCode = answer.confirmed ? 0 : 8;
} catch (error) {
  console.error(error.message);
  process.exitCode = error.retry ? 5 : 1;
} finally {
  client.close();
}
