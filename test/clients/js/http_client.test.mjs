// The JavaScript client over HTTP against a webapp that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HttpClient } from '../../../clients/js/stampede/http_client.js';
import { confirmed, deadPort, fakeHttp, receipt, refused, soldOut, tick } from './fake_webapp.mjs';

const ANN = { item: 1, user: 'ann' };

function httpTest(name, script, run) {
  test(name, { timeout: 60_000 }, async () => {
    const webapp = await fakeHttp(script);
    const client = new HttpClient(webapp.base);
    try {
      await run(client, webapp);
    } finally {
      client.close();
      webapp.close();
    }
  });
}

const problem = (request, code, status, more = {}) =>
  [status, { type: 'about:blank', title: code, status, code, id: request.id, ...more },
    { 'Content-Type': 'application/problem+json' }];
const orderOf = ({ body }) => JSON.parse(body);
const TROUBLE = [
  (one) => problem(one, 'overloaded', 503, { retry_after_ms: 1 }),
  (one) => problem(one, 'deadline_passed', 504),
  (one) => [202, { id: one.id, state: 'queued' }],
  () => [503, 'all connections are being served', { 'Content-Type': 'text/plain' }],
  () => [502, '<html>a proxy</html>'],
  () => [200, '{"id":"cut sh'],
  () => [200, confirmed({ id: 'another' })],
  (one) => [201, confirmed(one)],
];

httpTest('the same id is sent until there is a final answer',
  (seen, n) => TROUBLE[n - 1](orderOf(seen)),
  async (client, webapp) => {
    const answer = await client.order(ANN, { timeoutMs: 30_000 });
    assert.ok(answer.confirmed);
    assert.equal(webapp.requests.length, TROUBLE.length);
    const ids = new Set(webapp.requests.map((one) => one.headers['idempotency-key']));
    assert.deepEqual([...ids], [answer.id]);
    for (const one of webapp.requests) {
      assert.equal(orderOf(one).id, answer.id);
      assert.match(one.headers.prefer, /^wait=[1-4]$/);
      assert.equal(one.headers['content-type'], 'application/json');
    }
  });

const ticketOf = (id, more = {}) => ({ id, ticket: 't1.x.y', promo: 7, item: 1,
  expires_at: 2 ** 41, ...more });
const nothingLeft = (one, more = {}) => problem(one, 'sold_out', 409, more);

httpTest('a ticket is asked for and ordered with',
  ({ path, body }, n) => {
    const one = JSON.parse(body);
    if (n === 1) return problem(one, 'no_backend', 503, { retry_after_ms: 1 });
    if (!path.endsWith('/tickets')) return [201, confirmed(one, { promo: one.promo })];
    return [201, one.id === 'mine' ? ticketOf('older', { asked: 'mine' }) : ticketOf(one.id)];
  },
  async (client, webapp) => {
    const made = await client.ticket(2 ** 40, { user: 'ann "x"' });
    const [first, again] = webapp.requests;
    assert.deepEqual([first.method, first.path, JSON.parse(first.body)],
      ['POST', `/v1/promos/${2 ** 40}/tickets`, { id: made.id, user: 'ann "x"' }]);
    assert.equal(again.body, first.body);
    assert.deepEqual({ ...made }, ticketOf(made.id));
    const older = await client.ticket(7, { user: 'ann', id: 'mine' });
    assert.equal(older.id, 'older');
    assert.equal((await client.order({ ...ANN, ticket: older })).id, 'older');
    const order = webapp.requests.at(-1);
    assert.deepEqual([order.headers['idempotency-key'], JSON.parse(order.body)],
      ['older', { ...ANN, id: 'older', qty: 1, promo: 7, ticket: 't1.x.y' }]);
    await assert.rejects(client.order({ ...ANN, ticket: 't1.x.y' }), { field: 'id' });
    assert.equal(webapp.requests.length, 4);
  });

httpTest('units that come back within the time go to the ticket',
  (seen, n) => (n < 3 ? nothingLeft(orderOf(seen), { retry_after_ms: 1 })
    : [201, confirmed(orderOf(seen))]),
  async (client, webapp) => {
    assert.ok((await client.order({ ...ANN, id: 't-1', ticket: 't1.x.y' })).confirmed);
    assert.deepEqual(webapp.requests.map((one) => orderOf(one).ticket), Array(3).fill('t1.x.y'));
  });

