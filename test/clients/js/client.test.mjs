// The JavaScript client over ZeroMQ against a webapp that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { confirmed, deadPort, fakeZeroMq, receipt, refused, soldOut, tick, withZeroMq }
  from './fake_webapp.mjs';

const ANN = { item: 1, user: 'ann' };
const OPTIONS = { timeout: 60_000, ...withZeroMq };

function zmqTest(name, script, run) {
  test(name, OPTIONS, async () => {
    const { Client } = await import('../../../clients/js/stampede/client.js');
    const webapp = await fakeZeroMq(script);
    const client = new Client({ endpoint: webapp.endpoint });
    try {
      await run(client, webapp);
    } finally {
      client.close();
      webapp.close();
    }
  });
}

zmqTest('the same id is sent until there is a final answer',
  (one, n) => [[refused(one, 'overloaded', true, { retry_after_ms: 1 })],
    [refused(one, 'deadline_passed', true)],
    [{ id: one.id, state: 'queued' }, confirmed({ id: 'another' }), Buffer.from('ff', 'hex'),
      confirmed(one)]][n - 1],
  async (client, webapp) => {
    const answer = await client.order({ ...ANN, qty: 2 });
    assert.ok(answer.confirmed);
    assert.deepEqual([answer.order_id, answer.item, answer.qty], ['1099511627777', 1, 2]);
    assert.equal(webapp.requests.length, 3);
    assert.ok(webapp.requests.every((one) => one.id === answer.id && one.op === 'order'));
    assert.equal(webapp.requests[0].deadline_ms, undefined);
    assert.ok(webapp.requests[1].deadline_ms < 2000);
  });

zmqTest('silence: a new connection, the same id', (one, n) => (n === 1 ? [] : [confirmed(one)]),
  async (client, webapp) => {
    const answer = await client.order({ ...ANN, id: 'mine' }, { timeoutMs: 20_000 });
    assert.equal(answer.id, 'mine');
    assert.deepEqual(webapp.requests.map((one) => one.id), ['mine', 'mine']);
    assert.equal(webapp.peers.size, 2);
  });

zmqTest('a thousand questions at once find their answers, in whatever order they come',
  (() => {
    const kept = [];
    return (one) => {
      kept.push(confirmed(one, { left: one.item }));
      return kept.length < 1000 ? [] : kept.reverse();
    };
  })(),
  async (client) => {
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, n) =>
      client.order({ item: n, user: 'ann' }, { timeoutMs: 30_000 })));
    assert.ok(answers.every((one, n) => one.left === n));
  });

zmqTest('a rejection is an answer, a refusal an error, and neither is asked again',
  (one) => [one.item === 1 ? { id: one.id, state: 'rejected', reason: 'sold_out' }
    : refused(one, 'unknown_item', false, { field: 'item' })],
  async (client, webapp) => {
    assert.equal((await client.order(ANN)).reason, 'sold_out');
    await assert.rejects(client.order({ ...ANN, item: 2 }), { code: 'unknown_item', field: 'item' });
    assert.equal(webapp.requests.length, 2);
  });

zmqTest('without a final answer in time the outcome is unknown',
  (one) => [refused(one, 'no_backend', true, { retry_after_ms: 50 })],
  async (client) => {
    await assert.rejects(client.order({ ...ANN, id: 'keep-me' }, { timeoutMs: 3000 }), (error) =>
      error.name === 'OutcomeUnknown' && error.code === 'no_backend'
      && error.request_id === 'keep-me' && error.retry);
  });

test('where nobody listens nothing was sent', OPTIONS, async () => {
  const { Client } = await import('../../../clients/js/stampede/client.js');
  const client = new Client({ endpoint: `tcp://127.0.0.1:${await deadPort()}` });
  try {
    await assert.rejects(client.order(ANN, { timeoutMs: 300 }), { name: 'NotConnected' });
    await assert.rejects(client.orderMany([ANN], { timeoutMs: 300 }), { name: 'NotConnected' });
  } finally {
    client.close();
  }
});

