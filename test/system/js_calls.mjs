// Every call of the JavaScript client, in Node or in a browser, on a system with the items
// 1 (many), 2 (one unit), 3 (ten), 4 (ten) and 5 (one unit), of which 4 is in promo 7, which has a
// hold, and 5 in promo 9, which needs tickets and has two; promo 8 of item 1 starts later. Gives what came of them as one value for JSON.

const refusal = (promise) => promise.then((value) => `no error: ${value}`,
  ({ name, code, field, retry }) => ({ name, code, field, retry }));

/** @param {any} client a Client or an HttpClient
 *  @param {string} prefix of all ids */
export async function calls(client, prefix) {
  const seen = {};
  const ann = { item: 1, user: 'ann' };
  seen.ping = await client.ping();
  seen.items = (await client.items()).map(({ item, name, total }) => [item, name, total]);
  seen.item = (await client.items(3)).map(({ item, name, left, seq }) =>
    [item, name, left, typeof seq]);
  const first = await client.order({ ...ann, qty: 2, id: `${prefix}-1` });
  const again = await client.order({ ...ann, qty: 2, request_id: `${prefix}-1` });
  seen.order = { ...first };
  seen.again = [again.order_id === first.order_id, again.replayed];
  seen.minted = (await client.order({ item: 1, user: '安娜 "x"' })).id.length;
  seen.reused = await refusal(client.order({ ...ann, id: `${prefix}-1` }));
  seen.unknown = await refusal(client.order({ item: 999, user: 'ann' }));
  seen.tooMany = await refusal(client.order({ ...ann, qty: 6 }));
  seen.last = [];
  for (const id of [`${prefix}-2`, `${prefix}-3`])
    seen.last.push(await client.order({ item: 2, user: 'bob', id }));
  const many = await client.orderMany([{ ...ann, id: `${prefix}-4` },
    { item: 999, user: 'ann', id: `${prefix}-5` }, { item: 2, user: 'eve', id: `${prefix}-6` },
    { ...ann, id: `${prefix}-1`, qty: 2 }, ...Array.from({ length: 1996 }, (_, n) =>
      ({ item: 1, user: `u${n}`, id: `${prefix}-m${n}` }))], { timeoutMs: 60_000 });
  seen.many = many.slice(0, 4).map(({ state, code, reason, replayed }) =>
    [state ?? code, reason ?? null, replayed ?? null]);
  seen.confirmed = many.filter((one) => one.state === 'confirmed').length;
  seen.get = (await client.get(`${prefix}-4`)).state;
  seen.nobody = await refusal(client.get(`${prefix}-nobody`));
  seen.stock = await twoStocks(client, prefix);
  Object.assign(seen, await sale(client, prefix), await tickets(client, prefix));
  return seen;
}

/** Promos and payment. */
async function sale(client, prefix) {
  const [radio] = await client.items(4);
  const { id: promo, state, price_cents: price, starts_at: begin } = radio.promo;
  const names = ['p', 'q', 'r'].map((one) => `${prefix}-${one}`);
  const bought = await client.order({ item: 4, user: 'ann', qty: 2, promo, id: names[0],
    first: true, valid_until_ms: radio.server_time + 3_600_000 });
  await client.order({ item: 4, user: 'bob', promo, id: names[1] });
  const early = await refusal(client.order({ item: 1, user: 'ann', promo: 8, id: names[2] }));
  const paying = await refusal(client.pay(names[0], 999));
  const paid = await client.pay(names[0], 2 * price, { id: names[0] });
  return {
    promo: [promo, state, price, begin <= radio.server_time],
    bought: [bought.promo, bought.unit_price_cents, bought.fulfilment, bought.pay_by > begin],
    wrongAmount: paying,
    paid: [paid.order, paid.order_id === bought.order_id, paid.fulfilment],
    paidAgain: (await client.pay(names[0], 2 * price, { id: names[0] })).at === paid.at,
    paidTwice: await refusal(client.pay(names[0], 2 * price)),
    notCancelled: await refusal(client.cancel(names[0])),
    notHis: await refusal(client.cancel(names[1], { user: 'ann' })),
    cancelled: (await client.cancel(names[1], { user: 'bob' })).fulfilment,
    fulfilments: [(await client.get(names[0])).fulfilment, (await client.get(names[1])).fulfilment,
      (await client.get(`${prefix}-1`)).fulfilment],
    early,
    noPromo: await refusal(client.order({ item: 1, user: 'ann', promo: 7 })),
    late: await refusal(client.order({ item: 1, user: 'ann', valid_until_ms: 1, id: names[2] })),
    ofArray: (await client.orderMany([{ item: 1, user: 'ann', promo: 8 },
      { item: 4, user: 'eve', promo, id: `${prefix}-s2` }])).map((one) => one.code ?? one.fulfilment),
  };
}

/** A promo that needs tickets, of one unit. */
async function tickets(client, prefix) {
  const soon = { timeoutMs: 1500 };
  const given = await client.ticket(9, { user: 'ann', id: `${prefix}-t1` });
  const again = await client.ticket(9, { user: 'ann' });
  const other = await client.ticket(9, { user: 'bob', id: `${prefix}-t2`, ...soon });
  const without = await refusal(client.order({ item: 5, user: 'ann', promo: 9 }));
  const foreign = await refusal(client.order({ item: 5, user: 'eve', ticket: given }));
  const closed = await refusal(client.ticket(9, { user: 'eve' }));
  const bought = await client.order({ item: 5, user: 'ann', ticket: given });
  return {
    ticket: [given.id, given.promo, given.item, given.expires_at > 0],
    sameTicket: [again.id === given.id, again.ticket === given.ticket],
    ticketRules: [without, foreign, closed],
    withTicket: [bought.id, bought.state, bought.promo],
    forNow: await refusal(client.order({ item: 5, user: 'bob', ticket: other }, soon)),
    forNowOfArray: (await client.orderMany([{ item: 5, user: 'bob', ticket: other }], soon))
      .map(({ name, code }) => [name, code]),
    noneToGive: await refusal(client.ticket(9, { user: 'bob2', ...soon })),
  };
}

/** The stock of item 3 before and after an order of three, as they are told. */
async function twoStocks(client, prefix) {
  const lefts = [];
  for await (const { left, total } of client.stock(3, { everyMs: 20 })) {
    lefts.push([left, total]);
    if (lefts.length === 2) break;
    await client.order({ item: 3, user: 'ann', qty: 3, id: `${prefix}-s` });
  }
  return lefts;
}
