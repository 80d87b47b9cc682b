// The client over HTTP, for Node and for browsers: nothing but fetch.

import { NotConnected, OutcomeUnknown, Receipt, StampedeError, Ticket, codeOf, endOf, itemOf,
  itemsOf, stockOf } from './answers.js';
import { allSent, bytesOf, cancelRequest, checkedId, checkedToken, narrow, newId, orderRequest,
  only, orderRequests, partsOf, payRequest, ticketRequest, whole } from './orders.js';
import { Patience, Pauses } from './patience.js';

const DEFAULT_BASE = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 10_000;
const WAIT_MAX_S = 4; // asked of the server in one request
const ARRAY_BYTES_MAX = 64 * 1024;
const ARRAYS_AT_ONCE = 4;
const TRY_MIN_MS = 50; // a shorter try would say nothing, not even that nobody listens

/** @typedef {import('./answers.js').Order} Order */
/** @typedef {import('./orders.js').Request} Request */
/** @typedef {{status: number, values: any}} Reply */

/** JSON has no other form for numbers above 2^53 that keeps their digits. */
function jsonOf(/** @type {Request} */ { id, item, user, qty, promo, valid_until_ms: until, ticket,
  token }) {
  const more = (promo === undefined ? '' : `,"promo":${promo}`)
    + (until === undefined ? '' : `,"valid_until_ms":${until}`)
    + (ticket === undefined ? '' : `,"ticket":${JSON.stringify(ticket)}`)
    + (token === undefined ? '' : `,"token":${JSON.stringify(token)}`);
  return `{"id":"${id}","item":${item},"user":${JSON.stringify(user)},"qty":${qty}${more}}`;
}

const NUMBERS = ['item', 'next', 'price_cents', 'unit_price_cents', 'total', 'left', 'sold', 'seq',
  'promo', 'id'];
const LONG_NUMBERS = new RegExp(`"(${NUMBERS.join('|')})":(\\d{16,})`, 'g');

/** The value of a JSON text, undefined when it is none. Long numbers keep their digits: a quote
 * inside a text has a backslash before it, so the pattern finds members alone, and none of their
 * texts begins with the mark. */
function valuesOf(/** @type {string} */ text) {
  try {
    return JSON.parse(text.replace(LONG_NUMBERS, '"$1":"~$2"'), (name, value) =>
      typeof value === 'string' && /^~\d{16,19}$/.test(value) && NUMBERS.includes(name)
        ? narrow(BigInt(value.slice(1))) : value);
  } catch {
    return undefined;
  }
}

function isRefusal(/** @type {unknown} */ error) {
  return /** @type {any} */ (error)?.cause?.code === 'ECONNREFUSED';
}

/** What an answer that is none of the system's own is called; a proxy may stand between. One that
 * says neither yes nor no leaves it open. */
function strangerOf(/** @type {number} */ status) {
  const code = status === 503 ? 'overloaded' : status >= 500 ? 'internal' : 'bad_protocol';
  return { code, message: `HTTP status ${status} without an answer of Stampede`,
    retry: status < 400 || status >= 500 };
}

/** A page asks another origin for each header of its own whether it may send it. */
/** @returns {URL | undefined} of an address, or a path of the page's own site */
function urlOf(/** @type {string} */ base) {
  for (const page of [undefined, /** @type {any} */ (globalThis).location?.href]) {
    try {
      return new URL(base, page);
    } catch { /* no whole address */ }
  }
  return undefined;
}

/** What can never be asked is refused before anything is. */
function checkedBase(/** @type {string} */ base) {
  const url = urlOf(base);
  if (!/^https?:$/.test(url?.protocol ?? '') || url?.username || url?.password)
    throw new StampedeError('bad_request', `'${base}' is no address like ${DEFAULT_BASE}: http or `
      + 'https, without a user', { field: 'base' });
  return base;
}

