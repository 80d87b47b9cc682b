// Webapps that a test plays: `script(request)` gives the answers.

import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const CLIENT = new URL('../../../clients/js/', import.meta.url);

export const hasZeroMq = existsSync(new URL('node_modules/zeromq/package.json', CLIENT));
/** Options of a test that needs what npm brings. */
export const withZeroMq = hasZeroMq ? {}
  : { skip: 'no clients/js/node_modules (scripts/install_deps.sh)' };

export const tick = () => new Promise((resolve) => setTimeout(resolve, 5));
export const confirmed = (request, more = {}) => ({ id: request.id, state: 'confirmed',
  order_id: '1099511627777', item: request.item, qty: request.qty, left: 7, stored: false, ...more });
export const refused = (request, code, retry, more = {}) =>
  ({ id: request.id, code, message: 'no', retry, ...more });

/** What a webapp says by itself. */
export const soldOut = (request, more = {}) =>
  ({ id: request.id, code: 'sold_out', edge: true, retry: true, ...more });
export const receipt = (id, order, fulfilment) =>
  ({ id, order, order_id: '1099511627777', fulfilment, at: 1767225600000 });

/** A ROUTER, and an XPUB on the port behind it. Answers are maps, arrays or frames. */
export async function fakeZeroMq(script) {
  const { Router, XPublisher } = createRequire(new URL('package.json', CLIENT))('zeromq');
  const { pack, unpack } = await import(new URL('stampede/sf1.js', CLIENT));
  const requests = [];
  const { router, news, port } = await bound(Router, XPublisher);
  const peers = new Set();
  (async () => {
    for await (const [peer, frame] of router) {
      peers.add(peer.toString('hex'));
      const request = unpack(frame);
      requests.push(request);
      for (const answer of await script(request, requests.length))
        await router.send([peer, answer instanceof Uint8Array ? answer : pack(answer)]);
    }
  })().catch(() => {});
  const endpoint = `tcp://127.0.0.1:${port}`;
  return { endpoint, requests, peers, publish: (topic, map) => news.send([topic, pack(map)]),
    subscribed: () => news.receive(), close: () => (router.close(), news.close()) };
}

async function bound(Router, XPublisher) {
  for (;;) {
    const router = new Router({ linger: 0 });
    await router.bind('tcp://127.0.0.1:*');
    const port = Number(router.lastEndpoint.split(':').at(-1));
    const news = new XPublisher({ linger: 0 });
    try {
      await news.bind(`tcp://127.0.0.1:${port + 1}`);
      return { router, news, port };
    } catch {
      router.close();
      news.close();
    }
  }
}

/** `script({method, path, headers, body})` gives [status, value or text, headers], or undefined:
 * silence. */
export async function fakeHttp(script) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const seen = { method: request.method, path: request.url, headers: request.headers, body };
    requests.push(seen);
    const answer = await script(seen, requests.length);
    if (answer === undefined) return;
    const [status, value, headers = {}] = answer;
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  return { base, requests, close: () => (server.closeAllConnections(), server.close()) };
}

/** A port where nobody listens. */
export async function deadPort() {
  const { base, close } = await fakeHttp(() => undefined);
  close();
  return Number(base.split(':').at(-1));
}