zmqTest('of a batch only what may be asked again is, with its id',
  (orders, n) => [orders.map((one) => {
    if (one.item === 2) return refused(one, 'bad_request', false, { field: 'qty' });
    if (one.item === 3 && n < 3) return refused(one, 'overloaded', true, { retry_after_ms: 1 });
    return confirmed(one);
  })],
  async (client, webapp) => {
    const results = await client.orderMany([1, 2, 3].map((item) => ({ item, user: 'ann' })));
    assert.deepEqual(results.map((one) => one.state ?? one.code),
      ['confirmed', 'bad_request', 'confirmed']);
    assert.deepEqual(webapp.requests.map((all) => all.map(({ item }) => item)),
      [[1, 2, 3], [3], [3]]);
    assert.equal(new Set(webapp.requests.map((all) => all.at(-1).id)).size, 1);
    await assert.rejects(client.orderMany([{ ...ANN, id: 'a' }, { ...ANN, id: 'a' }]), RangeError);
  });

zmqTest('a long list goes in frames of a thousand',
  (orders) => [orders.map((one) => confirmed(one))],
  async (client, webapp) => {
    const orders = Array.from({ length: 2500 }, () => ANN);
    const results = await client.orderMany(orders, { timeoutMs: 30_000 });
    assert.equal(results.filter((one) => one.confirmed).length, 2500);
    assert.deepEqual(webapp.requests.map((all) => all.length).sort(), [1000, 1000, 500]);
  });

zmqTest('a refusal without an id is raised at once where one question is open',
  () => [{ code: 'bad_protocol', message: 'no', retry: false }],
  async (client) => {
    await assert.rejects(client.order(ANN), { code: 'bad_protocol' });
    const results = await client.orderMany([ANN, ANN]);
    assert.deepEqual(results.map((one) => one.code), ['bad_protocol', 'bad_protocol']);
  });

zmqTest('where several are open each asks alone whether it was meant',
  (one) => [one.item === 2 ? { code: 'bad_protocol', message: 'no', retry: false }
    : confirmed(one)],
  async (client) => {
    const [first, second, third] = await Promise.allSettled(
      [1, 2, 3].map((item) => client.order({ item, user: 'ann' })));
    assert.equal(first.value.state, 'confirmed');
    assert.equal(second.reason.code, 'bad_protocol');
    assert.equal(third.value.state, 'confirmed');
  });

zmqTest('another order under an open id is refused here', () => [], async (client) => {
  const open = client.order({ ...ANN, id: 'a' }, { timeoutMs: 3000 });
  await assert.rejects(client.order({ ...ANN, id: 'a', qty: 2 }), { code: 'key_reused' });
  await assert.rejects(open, { name: 'OutcomeUnknown' });
});

const LATER = { retry_after_ms: 3_600_000 };

zmqTest('only the first try of a new id is called so, and a webapp\'s own no is asked again',
  (one, n) => [[], [soldOut(one)], [soldOut(one)],
    [{ id: one.id, state: 'rejected', reason: 'sold_out' }]][n - 1] ?? [confirmed(one)],
  async (client, webapp) => {
    assert.equal((await client.order({ ...ANN, promo: 7, valid_until_ms: 2 ** 41 })).reason,
      'sold_out');
    assert.deepEqual(webapp.requests.map((one) => one.first === true),
      [true, false, false, false]);
    assert.deepEqual(webapp.requests.map((one) => [one.id, one.promo, one.valid_until_ms]),
      Array(4).fill([webapp.requests[0].id, 7, 2 ** 41]));
    for (const more of [{}, { id: 'b', first: true }, { id: 'c' }, { first: false }])
      await client.order({ ...ANN, ...more });
    assert.deepEqual(webapp.requests.slice(4).map((one) => one.first),
      [true, true, undefined, undefined]);
  });

zmqTest('a webapp\'s own no is never the end', (one) => [soldOut(one, { retry: false })],
  async (client) => {
    await assert.rejects(client.order(ANN, { timeoutMs: 500 }),
      { name: 'OutcomeUnknown', code: 'no_answer' });
  });