function isOfAnotherPage(/** @type {string} */ base) {
  const page = /** @type {any} */ (globalThis).location;
  if (page === undefined) return false;
  try {
    return new URL(base, page.href).origin !== page.origin;
  } catch {
    return true; // a page without an address of its own
  }
}

/**
 * The same calls as `Client` over ZeroMQ. Any number may be open at once. The id of an order is
 * made once and kept through all retries, so asking again never buys twice.
 */
export class HttpClient {
  #base;
  #fetch;
  #closed = false;
  /** @type {Set<AbortController>} */ #open = new Set();
  #pauses = new Pauses();
  #saysFirst;
  /** @type {string | undefined} of the session, for a system that asks who buys */ token;

  /**
   * @param {string} [base] where the webapp listens; in its own page: location.origin
   * @param {{fetch?: typeof fetch, token?: string}} [options]
   */
  constructor(base = DEFAULT_BASE, options = {}) {
    const { fetch: own, token } = only(options, 'fetch', 'token');
    this.#base = checkedBase(base).replace(/\/+$/, '');
    this.token = token;
    this.#fetch = own ?? ((...all) => fetch(...all));
    this.#saysFirst = !isOfAnotherPage(this.#base);
  }

  get endpoint() {
    return this.#base;
  }

  /**
   * @param {Order} order
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<import('./answers.js').Answer>} confirmed or rejected: both are final
   */
  async order(order, options = {}) {
    const { timeoutMs = TIMEOUT_MS } = only(options, 'timeoutMs');
    const { token, ...request } = orderRequest(order);
    const call = this.#call(request.id, timeoutMs, 'order', token);
    return call.answer((left, again) => postOrders(jsonOf(request), left,
      { 'Idempotency-Key': request.id, ...this.#first([request], again) }));
  }

  /** Of a message whose orders were all never sent before.
   * @returns {Record<string, string>} */
  #first(/** @type {Request[]} */ requests, /** @type {boolean} */ again) {
    const isFirst = this.#saysFirst && !again && requests.every((one) => one.first);
    return isFirst ? { 'Stampede-First': '1' } : {};
  }

  /**
   * Buys many at once; for each order, in the same order, its Answer or the error that `order`
   * would have thrown.
   * @param {Iterable<Order>} orders
   * @param {{token?: string, timeoutMs?: number}} [options]
   * @returns {Promise<(import('./answers.js').Answer | StampedeError)[]>}
   */
  async orderMany(orders, options = {}) {
    const { token, timeoutMs = TIMEOUT_MS } = only(options, 'token', 'timeoutMs');
    const parts = partsOf(orderRequests(orders), (one) => bytesOf(jsonOf(one)) + 1,
      ARRAY_BYTES_MAX);
    const patience = new Patience(timeoutMs);
    /** @type {any[][]} */ const results = [];
    let next = 0;
    const work = async () => {
      for (let at = next++; at < parts.length; at = next++)
        results[at] = await this.#call('', timeoutMs, 'order', token, patience).answers(parts[at],
          (requests, again) => this.#first(requests, again));
    };
    await Promise.all(Array.from({ length: ARRAYS_AT_ONCE }, work));
    return allSent(results.flat());
  }

  /**
   * What became of an order; code `unknown_request` when it is not known *yet*.
   * @param {string} id
   * @param {{token?: string, timeoutMs?: number}} [options]
   */
  async get(id, options = {}) {
    const { token, timeoutMs = TIMEOUT_MS } = only(options, 'token', 'timeoutMs');
    const path = `/v1/orders/${checkedId(id)}`;
    return this.#call(id, timeoutMs, 'get', token).answer(() => ({ path }));
  }

  /**
   * Leave for a user to order in a promo that needs it: the one that he has, or a new one. Code
   * `gate_closed` when all were given; SoldOutForNow when nothing is left to order with one.
   * @param {import('./answers.js').Whole} promo
   * @param {{user: string, token?: string, id?: string, timeoutMs?: number}} options
   */
  async ticket(promo, options = /** @type {any} */ ({})) {
    const { user, token, id: own, timeoutMs = TIMEOUT_MS } =
      only(options, 'user', 'token', 'id', 'timeoutMs');
    const { id, promo: number, user: buyer } = ticketRequest(promo, user, own);
    const init = post(`{"id":"${id}","user":${JSON.stringify(buyer)}}`);
    return this.#call(id, timeoutMs, 'ticket', token).ticket(
      () => ({ path: `/v1/promos/${number}/tickets`, init }));
  }

  /**
   * Pays the whole price of an order, for callers whom the system trusts. `id` is the payment's own:
   * the same one again never pays twice.
   * @param {string} order its request id
   * @param {import('./answers.js').Whole} amountCents
   * @param {{id?: string, token?: string, timeoutMs?: number}} [options]
   */
  async pay(order, amountCents, options = {}) {
    const { id: own, token, timeoutMs = TIMEOUT_MS } = only(options, 'id', 'token', 'timeoutMs');
    const { id, amount_cents: amount } = payRequest(order, amountCents, own);
    const init = post(`{"id":"${id}","amount_cents":${amount}}`);
    return this.#call(id, timeoutMs, 'pay', token).receipt(order,
      () => ({ path: `/v1/orders/${order}/payments`, init }));
  }

