// Every call of the JavaScript client, in Node or in a browser, on a system with the items
// 1 (many), 2 (one unit) and 3 (ten). Gives what came of them as one value for JSON.

/** @param {any} client a Client or an HttpClient
 *  @param {string} prefix of all ids */
export async function calls(client, prefix) {
  const seen = {};
  const ann = { item: 1, user: 'ann' };
  const refusal = (promise) => promise.then((value) => `no error: ${value}`,
    ({ name, code, field, retry }) => ({ name, code, field, retry }));
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
  return seen;
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