httpTest('sold out for now ends as what it is, and a rejection as a rejection',
  (seen) => {
    const one = orderOf(seen);
    if (Array.isArray(one)) return [200, one.map((each) => refused(each, 'sold_out', true))];
    return one.id === 'no'
      ? problem(one, 'sold_out', 409, { state: 'rejected', reason: 'sold_out' })
      : nothingLeft(one);
  },
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
    assert.equal((await client.order({ ...ANN, id: 'no' })).reason, 'sold_out');
  });

httpTest('a call may have its own session',
  ({ method, path, body }) => {
    const one = body === '' ? {} : JSON.parse(body);
    if (Array.isArray(one)) return [200, one.map((each) => confirmed(each))];
    if (path.endsWith('/tickets')) return [201, ticketOf(one.id)];
    if (path.endsWith('/payments')) return [200, receipt(one.id, 'a', 'paid')];
    return method === 'GET' ? [200, confirmed({ id: 'a' })] : [201, confirmed(one)];
  },
  async (client, webapp) => {
    client.token = 's.all';
    const token = 's.own';
    const shown = (one) => one.headers.authorization;
    await client.order({ ...ANN, token });
    assert.ok(!webapp.requests[0].body.includes('token'));
    await client.get('a', { token });
    await client.ticket(7, { user: 'ann', token });
    await client.pay('a', 1, { token });
    assert.deepEqual(webapp.requests.map(shown), Array(4).fill(`Bearer ${token}`));
    await client.orderMany([ANN, { ...ANN, token }]);
    await client.orderMany([ANN], { token });
    const [both, call] = webapp.requests.slice(4);
    assert.deepEqual([shown(both), orderOf(both).map((one) => one.token), shown(call)],
      ['Bearer s.all', [undefined, token], `Bearer ${token}`]);
    for (const wrong of ['', 7, 'a b', 'a\n', 'x'.repeat(4097)])
      for (const call of [() => client.order({ ...ANN, token: wrong }),
        () => client.get('a', { token: wrong })])
        await assert.rejects(call, { code: 'bad_request', field: 'token' });
    assert.equal(webapp.requests.length, 6);
  });

httpTest('a session that is not taken is an error of its own that keeps the id',
  ({ path, body }, n) => (n === 5
    ? problem({}, 'deadline_passed', 504, { retry_after_ms: 1 })
    : problem(body === '' ? { id: path.split('/').at(-1) } : JSON.parse(body),
      n > 3 ? 'session_expired' : ['not_logged_in', 'session_expired', 'session_replaced'][n - 1],
      401, { retry: false })),
  async (client, webapp) => {
    for (const code of ['not_logged_in', 'session_expired', 'session_replaced'])
      await assert.rejects(client.order({ ...ANN, id: code }),
        { name: 'NotLoggedIn', code, retry: false, request_id: code });
    await assert.rejects(client.get('a'), { name: 'NotLoggedIn', request_id: 'a' });
    assert.equal(webapp.requests.length, 4);
    // Behind a try that may still be decided it says nothing of the order.
    await assert.rejects(client.order({ ...ANN, id: 'b' }),
      { name: 'OutcomeUnknown', code: 'session_expired', request_id: 'b' });
  });

httpTest('silence is not waited out: the same id is asked again',
  (seen, n) => (n === 1 ? undefined : [200, confirmed(orderOf(seen), { replayed: true })]),
  async (client, webapp) => {
    const answer = await client.order({ ...ANN, request_id: 'mine' }, { timeoutMs: 20_000 });
    assert.deepEqual([answer.id, answer.replayed, webapp.requests.length], ['mine', true, 2]);
  });