  /**
   * Gives an order that is not paid back.
   * @param {string} order its request id
   * @param {{user?: string, token?: string, timeoutMs?: number}} [options] user: its buyer
   */
  async cancel(order, options = {}) {
    const { user, token, timeoutMs = TIMEOUT_MS } = only(options, 'user', 'token', 'timeoutMs');
    const { id } = cancelRequest(order, user);
    const query = user === undefined ? '' : `?user=${encodeURIComponent(user)}`;
    const init = { method: 'DELETE', headers: { 'Idempotency-Key': id } };
    return this.#call(id, timeoutMs, 'cancel', token).receipt(order,
      () => ({ path: `/v1/orders/${order}${query}`, init }));
  }

  /**
   * @param {import('./answers.js').Whole} [item] without it: all of them
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<import('./answers.js').Item[]>}
   */
  async items(item, options = {}) {
    const { timeoutMs = TIMEOUT_MS } = only(options, 'timeoutMs');
    const call = this.#call(newId(), timeoutMs, 'items');
    if (item !== undefined) {
      const row = await call.values(() => ({ path: `/v1/items/${whole('item', item)}` }));
      return [itemOf(row, row.server_time)];
    }
    const rows = [];
    for (let from = /** @type {any} */ (0); from !== undefined;) {
      const path = `/v1/items?from=${from}&limit=500`;
      const page = await call.values(() => ({ path }));
      rows.push(...itemsOf(page));
      from = page.next;
    }
    return rows;
  }

  /**
   * "ready", "replaying", "draining" or "no_backend".
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<string>}
   */
  async ping(options = {}) {
    const { timeoutMs = TIMEOUT_MS } = only(options, 'timeoutMs');
    const call = this.#call(newId(), timeoutMs, 'ping');
    const isFinal = (/** @type {Reply} */ { status, values }) =>
      status === 200 || (values?.state ?? values?.code) !== undefined;
    const { values } = await call.reply(() => ({ path: '/readyz' }), isFinal);
    return values.state ?? values.code;
  }

  /**
   * The item's stock, now and whenever it has changed. HTTP has no news: it is asked for.
   * @param {import('./answers.js').Whole} item
   * @param {{everyMs?: number, silenceMs?: number}} [options] `silenceMs`: of the one over ZeroMQ
   * @returns {AsyncGenerator<import('./answers.js').Stock, void, void>}
   */
  async *stock(item, options = {}) {
    const { everyMs = 1000 } = only(options, 'everyMs', 'silenceMs');
    let seq = -1n;
    while (!this.#closed) {
      const [row] = await this.items(item);
      if (row.seq > seq) {
        seq = row.seq;
        yield stockOf(row);
      }
      await this.#pauses.sleep(everyMs);
    }
  }

  /** Ends what is open, at once; may be called twice. */
  close() {
    this.#closed = true;
    for (const one of this.#open) one.abort();
    this.#pauses.end();
  }

  /**
   * @param {string} id
   * @param {number} timeoutMs
   * @param {string} op
   * @param {string} [token] the call's own, in place of the client's
   * @param {Patience} [patience]
   */
  #call(id, timeoutMs, op, token, patience = new Patience(timeoutMs, op)) {
    const shown = checkedToken(token ?? this.token);
    return new Call(this.#base, id, op, patience, this.#pauses, () => this.#closed,
      (url, init, ms) => this.#request(url, init, ms, shown));
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   * @param {number} ms
   * @param {string | undefined} token
   */
  async #request(url, init, ms, token) {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), ms);
    this.#open.add(end);
    const headers = { ...init.headers,
      ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
    try {
      const response = await this.#fetch(url,
        { cache: 'no-store', redirect: 'error', ...init, headers, signal: end.signal });
      return { response, text: await response.text() };
    } finally {
      clearTimeout(timer);
      this.#open.delete(end);
    }
  }
}

