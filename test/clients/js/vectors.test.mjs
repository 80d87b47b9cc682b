// The frames of the JavaScript client are those of the test vectors.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Answer, StampedeError, Ticket, itemOf, outcomeOf, stockOf }
  from '../../../clients/js/stampede/answers.js';
import { cancelRequest, narrow, orderRequest, payRequest, ticketRequest }
  from '../../../clients/js/stampede/orders.js';
import { withZeroMq } from './fake_webapp.mjs';

const FILE = new URL('../../vectors/sf1.json', import.meta.url);
// Numbers of many digits stay what they are.
const text = readFileSync(FILE, 'utf8').replace(/: (\d{16,20})(?=[,}\]])/g, ': "big$1"');
const { vectors } = JSON.parse(text, (_, value) =>
  typeof value === 'string' && value.startsWith('big') ? narrow(BigInt(value.slice(3))) : value);
const named = (name) => vectors.find((one) => one.name === name);
const bytesOf = (vector) => Uint8Array.from(Buffer.from(vector.hex, 'hex'));
const withoutBin = (vector) => !JSON.stringify(vector.decoded, (_, value) =>
  typeof value === 'bigint' ? String(value) : value).includes('"bin"');

test('every answer of the vectors is read', withZeroMq, async () => {
  const { unpack } = await import('../../../clients/js/stampede/sf1.js');
  const answers = vectors.filter((one) => one.kind === 'answer');
  assert.ok(answers.length > 10);
  for (const vector of answers)
    assert.deepEqual(unpack(bytesOf(vector)), vector.decoded, vector.name);
});

test('every request that a webapp understands is written as it stands there', withZeroMq, async () => {
  const { pack, unpack } = await import('../../../clients/js/stampede/sf1.js');
  const good = vectors.filter((one) => one.kind !== 'answer' && one.decoded !== undefined
    && one.expect?.code === undefined && withoutBin(one) && !/float|depth/.test(one.name));
  assert.ok(good.length > 15);
  for (const vector of good) {
    assert.deepEqual(unpack(bytesOf(vector)), vector.decoded, vector.name);
    assert.equal(Buffer.from(pack(vector.decoded)).toString('hex'), vector.hex, vector.name);
  }
});

test('an order of a program is the smallest order of the vectors, and its qty', withZeroMq,
  async () => {
    const { pack } = await import('../../../clients/js/stampede/sf1.js');
    const { qty, ...request } = orderRequest({ id: 'r-1', item: 1, user: 'ann' });
    assert.equal(qty, 1);
    assert.equal(Buffer.from(pack({ op: 'order', ...request })).toString('hex'),
      named('order, smallest').hex);
    const { op, ...sale } = named('order in a promo').decoded;
    const { qty: one, ...inPromo } = orderRequest(sale);
    assert.equal(one, 1);
    const { op: _, ...ordered } = named('order with a ticket').decoded;
    const { qty: unit, ...withTicket } = orderRequest(ordered);
    assert.equal(unit, 1);
    for (const [request, name] of [[{ op, ...inPromo }, 'order in a promo'],
      [{ op, ...withTicket }, 'order with a ticket'],
      [ticketRequest(7, 'ann', 't-1'), 'ticket asked for'],
      [payRequest('r-1', 1000, 'p-1'), 'pay'],
      [{ ...cancelRequest('r-1', 'ann'), id: 'c-1' }, 'cancel, by its buyer']])
      assert.equal(Buffer.from(pack(request)).toString('hex'), named(name).hex, name);
    const { item } = named('order, largest item').decoded;
    assert.equal(orderRequest({ item, user: 'ann' }).item, 2n ** 63n - 1n);
  });

test('frames that are no map are nothing, whatever they declare', withZeroMq, async () => {
  const { unpack } = await import('../../../clients/js/stampede/sf1.js');
  for (const name of ['empty frame', 'no map: text', 'no map: nil', 'trailing byte', 'cut short',
    'declares 2^32-1 pairs', 'declares 2 GiB of text', 'the byte that begins no value'])
    assert.equal(unpack(bytesOf(named(name))), undefined, name);
});

test('what is refused in the vectors for its content is refused before it is sent', () => {
  const names = ['order without item', 'order without user', 'item 2^63', 'item negative',
    'item text', 'user empty', 'user 65 bytes', 'user with a control character', 'qty 0', 'qty nil',
    'qty true', 'id empty', 'id 65 characters', 'id with a blank', 'id with a slash', 'id a number',
    'id nil', 'user a map', 'user a float', 'qty a text', 'promo negative', 'promo 2^63',
    'promo a text', 'promo nil', 'valid_until_ms 0', 'valid_until_ms a text',
    'valid_until_ms true', 'ticket empty', 'ticket a number', 'ticket nil'];
  for (const name of names) {
    const { op, ...order } = named(name).decoded;
    assert.throws(() => orderRequest(order), (error) => error instanceof StampedeError
      && error.field === (named(name).expect.field ?? 'id'), name);
  }
});

test('answers are what the map says, errors too', () => {
  const answer = outcomeOf(named('confirmed').decoded);
  assert.ok(answer instanceof Answer && answer.confirmed && !answer.replayed);
  assert.equal(answer.order_id, '1099511815178');
  const error = outcomeOf(named('error with field').decoded, 'r-1');
  assert.ok(error instanceof StampedeError);
  assert.deepEqual([error.code, error.field, error.retry, error.request_id],
    ['bad_request', 'qty', false, 'r-1']);
  assert.deepEqual({ ...new Ticket(named('ticket').decoded) }, named('ticket').decoded);
  assert.equal(new Ticket(named('ticket, an older one').decoded).id, 't-1');
  assert.equal(itemOf(named('items').decoded.items[0]).seq, 1099511815178n);
  assert.deepEqual(stockOf(named('news').decoded),
    { item: 1, left: 0, total: 100, seq: 1099511815178n });
});