zmqTest('a start within the time is waited for, a later one told at once',
  (one, n) => [n === 1 ? refused(one, 'not_started', true, { retry_after_ms: 300 })
    : n === 2 ? confirmed(one) : refused(one, 'not_started', true, LATER)],
  async (client, webapp) => {
    const begin = performance.now();
    assert.ok((await client.order({ ...ANN, promo: 7 })).confirmed);
    assert.ok(performance.now() - begin >= 299);
    assert.equal(webapp.requests[0].id, webapp.requests[1].id);
    await assert.rejects(client.order({ ...ANN, promo: 7 }, { timeoutMs: 60_000 }),
      { name: 'NotStarted', code: 'not_started', retry: true, ...LATER });
    assert.equal(webapp.requests.length, 3);
  });

zmqTest('beside a try that may still be decided not_started leaves it open',
  (one, n) => [n === 1 ? refused(one, 'deadline_passed', true, { retry_after_ms: 1 })
    : refused(one, 'not_started', true, LATER)],
  async (client) => {
    await assert.rejects(client.order({ ...ANN, promo: 7 }, { timeoutMs: 1000 }),
      { name: 'OutcomeUnknown', code: 'not_started' });
  });

zmqTest('beside a try that may still be decided what may be cured leaves it open',
  (one) => [one.first ? refused(one, 'internal', true, { retry_after_ms: 1 })
    : refused(one, one.user, false)],
  async (client) => {
    for (const code of ['unpaid_limit', 'closed', 'promo_only', 'unknown_item', 'unknown_promo'])
      await assert.rejects(client.order({ item: 1, user: code }, { timeoutMs: 300 }),
        { name: 'OutcomeUnknown', code, retry: true });
  });

zmqTest('what may be cured is asked for again behind a try without an answer, and else an end',
  (one, n) => [n === 1 ? refused(one, 'internal', true, { retry_after_ms: 1 })
    : n === 3 ? confirmed(one) : refused(one, 'unpaid_limit', false)],
  async (client, webapp) => {
    assert.ok((await client.order(ANN)).confirmed);
    assert.equal(webapp.requests.length, 3);
    await assert.rejects(client.order(ANN), { name: 'StampedeError', code: 'unpaid_limit' });
    assert.equal(webapp.requests.length, 4);
  });

zmqTest('close ends a wait for a start',
  (one) => [refused(one, 'not_started', true, { retry_after_ms: 50_000 })],
  async (client, webapp) => {
    const open = client.order({ ...ANN, promo: 7 }, { timeoutMs: 59_000 });
    while (webapp.requests.length === 0) await tick();
    await tick();
    client.close();
    await assert.rejects(open, { name: 'OutcomeUnknown' });
  });

zmqTest('what was not decided is an error with its code, not asked again',
  (one) => [refused(one, one.user, false)],
  async (client, webapp) => {
    const codes = ['ended', 'unknown_promo', 'expired_request', 'unpaid_limit', 'closed'];
    for (const user of codes)
      await assert.rejects(client.order({ item: 1, user, promo: 7 }),
        { name: 'StampedeError', code: user, retry: false });
    assert.equal(webapp.requests.length, codes.length);
  });

zmqTest('payments and cancellations keep their id and have a receipt',
  (one, n) => [n === 1 ? refused(one, 'no_backend', true, { retry_after_ms: 1 })
    : one.order === 'x' ? refused(one, 'unknown_request', true)
      : receipt(one.id, one.order, one.op === 'pay' ? 'paid' : 'cancelled')],
  async (client, webapp) => {
    const paid = await client.pay('a', 2 ** 40, { id: 'p' });
    assert.deepEqual({ ...paid }, receipt('p', 'a', 'paid'));
    assert.equal((await client.cancel('a', { user: 'ann' })).fulfilment, 'cancelled');
    assert.equal((await client.cancel('b')).order, 'b');
    assert.deepEqual(webapp.requests.map(({ op, id, deadline_ms: _, ...rest }) =>
      [op, op === 'pay' ? id : id.length, rest]),
    [['pay', 'p', { order: 'a', amount_cents: 2 ** 40 }],
      ['pay', 'p', { order: 'a', amount_cents: 2 ** 40 }],
      ['cancel', 32, { order: 'a', user: 'ann' }], ['cancel', 32, { order: 'b' }]]);
    for (const call of [client.pay('x', 1), client.cancel('x')])
      await assert.rejects(call, { code: 'unknown_request' });
    for (const [call, field] of [[client.pay('a b', 1), 'order'], [client.pay('a', 1.5),
      'amount_cents'], [client.cancel('a', { user: '' }), 'user']])
      await assert.rejects(call, { field });
  });