httpTest('a rejection is an answer, a refusal an error, and neither is asked again',
  (seen) => (orderOf(seen).item === 1
    ? problem(orderOf(seen), 'sold_out', 409, { state: 'rejected', reason: 'sold_out' })
    : problem(orderOf(seen), 'unknown_item', 404, { field: 'item' })),
  async (client, webapp) => {
    const answer = await client.order(ANN);
    assert.deepEqual([answer.state, answer.reason], ['rejected', 'sold_out']);
    await assert.rejects(client.order({ ...ANN, item: 2 }), (error) => error.code === 'unknown_item'
      && error.field === 'item' && !error.retry);
    assert.equal(webapp.requests.length, 2);
  });

httpTest('without a final answer in time the outcome is unknown, and says with which id to ask',
  (seen) => problem(orderOf(seen), 'no_backend', 503, { retry_after_ms: 100 }),
  async (client) => {
    await assert.rejects(client.order({ ...ANN, id: 'keep-me' }, { timeoutMs: 3000 }), (error) =>
      error.name === 'OutcomeUnknown' && error.code === 'no_backend' && error.retry
      && error.request_id === 'keep-me');
  });

test('where nobody listens nothing was sent', async () => {
  const client = new HttpClient(`http://127.0.0.1:${await deadPort()}`);
  const isNotConnected = (error) => error.name === 'NotConnected';
  await assert.rejects(client.order(ANN, { timeoutMs: 1000 }), isNotConnected);
  await assert.rejects(client.orderMany([ANN, ANN], { timeoutMs: 1000 }), isNotConnected);
});

httpTest('of an array only what may be asked again is, with its id',
  (seen, n) => [200, orderOf(seen).map((one) => {
    if (one.item === 2) return refused(one, 'bad_request', false, { status: 400, field: 'qty' });
    if (one.item === 3 && n < 3) return refused(one, 'overloaded', true, { retry_after_ms: 1 });
    if (one.item === 4) return { ...refused(one, 'sold_out'), state: 'rejected', reason: 'sold_out' };
    return confirmed(one);
  })],
  async (client, webapp) => {
    const results = await client.orderMany([1, 2, 3, 4].map((item) => ({ item, user: 'ann' })));
    assert.deepEqual(results.map((one) => one.state ?? one.code),
      ['confirmed', 'bad_request', 'confirmed', 'rejected']);
    assert.deepEqual(webapp.requests.map((one) => orderOf(one).map(({ item }) => item)),
      [[1, 2, 3, 4], [3], [3]]);
    const ids = webapp.requests.map((one) => orderOf(one).find(({ item }) => item === 3).id);
    assert.equal(new Set(ids).size, 1);
    assert.ok(webapp.requests.every((one) => one.headers['idempotency-key'] === undefined));
  });

httpTest('a long list goes in arrays that a webapp takes',
  (seen) => [200, orderOf(seen).map((one) => confirmed(one))],
  async (client, webapp) => {
    const orders = Array.from({ length: 2500 }, (_, n) => ({ item: 1, user: `安娜-${n}` }));
    const results = await client.orderMany(orders, { timeoutMs: 30_000 });
    assert.equal(results.filter((one) => one.confirmed).length, 2500);
    for (const { body } of webapp.requests) {
      assert.ok(Buffer.byteLength(body) <= 65536);
      assert.ok(orderOf({ body }).length <= 1000);
    }
  });

httpTest('an array that is refused whole is an error of each, or asked again',
  (seen, n) => (n === 1 ? problem({}, 'overloaded', 503, { retry_after_ms: 1 })
    : problem({}, 'too_large', 413)),
  async (client, webapp) => {
    const results = await client.orderMany([ANN, ANN]);
    assert.deepEqual(results.map((one) => one.code), ['too_large', 'too_large']);
    assert.equal(webapp.requests.length, 2);
  });

httpTest('an array whose answers do not fit it is not believed',
  (seen, n) => {
    const orders = orderOf(seen);
    if (n === 1) return [200, orders.slice(1).map((one) => confirmed(one))];
    if (n === 2) return [200, orders.reverse().map((one) => confirmed(one))];
    return [200, orders.map((one) => confirmed(one))];
  },
  async (client, webapp) => {
    const orders = ['a', 'b'].map((id) => ({ ...ANN, id }));
    assert.deepEqual((await client.orderMany(orders)).map((one) => one.id), ['a', 'b']);
    assert.equal(webapp.requests.length, 3);
  });