/** A request with a body. */
function post(/** @type {string} */ body, headers = {}) {
  return { method: 'POST', body, headers: { 'Content-Type': 'application/json', ...headers } };
}

/** A request of an order, or of several. */
function postOrders(/** @type {string} */ body, /** @type {number} */ left, headers = {}) {
  const seconds = Math.min(WAIT_MAX_S, Math.max(1, Math.floor(left / 1000)));
  return { path: '/v1/orders', waitMs: seconds * 1000,
    init: post(body, { Prefer: `wait=${seconds}`, ...headers }) };
}

/** @typedef {(left: number, again: boolean) =>
 *            {path: string, waitMs?: number, init?: RequestInit}} Make */

/** One call and its retries. */
class Call {
  #sent = false;
  #tries = 0;
  /** @type {string | undefined} */ #lastCode;

  /**
   * @param {string} base
   * @param {string} id
   * @param {string} op
   * @param {Patience} patience
   * @param {Pauses} pauses
   * @param {() => boolean} isClosed
   * @param {(url: string, init: RequestInit, ms: number) =>
   *         Promise<{response: Response, text: string}>} request
   */
  constructor(base, id, op, patience, pauses, isClosed, request) {
    this.base = base;
    this.id = id;
    this.op = op;
    this.patience = patience;
    this.pauses = pauses;
    this.isClosed = isClosed;
    this.request = request;
  }