const ticketOf = (one, more = {}) => ({ id: one.id, ticket: 't1.x.y', promo: 7, item: 1,
  expires_at: 2 ** 41, ...more });
const nothingLeft = (one, ms) => refused(one, 'sold_out', true, { retry_after_ms: ms });

zmqTest('a ticket is asked for and ordered with',
  (one, n) => [n === 1 ? refused(one, 'no_backend', true, { retry_after_ms: 1 })
    : one.op === 'order' ? confirmed(one, { promo: one.promo })
      : ticketOf(one, one.id === 'mine' ? { id: 'older', asked: 'mine' } : {})],
  async (client, webapp) => {
    const made = await client.ticket(7, { user: 'ann' });
    assert.deepEqual({ ...made }, ticketOf({ id: webapp.requests[0].id }));
    const older = await client.ticket(7, { user: 'ann', id: 'mine', token: 's.x.y' });
    assert.equal(older.id, 'older');
    assert.equal((await client.order({ ...ANN, ticket: older })).id, 'older');
    assert.equal((await client.order({ ...ANN, promo: 7, id: 'a', ticket: 't1.x.y' })).promo, 7);
    assert.deepEqual(webapp.requests.map(({ deadline_ms: _, ...one }) => one), [
      ...Array(2).fill({ op: 'ticket', id: made.id, promo: 7, user: 'ann' }),
      { op: 'ticket', id: 'mine', promo: 7, user: 'ann', token: 's.x.y' },
      { op: 'order', id: 'older', ...ANN, qty: 1, promo: 7, ticket: 't1.x.y' },
      { op: 'order', id: 'a', ...ANN, qty: 1, promo: 7, ticket: 't1.x.y' }]);
    for (const [more, field] of [[{ ticket: 't1.x.y' }, 'id'], [{ id: 'a', ticket: '' }, 'ticket'],
      [{ id: 'a', ticket: 7 }, 'ticket']])
      await assert.rejects(client.order({ ...ANN, ...more }), { code: 'bad_request', field });
    await assert.rejects(client.ticket('7', { user: 'ann' }), { field: 'promo' });
    await assert.rejects(client.ticket(7, { user: '' }), { field: 'user' });
    await assert.rejects(client.ticket(7), { field: 'user' });
    assert.equal(webapp.requests.length, 5);
  });

zmqTest('all tickets given is an error at once', (one) => [refused(one, 'gate_closed', false)],
  async (client, webapp) => {
    await assert.rejects(client.ticket(7, { user: 'ann' }), { code: 'gate_closed' });
    assert.equal(webapp.requests.length, 1);
  });

zmqTest('units that come back within the time go to the ticket',
  (one, n) => [n < 3 ? nothingLeft(one, 1) : confirmed(one)],
  async (client, webapp) => {
    assert.ok((await client.order({ ...ANN, id: 't-1', ticket: 't1.x.y' })).confirmed);
    assert.deepEqual(webapp.requests.map(({ id, ticket }) => [id, ticket]),
      Array(3).fill(['t-1', 't1.x.y']));
  });

zmqTest('sold out for now ends as what it is',
  (one) => [Array.isArray(one) ? one.map((each) => nothingLeft(each, 1)) : nothingLeft(one)],
  async (client, webapp) => {
    const name = 'SoldOutForNow';
    const ordered = { ...ANN, id: 't-1', ticket: 't1.x.y' };
    await assert.rejects(client.order(ordered, { timeoutMs: 1500 }),
      { name, code: 'sold_out', retry: true, request_id: 't-1' });
    const asked = webapp.requests.length;
    assert.ok(asked > 1);
    await assert.rejects(client.ticket(7, { user: 'ann', timeoutMs: 300 }), { name });
    assert.equal(webapp.requests.length, asked + 1);
    const [result] = await client.orderMany([ordered], { timeoutMs: 300 });
    assert.equal(result.name, name);
  });

