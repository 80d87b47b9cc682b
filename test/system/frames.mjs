// A program of somebody who has read docs/protocol.md and nothing else: sockets of zeromq, frames of
// @msgpack/msgpack or msgpackr, no client of this project.
//   frames.mjs CODEC ENDPOINT NEWS ITEM
// Hears the news of the item, buys 40 units through a DEALER, all at once, and 10 through a REQ, one
// by one; asks for the last again. Prints what it was told as JSON:
// { answers: [{ id, state, order_id }], again: {…}, news: [{ item, left, seq }] }.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../../clients/js/package.json', import.meta.url));
const { Dealer, Request, Subscriber } = require('zeromq');

const [codec, endpoint, news, item] = process.argv.slice(2);
const { pack, unpack } = {
  msgpack: () => {
    const { encode, decode } = require('@msgpack/msgpack');
    return { pack: encode, unpack: decode };
  },
  msgpackr: () => require('msgpackr'),
}[codec]();

const OPTIONS = { linger: 0, receiveTimeout: 20_000, sendTimeout: 20_000 };
const number = Number(item); // above 2^32 both codecs send a float64
const orderOf = (name) => ({ op: 'order', id: `${codec}-${name}`, item: number, user: codec, qty: 1 });

const subscriber = new Subscriber({ linger: 0, receiveTimeout: 20_000 });
subscriber.connect(news);
subscriber.subscribe(`stock/${item}/`);
const heard = [];
const nextNews = async () => {
  const [topic, frame] = await subscriber.receive();
  if (topic.toString() !== `stock/${item}/`) throw new Error(`news of ${topic}`);
  const { item: about, left, seq } = unpack(frame);
  heard.push({ item: Number(about), left: Number(left), seq: String(seq) });
};
await nextNews(); // who joins hears the present value

const dealer = new Dealer(OPTIONS);
dealer.connect(endpoint);
const names = Array.from({ length: 40 }, (_, at) => `d${at}`);
for (const name of names) await dealer.send(pack(orderOf(name)));
const answers = [];
while (answers.length < names.length) answers.push(unpack((await dealer.receive())[0]));

const request = new Request(OPTIONS);
request.connect(endpoint);
const ask = async (message) => {
  await request.send(pack(message));
  return unpack((await request.receive())[0]);
};
for (let at = 0; at < 10; at += 1) answers.push(await ask(orderOf(`r${at}`)));
const again = await ask(orderOf('r9'));

const sold = answers.filter((one) => one.state === 'confirmed').length;
while (heard.at(-1).left > heard[0].left - sold) await nextNews();
console.log(JSON.stringify({ answers, again, news: heard },
  (_, value) => (typeof value === 'bigint' ? String(value) : value)));
for (const socket of [subscriber, dealer, request]) socket.close();
