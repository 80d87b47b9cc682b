// The command line that buys one unit: what it was called with is judged before anything is sent.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../../clients/js/order.mjs', import.meta.url));

function called(...words) {
  return spawnSync(process.execPath, [SCRIPT, ...words], { encoding: 'utf8', timeout: 10_000 });
}

test('what is no endpoint is named at once', () => {
  for (const wrong of ['bogus', 'ftp://x', 'tcp:bogus', 'tcp://127.0.0.1', 'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:65536', 'http:', 'http://', 'http://127.0.0.1:65536']) {
    const { status, stdout, stderr } = called('ann', wrong);
    assert.deepEqual([status, stdout], [2, ''], stderr);
    assert.match(stderr, /^'[^']+' is no endpoint like .*\norder\.mjs USER .*\n$/);
    assert.ok(stderr.startsWith(`'${wrong}' is`), stderr);
  }
});

test('other wrong use ends with 2, too', () => {
  for (const words of [[], ['ann', 'http://127.0.0.1:1', 'more'], ['ann', '--ticket'],
    ['ann', '--item', 'x'], ['ann', '--bogus']])
    assert.equal(called(...words).status, 2, words.join(' '));
});