const LATER = { retry_after_ms: 3_600_000 };
const edge = (request) => [409, soldOut(request, { status: 409 })];

httpTest('only the first try of a new id is called so, and a webapp\'s own no is asked again',
  (seen, n) => (n < 3 ? edge(orderOf(seen))
    : problem(orderOf(seen), 'sold_out', 409, { state: 'rejected', reason: 'sold_out' })),
  async (client, webapp) => {
    const order = { ...ANN, promo: 7, valid_until_ms: 2 ** 41 };
    assert.equal((await client.order(order)).reason, 'sold_out');
    assert.deepEqual(webapp.requests.map(({ headers }) => headers['stampede-first']),
      ['1', undefined, undefined]);
    for (const seen of webapp.requests)
      assert.deepEqual(orderOf(seen), { ...order, qty: 1, id: orderOf(webapp.requests[0]).id });
    for (const more of [{ id: 'b', first: true }, { id: 'c' }, { first: false }])
      await client.order({ ...ANN, ...more });
    assert.deepEqual(webapp.requests.slice(3).map(({ headers }) => headers['stampede-first']),
      ['1', undefined, undefined]);
  });

test('a page says no header of its own to another origin', async () => {
  const seen = [];
  const fetched = async (url, { headers, body }) => {
    seen.push(headers['Stampede-First']);
    return new Response(JSON.stringify(confirmed(JSON.parse(body))), { status: 201 });
  };
  try {
    for (const [origin, href] of [['http://shop.example', 'http://shop.example/a?b'],
      ['null', 'file:///shop.html'], ['null', 'null'],
      ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/']]) {
      globalThis.location = { origin, href };
      await new HttpClient('http://127.0.0.1:8080', { fetch: fetched }).order(ANN);
    }
  } finally {
    delete globalThis.location;
  }
  assert.deepEqual(seen, [undefined, undefined, undefined, '1']);
});

httpTest('a webapp\'s own no is never the end', (seen) => edge(orderOf(seen)),
  async (client) => {
    await assert.rejects(client.order(ANN, { timeoutMs: 500 }),
      { name: 'OutcomeUnknown', code: 'no_answer' });
  });

httpTest('a start within the time is waited for, a later one told at once',
  (seen, n) => (n === 1
    ? [409, { ...problem(orderOf(seen), 'not_started', 409)[1] }, { 'Retry-After': '1' }]
    : n === 2 ? [201, confirmed(orderOf(seen))]
      : problem(orderOf(seen), 'not_started', 409, LATER)),
  async (client, webapp) => {
    const begin = performance.now();
    assert.ok((await client.order({ ...ANN, promo: 7 })).confirmed);
    assert.ok(performance.now() - begin >= 999);
    await assert.rejects(client.order({ ...ANN, promo: 7 }, { timeoutMs: 60_000 }),
      { name: 'NotStarted', code: 'not_started', retry: true, ...LATER });
    assert.equal(webapp.requests.length, 3);
  });

httpTest('beside a try that may still be decided not_started leaves it open',
  (seen, n) => (n === 1 ? [202, { id: orderOf(seen).id, state: 'queued' }]
    : problem(orderOf(seen), 'not_started', 409, LATER)),
  async (client) => {
    await assert.rejects(client.order({ ...ANN, promo: 7 }, { timeoutMs: 1000 }),
      { name: 'OutcomeUnknown', code: 'not_started' });
  });

httpTest('beside a try that may still be decided what may be cured leaves it open',
  (seen, n) => (n === 1 ? [202, { id: orderOf(seen).id, state: 'queued' }]
    : problem(orderOf(seen), 'closed', 409)),
  async (client, webapp) => {
    await assert.rejects(client.order(ANN, { timeoutMs: 1000 }),
      { name: 'OutcomeUnknown', code: 'closed' });
    assert.ok(webapp.requests.length > 1);
    await assert.rejects(client.order(ANN), { name: 'StampedeError', code: 'closed' });
  });

httpTest('close ends a wait for a start',
  (seen) => problem(orderOf(seen), 'not_started', 409, { retry_after_ms: 50_000 }),
  async (client, webapp) => {
    const open = client.order({ ...ANN, promo: 7 }, { timeoutMs: 59_000 });
    while (webapp.requests.length === 0) await tick();
    await tick();
    client.close();
    await assert.rejects(open, { name: 'OutcomeUnknown' });
  });

httpTest('payments and cancellations keep their id and have a receipt',
  ({ method, path, headers, body }, n) => {
    if (n === 1) return problem({}, 'no_backend', 503, { retry_after_ms: 1 });
    if (path.includes('/x')) return problem({}, 'unknown_request', 404);
    if (method === 'DELETE') return [200, receipt(headers['idempotency-key'], 'a', 'cancelled')];
    return [200, receipt(JSON.parse(body).id, 'a', 'paid')];
  },
  async (client, webapp) => {
    assert.deepEqual({ ...await client.pay('a', 2n ** 62n, { id: 'p' }) },
      receipt('p', 'a', 'paid'));
    assert.equal((await client.cancel('a', { user: '安 &' })).fulfilment, 'cancelled');
    assert.equal((await client.cancel('a')).fulfilment, 'cancelled');
    const payment = ['POST', '/v1/orders/a/payments', `{"id":"p","amount_cents":${2n ** 62n}}`];
    assert.deepEqual(webapp.requests.map(({ method, path, body }) => [method, path, body]),
      [payment, payment, ['DELETE', '/v1/orders/a?user=%E5%AE%89%20%26', ''],
        ['DELETE', '/v1/orders/a', '']]);
    for (const call of [client.pay('x', 1), client.cancel('x')])
      await assert.rejects(call, { code: 'unknown_request' });
    for (const [call, field] of [[client.pay('a b', 1), 'order'], [client.pay('a', 1.5),
      'amount_cents'], [client.cancel('a', { user: '' }), 'user']])
      await assert.rejects(call, { field });
  });

httpTest('an array waits for starts within its time and asks for nothing twice',
  (seen, n) => [200, orderOf(seen).map((one) => {
    if (one.user === 'edge' && n === 1) return soldOut(one);
    if (one.user === 'soon' && n < 3) return refused(one, 'not_started', true, { retry_after_ms: 20 });
    if (one.user === 'late') return refused(one, 'not_started', true, LATER);
    return confirmed(one);
  })],
  async (client, webapp) => {
    const orders = ['ann', 'edge', 'soon', 'late'].map((user) => ({ item: 1, user, promo: 7 }));
    const results = await client.orderMany(orders, { timeoutMs: 20_000 });
    assert.deepEqual(results.map((one) => one.state ?? one.name),
      ['confirmed', 'confirmed', 'confirmed', 'NotStarted']);
    assert.deepEqual(webapp.requests.map((seen) => orderOf(seen).map(({ user }) => user)),
      [['ann', 'edge', 'soon', 'late'], ['edge', 'soon'], ['soon']]);
    assert.deepEqual(webapp.requests.map(({ headers }) => headers['stampede-first']),
      ['1', undefined, undefined]);
    await client.orderMany([ANN, { ...ANN, id: 'own' }]);
    assert.equal(webapp.requests[3].headers['stampede-first'], undefined);
  });

httpTest('numbers above 2^53 keep their digits',
  (seen) => (seen.method === 'POST'
    ? [201, `{"id":"big","state":"confirmed","order_id":"1099511627777","item":9223372036854775807}`]
    : [200, `{"items":[{"item":9223372036854775807,"name":"\\"item\\":9223372036854775807",`
      + `"price_cents":1,"total":2,"left":1,"seq":"1099511627777","state":"open",`
      + `"promo":{"id":9223372036854775806,"name":"1234567890123456789","starts_at":1}}]}`]),
  async (client, webapp) => {
    const item = 2n ** 63n - 1n;
    assert.equal((await client.order({ item, user: 'ann', id: 'big' })).item, item);
    assert.match(webapp.requests[0].body, /"item":9223372036854775807,/);
    const [row] = await client.items();
    assert.deepEqual([row.promo.id, row.promo.name], [item - 1n, '1234567890123456789']);
    assert.deepEqual([row.item, row.name, row.left, row.seq],
      [item, '"item":9223372036854775807', 1, 1099511627777n]);
  });

httpTest('an id of digits is a text', (seen) => [201, confirmed(orderOf(seen))],
  async (client) => {
    assert.equal((await client.order({ ...ANN, id: '1234567890123456789' })).id,
      '1234567890123456789');
  });

httpTest('get waits until it is decided, and tells what is not known',
  ({ path }, n) => (path.endsWith('/nobody') ? problem({ id: 'nobody' }, 'unknown_request', 404)
    : n === 1 ? [200, { id: 'a', state: 'queued' }] : [200, confirmed({ id: 'a', item: 1, qty: 1 })]),
  async (client) => {
    assert.equal((await client.get('a')).state, 'confirmed');
    await assert.rejects(client.get('nobody'), { code: 'unknown_request' });
    await assert.rejects(client.get('no good'), { code: 'bad_protocol', field: 'id' });
  });

const row = (item, seq, left) => ({ item, name: 'Phone', price_cents: 100, total: 10, left,
  seq: String(seq), state: 'open' });

httpTest('items come page by page, one by one, and stock when it has changed',
  ({ path }, n) => {
    if (path.includes('?from=0&')) return [200, { items: [row(1, 5, 9)], next: 7, server_time: 1 }];
    if (path.includes('?from=7&')) return [200, { items: [row(7, 6, 8)], server_time: 1 }];
    if (path === '/v1/items/8') return problem({}, 'unknown_item', 404);
    return [200, row(1, n < 6 ? 5 : 9, n < 6 ? 9 : 3)];
  },
  async (client) => {
    assert.deepEqual((await client.items()).map((one) => one.item), [1, 7]);
    await assert.rejects(client.items(8), { code: 'unknown_item' });
    const seen = [];
    for await (const stock of client.stock(1, { everyMs: 5 })) {
      seen.push(stock.left);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen, [9, 3]);
  });

httpTest('ping says what the webapp says',
  (seen, n) => (n === 1 ? [200, { state: 'ready' }]
    : problem({}, 'no_backend', 503, { state: 'no_backend' })),
  async (client) => {
    assert.equal(await client.ping(), 'ready');
    assert.equal(await client.ping(), 'no_backend');
  });

httpTest('close ends what is open', () => undefined, async (client, webapp) => {
  const open = client.order(ANN, { timeoutMs: 60_000 });
  while (webapp.requests.length === 0) await tick();
  client.close();
  await assert.rejects(open, { name: 'OutcomeUnknown' });
});

test('what is not understood is refused before anything is sent', async () => {
  const client = new HttpClient('http://127.0.0.1:1');
  for (const [order, field] of [[{ ...ANN, quantity: 2 }, 'quantity'], [{ item: 1 }, 'user'],
    [{ ...ANN, id: 'a', request_id: 'b' }, 'id'], [{ ...ANN, qty: '2' }, 'qty']])
    await assert.rejects(client.order(order), (error) => error.field === field
      && error.code === 'bad_request');
  await assert.rejects(client.order([ANN]), TypeError);
  await assert.rejects(client.orderMany([{ ...ANN, id: 'a' }, { ...ANN, id: 'a' }]), RangeError);
  await assert.rejects(client.order(ANN, { timeoutMs: '5' }), TypeError);
  for (const call of [() => client.order(ANN, { id: 'mine' }), () => client.get('a', { tokn: 'x' }),
    () => client.orderMany([ANN], { promo: 7 }), () => client.ticket(1, { user: 'ann', key: 'a' }),
    () => client.pay('a', 5, { request_id: 'p' }), () => client.cancel('a', { usr: 'ann' }),
    () => client.items(1, { limit: 5 }), () => client.ping({ timeout: 1 })])
    await assert.rejects(call(), { code: 'bad_request', message: /no option is called/ });
  assert.throws(() => new HttpClient('http://127.0.0.1:1', { tokens: 'x' }), /no option is called/);
  for (const base of ['notaurl', 'ftp://127.0.0.1', 'http://u:p@127.0.0.1'])
    assert.throws(() => new HttpClient(base), { code: 'bad_request', field: 'base' });
});
