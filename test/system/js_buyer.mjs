// A program with the JavaScript client: js_buyer.mjs calls | buy  ENDPOINT  PREFIX
//   calls  makes every call once; prints what came of them
//   buy    buys item 1, one by one and many at once, some in promo 7, of which it pays some and
//          gives some back, and item 2 with tickets of promo 8, until its input ends; then waits for
//          what is open and prints a line for each order: id, state or code, order id, fulfilment
// ENDPOINT is tcp://… or http://….

import { HttpClient } from '../../clients/js/stampede/http_client.js';
import { calls } from './js_calls.mjs';

const WORKERS = 8;
const TIMEOUT = { timeoutMs: 90_000 }; // longer than any pause of a system that is being killed

const [what, endpoint, prefix] = process.argv.slice(2);
const client = endpoint.startsWith('tcp:')
  ? new (await import('../../clients/js/stampede/client.js')).Client({ endpoint })
  : new HttpClient(endpoint);

let ended = false;
process.stdin.on('end', () => { ended = true; });
process.stdin.resume();

async function buy(worker) {
  for (let number = 0; !ended; number += 1) {
    const name = `${prefix}-${worker}-${number}`;
    const order = (id) => ({ item: 1, user: `user-${worker}`, id });
    if (number % 4 === 0) {
      const orders = Array.from({ length: 10 }, (_, n) => order(`${name}-${n}`));
      const results = await client.orderMany(orders, TIMEOUT);
      results.forEach((one, n) => tell(`${name}-${n}`, one));
    } else if (number % 7 === 6) {
      tell(name, await withTicket(name, `${prefix}-${worker}`).catch((error) => error));
    } else {
      tell(name, await one({ ...order(name), ...(number % 4 > 1 && { promo: 7 }) }, number % 4)
        .catch((error) => error));
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** An order of its own, and what is done with it. */
async function one(order, what) {
  const answer = await client.order(order, TIMEOUT);
  if (what < 2 || !answer.confirmed) return answer;
  const { fulfilment } = what === 2 ? await client.pay(order.id, 500, { id: order.id, ...TIMEOUT })
    : await client.cancel(order.id, { user: order.user, ...TIMEOUT });
  return { ...answer, state: answer.state, fulfilment };
}

/** The ticket's id is the order's. */
async function withTicket(id, user) {
  const ticket = await client.ticket(8, { user, id, ...TIMEOUT });
  const answer = await client.order({ item: 2, user, ticket }, TIMEOUT);
  return answer.id === id ? answer : { code: `ordered as ${answer.id}` };
}

function tell(id, { state, code, order_id: orderId, fulfilment }) {
  process.stdout.write(`${id} ${state ?? code} ${orderId ?? '-'} ${fulfilment ?? '-'}\n`);
}

if (what === 'calls') console.log(JSON.stringify(await calls(client, prefix)));
else await Promise.all(Array.from({ length: WORKERS }, (_, worker) => buy(worker)));
client.close();
process.stdin.destroy();
