#!/usr/bin/env node
// Buys one unit:
//   order.mjs USER [tcp://HOST:PORT | http://HOST:PORT] [--item N] [--promo N [--ticket]]
// --ticket fetches one of the promo before, and orders the promo's item with it, under its id.
// Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer, 2 wrong use.

import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

const TIME = { timeoutMs: 20_000 };
const USAGE = 'order.mjs USER [tcp://HOST:PORT | http://HOST:PORT] [--item N] '
  + '[--promo N [--ticket]]';

function wrongUse(why) {
  console.error(`${why}\n${USAGE}`);
  process.exit(2);
}

function numberOf(name, text) {
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text)) wrongUse(`--${name} is a whole number, not '${text}'`);
  return Number(text) <= Number.MAX_SAFE_INTEGER ? Number(text) : BigInt(text);
}

function isUrl(text) {
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}

/** For what is no endpoint a client would wait in vain. */
function checkEndpoint(text) {
  const port = Number(/^tcp:\/\/[^\s/]+:(\d{1,5})$/.exec(text)?.[1]);
  if (port >= 1 && port <= 65_535) return;
  if (/^https?:\/\/[^\s/]/i.test(text) && isUrl(text)) return;
  wrongUse(`'${text}' is no endpoint like tcp://HOST:PORT or http://HOST:PORT`);
}

function read() {
  try {
    return parseArgs({ allowPositionals: true, options: { item: { type: 'string' },
      promo: { type: 'string' }, ticket: { type: 'boolean', default: false } } });
  } catch (error) {
    return wrongUse(error.message);
  }
}

const { positionals: [user, where = 'http://127.0.0.1:8080', ...more], values } = read();
if (user === undefined || more.length > 0) wrongUse('one USER, and at most one address');
checkEndpoint(where);
const order = { item: numberOf('item', values.item) ?? 1, user };
const promo = numberOf('promo', values.promo);
if (values.ticket && promo === undefined) wrongUse('--ticket needs the --promo that it is of');

async function ticketOf(client) {
  try {
    return await client.ticket(promo, { user, ...TIME });
  } catch (error) {
    console.error('no ticket, so nothing was ordered:');
    throw error;
  }
}

async function buy(client) {
  if (!values.ticket) return client.order(promo === undefined ? order : { ...order, promo }, TIME);
  const ticket = await ticketOf(client);
  return client.order({ ...order, item: ticket.item, ticket }, TIME);
}

const { HttpClient } = await import('./stampede/http_client.js');
const client = where.startsWith('tcp:')
  ? new (await import('./stampede/client.js')).Client({ endpoint: where }) : new HttpClient(where);
try {
  const answer = await buy(client);
  const digits = (_name, value) => (typeof value === 'bigint' ? String(value) : value);
  writeSync(1, `${JSON.stringify(answer, digits)}\n`);
  process.exitCode = answer.confirmed ? 0 : 8;
} catch (error) {
  console.error(error.message);
  process.exitCode = error.retry ? 5 : 1;
} finally {
  client.close();
}