  /** The final answer to an order; an error that stands for it is thrown. */
  async answer(/** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ values }) => {
      if (values.id !== undefined && values.id !== this.id) return false;
      if (values.state === 'confirmed' || values.state === 'rejected') return true;
      return values.code !== undefined && !this.patience.canHelp(values);
    });
    const outcome = endOf(values, this.id, this.patience);
    if (outcome instanceof StampedeError) throw outcome;
    return outcome;
  }

  /** The final answer to who asks for a ticket. */
  async ticket(/** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ values }) => values.code === undefined
      ? (values.asked ?? values.id) === this.id && values.ticket !== undefined
      : !this.patience.canHelp(values));
    if (values.code !== undefined) throw endOf(values, this.id, this.patience);
    return new Ticket(values);
  }

  /** The final answer to a payment or a cancellation. */
  async receipt(/** @type {string} */ order, /** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ values }) => values.code === undefined
      ? values.id === this.id && values.order === order : !this.patience.canHelp(values));
    if (values.code !== undefined) throw endOf(values, this.id, this.patience);
    return new Receipt(values);
  }

  async values(/** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ values }) => values.code === undefined
      ? Array.isArray(values.items) || values.item !== undefined : !this.patience.canHelp(values));
    if (values.code !== undefined) throw endOf(values, this.id, this.patience);
    return values;
  }

  /**
   * Asks until a reply is final; throws when there is none in time.
   * @param {Make} make
   * @param {(reply: Reply) => boolean} isFinal
   */
  async reply(make, isFinal) {
    while (this.#goesOn()) {
      const reply = await this.#once(make);
      if (reply && isFinal(reply)) return reply;
      await this.pauses.sleep(this.patience.pause(reply?.values));
    }
    throw this.#end(this.id);
  }

  #goesOn() {
    const first = this.#tries++ === 0;
    return this.patience.left() > (first ? 0 : TRY_MIN_MS) && !this.isClosed();
  }

  #end(/** @type {string} */ id) {
    const ms = this.patience.timeoutMs;
    return this.#sent ? new OutcomeUnknown(id, ms, this.#lastCode, this.op)
      : new NotConnected(this.base, id, ms);
  }

  /**
   * The outcomes of orders that are asked together. What is final is never asked again.
   * @param {Request[]} requests
   * @param {(requests: Request[], again: boolean) => Record<string, string>} headers
   */
  async answers(requests, headers) {
    const open = new Map(requests.map((one) => [one.id, one]));
    /** @type {Map<string, any>} */ const outcomes = new Map();
    const settle = (/** @type {string} */ id, /** @type {any} */ values) => {
      outcomes.set(id, endOf(values, id, this.patience));
      open.delete(id);
    };
    while (open.size > 0 && this.#goesOn()) {
      const asked = [...open.values()];
      const reply = await this.#once((left, again) =>
        postOrders(`[${asked.map(jsonOf).join()}]`, left, headers(asked, again)));
      /** @type {any[]} */ let undecided = reply ? [reply.values].flat() : [];
      if (reply && Array.isArray(reply.values)) {
        const told = asked.map(({ id }, at) => /** @type {const} */ ([id, reply.values[at]]));
        undecided = [];
        if (told.length === reply.values.length && told.every(([id, one]) => one?.id === id))
          for (const [id, one] of told) {
            this.patience.hear(one);
            if (!this.patience.canHelp(one)) settle(id, one);
            else undecided.push(one);
          }
        this.#lastCode = codeOf(undecided.at(-1)) ?? this.#lastCode;
      } else if (reply && !this.patience.canHelp(reply.values)) {
        for (const { id } of asked) settle(id, reply.values); // refused whole
      }
      if (open.size > 0) await this.pauses.sleep(this.patience.pauseOfAll(undecided));
    }
    return requests.map(({ id }) => outcomes.get(id) ?? this.#end(id));
  }

  /** One request. Undefined: nothing came of it, or nothing that can be understood. */
  async #once(/** @type {Make} */ make) {
    const { path, waitMs = 0, init = {} } = make(this.patience.left(), this.#tries > 1);
    const ms = Math.min(waitMs + this.patience.silenceMs, this.patience.left());
    try {
      const { response, text } = await this.request(this.base + path, init, ms);
      this.#sent = true;
      return this.#read(response, text);
    } catch (error) {
      this.#sent ||= !isRefusal(error);
      this.patience.wasSilent(!isRefusal(error));
      return undefined;
    }
  }

  /** @returns {Reply} */
  #read(/** @type {Response} */ response, /** @type {string} */ text) {
    const { status } = response;
    let values = valuesOf(text);
    if (values === null || typeof values !== 'object' || (status >= 400 && values.code === undefined))
      values = strangerOf(status);
    if (values.code !== undefined) {
      const seconds = Number(response.headers.get('Retry-After') ?? NaN);
      if (seconds > 0) values.retry_after_ms ??= seconds * 1000;
      // A rejection says so; without a state nothing is left for now, for who has a ticket.
      const forNow = values.code === 'sold_out' && values.state === undefined;
      values.retry ??= status >= 500 || status === 429 || forNow;
    }
    if (!Array.isArray(values)) this.patience.hear(values);
    this.#lastCode = codeOf(values) ?? this.#lastCode;
    return { status, values };
  }
}