zmqTest('beside a try that may be decided sold out for now leaves it open',
  (one, n) => [n === 1 ? refused(one, 'deadline_passed', true, { retry_after_ms: 1 })
    : nothingLeft(one, 10)],
  async (client) => {
    await assert.rejects(client.order({ ...ANN, id: 't-1', ticket: 't1.x.y' }, { timeoutMs: 500 }),
      { name: 'OutcomeUnknown', code: 'sold_out' });
  });

zmqTest('a call may have its own session', (one) => {
  if (Array.isArray(one)) return [one.map((each) => confirmed(each))];
  return [one.op === 'pay' || one.op === 'cancel' ? receipt(one.id, one.order, 'paid')
    : one.op === 'ticket' ? ticketOf(one) : confirmed(one)];
}, async (client, webapp) => {
  client.token = 's.all';
  const token = 's.own';
  await client.order({ ...ANN, token });
  await client.get('a', { token });
  await client.ticket(7, { user: 'ann', token });
  await client.pay('a', 1, { token });
  await client.cancel('a', { token });
  assert.deepEqual(webapp.requests.map((one) => one.token), Array(5).fill(token));
  await client.get('a');
  await client.orderMany([ANN, { ...ANN, token }]);
  await client.orderMany([ANN, { ...ANN, token }], { token: 's.call' });
  assert.deepEqual(webapp.requests.slice(5).map((all) => [all].flat().map((one) => one.token)),
    [['s.all'], ['s.all', token], ['s.call', token]]);
  for (const wrong of ['', 7, 'x'.repeat(4097), 'a b', 'a\n'])
    for (const call of [() => client.order({ ...ANN, token: wrong }),
      () => client.get('a', { token: wrong })])
      await assert.rejects(call, { code: 'bad_request', field: 'token' });
  assert.equal(webapp.requests.length, 8);
});

zmqTest('a session that is not taken is an error of its own that keeps the id',
  (one) => [Array.isArray(one) ? [refused(one[0], 'session_expired', false), confirmed(one[1])]
    : refused(one, one.user ?? 'not_logged_in', false)],
  async (client, webapp) => {
    for (const code of ['not_logged_in', 'session_expired', 'session_replaced'])
      await assert.rejects(client.order({ item: 1, user: code, id: code }),
        { name: 'NotLoggedIn', code, retry: false, request_id: code });
    await assert.rejects(client.get('a'), { name: 'NotLoggedIn', request_id: 'a' });
    assert.equal(webapp.requests.length, 4);
    const [first, second] = await client.orderMany([ANN, ANN]);
    assert.deepEqual([first.name, second.state], ['NotLoggedIn', 'confirmed']);
  });

zmqTest('beside a try without an answer a session that is over leaves it open',
  (one, n) => [n % 2 === 1 ? refused(one, 'deadline_passed', true, { retry_after_ms: 1 })
    : refused(one, 'session_expired', false)],
  async (client) => {
    await assert.rejects(client.order({ ...ANN, id: 'a' }), (error) =>
      error.name === 'OutcomeUnknown' && error.code === 'session_expired'
      && error.request_id === 'a' && error.message.includes('new token'));
    await assert.rejects(client.get('a'), { name: 'NotLoggedIn' });
  });

zmqTest('a payment with the id of an open order is told apart', (() => {
  let orders = 0;
  return (one) => {
    if (one.op === 'pay') return [refused(one, 'not_payable', false)];
    orders += 1;
    return orders < 2 ? [] : [confirmed(one)];
  };
})(), async (client) => {
  const order = client.order({ ...ANN, id: 'same' });
  await assert.rejects(client.pay('same', 1, { id: 'same' }), { code: 'not_payable' });
  assert.ok((await order).confirmed);
});

zmqTest('a batch waits for starts within its time and asks for nothing twice',
  (orders, n) => [orders.map((one) => {
    if (one.user === 'edge' && n === 1) return soldOut(one);
    if (one.user === 'soon' && n < 3) return refused(one, 'not_started', true, { retry_after_ms: 20 });
    if (one.user === 'late') return refused(one, 'not_started', true, LATER);
    return confirmed(one);
  })],
  async (client, webapp) => {
    const results = await client.orderMany(['ann', 'edge', 'soon', 'late'].map((user) =>
      ({ item: 1, user, promo: 7 })), { timeoutMs: 20_000 });
    assert.deepEqual(results.map((one) => one.state ?? one.name),
      ['confirmed', 'confirmed', 'confirmed', 'NotStarted']);
    assert.deepEqual(webapp.requests.map((all) => all.map(({ user, first }) => [user, first])),
      [['ann', 'edge', 'soon', 'late'].map((user) => [user, true]),
        [['edge', undefined], ['soon', undefined]], [['soon', undefined]]]);
  });

const row = (item, seq, left) => ({ item, name: 'Phone', price_cents: 100, total: 10, left,
  seq: String(seq), state: 'open' });

zmqTest('items come page by page; what is not known is an error of get',
  (one) => {
    if (one.op === 'get') return [refused(one, 'unknown_request', true)];
    if (one.op === 'ping') return [{ id: one.id, state: 'ready', proto: 1 }];
    if (one.from === 0)
      return [{ id: one.id, server_time: 6, next: 2 ** 40,
        items: [{ ...row(1, 5, 9), sold: 1, promo: { id: 7, state: 'running' } }] }];
    return [{ id: one.id, items: [row(one.from, 6, 8)] }];
  },
  async (client) => {
    const rows = await client.items();
    assert.deepEqual(rows.map((one) => one.item), [1, 2 ** 40]);
    assert.deepEqual([rows[0].promo.id, rows[0].sold, rows[0].server_time, rows[1].promo],
      [7, 1, 6, undefined]);
    await assert.rejects(client.get('nobody'), { code: 'unknown_request' });
    assert.equal(await client.ping(), 'ready');
  });

zmqTest('stock: the present value, then news in order, older ones passed over',
  (one) => [{ id: one.id, items: [row(1, 5, 9)] }],
  async (client, webapp) => {
    const seen = [];
    const [joined] = await Promise.all([webapp.subscribed(), (async () => {
      for await (const { left, seq } of client.stock(1)) {
        seen.push([left, seq]);
        if (seen.length === 1)
          for (const [number, amount] of [[4, 1], [5, 9], [7, 8], [6, 1], [8, 7]])
            await webapp.publish('stock/1/', { ...row(1, number, amount), ts: 1 });
        if (seen.length === 3) break;
      }
    })()]);
    assert.equal(joined.toString(), '\u0001stock/1/');
    assert.deepEqual(seen, [[9, 5n], [8, 7n], [7, 8n]]);
  });

zmqTest('close ends what is open', () => [], async (client, webapp) => {
  const open = client.order(ANN, { timeoutMs: 60_000 });
  while (webapp.requests.length === 0) await tick();
  client.close();
  await assert.rejects(open, { name: 'OutcomeUnknown' });
});

zmqTest('options that are not known are refused before anything is sent', () => [],
  async (client, webapp) => {
    for (const call of [() => client.order(ANN, { id: 'mine' }), () => client.get('a', { tokn: 'x' }),
      () => client.orderMany([ANN], { promo: 7 }),
      () => client.ticket(1, { user: 'ann', key: 'a' }),
      () => client.pay('a', 5, { request_id: 'p' }), () => client.cancel('a', { usr: 'ann' }),
      () => client.items(1, { limit: 5 }), () => client.ping({ timeout: 1 })])
      await assert.rejects(call(), { code: 'bad_request', message: /no option is called/ });
    assert.throws(() => new client.constructor({ endpiont: 'x' }), /no option is called/);
    assert.equal(webapp.requests.length, 0);
  });
