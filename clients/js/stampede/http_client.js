// The client over HTTP, for Node and for browsers: nothing but fetch.

import { NotConnected, OutcomeUnknown, StampedeError, itemOf, outcomeOf, stockOf }
  from './answers.js';
import { allSent, bytesOf, checkedId, narrow, newId, orderRequest, orderRequests, partsOf, whole }
  from './orders.js';
import { Patience, sleep } from './patience.js';

const DEFAULT_BASE = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 10_000;
const WAIT_MAX_S = 4; // asked of the server in one request
const ARRAY_BYTES_MAX = 64 * 1024;
const ARRAYS_AT_ONCE = 4;
const TRY_MIN_MS = 50; // a shorter try would say nothing, not even that nobody listens

/** @typedef {import('./answers.js').Order} Order */
/** @typedef {{id: string, item: number | bigint, user: string, qty: number | bigint}} Request */
/** @typedef {{status: number, values: any, advice: number | undefined}} Reply */

/** JSON has no other form for numbers above 2^53 that keeps their digits. */
function jsonOf(/** @type {Request} */ { id, item, user, qty }) {
  return `{"id":"${id}","item":${item},"user":${JSON.stringify(user)},"qty":${qty}}`;
}

/** The value of a JSON text, undefined when it is none. Long numbers keep their digits: a quote
 * inside a text has a backslash before it, so the pattern finds members alone. */
function valuesOf(/** @type {string} */ text) {
  const long = /"(item|next|price_cents|total|left|seq)":(\d{16,})/g;
  try {
    return JSON.parse(text.replace(long, '"$1":"$2"'), (name, value) =>
      typeof value === 'string' && /^\d{16,19}$/.test(value)
        && ['item', 'next', 'price_cents', 'total', 'left'].includes(name)
        ? narrow(BigInt(value)) : value);
  } catch {
    return undefined;
  }
}

function isRetry(/** @type {number} */ status, /** @type {any} */ values) {
  return values?.retry ?? (status >= 500 || status === 429);
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

/**
 * The same calls as `Client` over ZeroMQ. Any number may be open at once. The id of an order is
 * made once and kept through all retries, so asking again never buys twice.
 */
export class HttpClient {
  #base;
  #fetch;
  #closed = false;
  /** @type {Set<AbortController>} */ #open = new Set();

  /**
   * @param {string} [base] where the webapp listens; in its own page: location.origin
   * @param {{fetch?: typeof fetch}} [options]
   */
  constructor(base = DEFAULT_BASE, options = {}) {
    this.#base = base.replace(/\/+$/, '');
    this.#fetch = options.fetch ?? ((...all) => fetch(...all));
  }

  get endpoint() {
    return this.#base;
  }

  /**
   * @param {Order} order
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<import('./answers.js').Answer>} confirmed or rejected: both are final
   */
  async order(order, { timeoutMs = TIMEOUT_MS } = {}) {
    const request = orderRequest(order);
    const call = this.#call(request.id, timeoutMs);
    return call.answer((left) => post(jsonOf(request), left, { 'Idempotency-Key': request.id }));
  }

  /**
   * Buys many at once; for each order, in the same order, its Answer or the error that `order`
   * would have thrown.
   * @param {Iterable<Order>} orders
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<(import('./answers.js').Answer | StampedeError)[]>}
   */
  async orderMany(orders, { timeoutMs = TIMEOUT_MS } = {}) {
    const parts = partsOf(orderRequests(orders), (one) => bytesOf(jsonOf(one)) + 1,
      ARRAY_BYTES_MAX);
    const patience = new Patience(timeoutMs);
    /** @type {any[][]} */ const results = [];
    let next = 0;
    const work = async () => {
      for (let at = next++; at < parts.length; at = next++)
        results[at] = await this.#call('', timeoutMs, patience).answers(parts[at]);
    };
    await Promise.all(Array.from({ length: ARRAYS_AT_ONCE }, work));
    return allSent(results.flat());
  }

  /**
   * What became of an order; code `unknown_request` when it is not known *yet*.
   * @param {string} id
   * @param {{timeoutMs?: number}} [options]
   */
  async get(id, { timeoutMs = TIMEOUT_MS } = {}) {
    const path = `/v1/orders/${checkedId(id)}`;
    return this.#call(id, timeoutMs).answer(() => ({ path }));
  }

  /**
   * @param {import('./answers.js').Whole} [item] without it: all of them
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<import('./answers.js').Item[]>}
   */
  async items(item, { timeoutMs = TIMEOUT_MS } = {}) {
    const call = this.#call(newId(), timeoutMs);
    if (item !== undefined)
      return [itemOf(await call.values(() => ({ path: `/v1/items/${whole('item', item)}` })))];
    const rows = [];
    for (let from = /** @type {any} */ (0); from !== undefined;) {
      const path = `/v1/items?from=${from}&limit=500`;
      const page = await call.values(() => ({ path }));
      rows.push(...page.items.map(itemOf));
      from = page.next;
    }
    return rows;
  }

  /**
   * "ready", "replaying", "draining" or "no_backend".
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<string>}
   */
  async ping({ timeoutMs = TIMEOUT_MS } = {}) {
    const call = this.#call(newId(), timeoutMs);
    const isFinal = (/** @type {Reply} */ { status, values }) =>
      status === 200 || (values?.state ?? values?.code) !== undefined;
    const { values } = await call.reply(() => ({ path: '/readyz' }), isFinal);
    return values.state ?? values.code;
  }

  /**
   * The item's stock, now and whenever it has changed. HTTP has no news: it is asked for.
   * @param {import('./answers.js').Whole} item
   * @param {{everyMs?: number}} [options]
   * @returns {AsyncGenerator<import('./answers.js').Stock, void, void>}
   */
  async *stock(item, { everyMs = 1000 } = {}) {
    let seq = -1n;
    while (!this.#closed) {
      const [row] = await this.items(item);
      if (row.seq > seq) {
        seq = row.seq;
        yield stockOf(row);
      }
      await sleep(everyMs);
    }
  }

  /** Ends what is open, at once; may be called twice. */
  close() {
    this.#closed = true;
    for (const one of this.#open) one.abort();
  }

  #call(/** @type {string} */ id, /** @type {number} */ timeoutMs, patience = new Patience(timeoutMs)) {
    return new Call(this.#base, id, patience, () => this.#closed,
      (url, init, ms) => this.#request(url, init, ms));
  }

  async #request(/** @type {string} */ url, /** @type {RequestInit} */ init,
    /** @type {number} */ ms) {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), ms);
    this.#open.add(end);
    try {
      const response = await this.#fetch(url,
        { cache: 'no-store', redirect: 'error', ...init, signal: end.signal });
      return { response, text: await response.text() };
    } finally {
      clearTimeout(timer);
      this.#open.delete(end);
    }
  }
}

/** A request of an order, or of several. */
function post(/** @type {string} */ body, /** @type {number} */ left, headers = {}) {
  const seconds = Math.min(WAIT_MAX_S, Math.max(1, Math.floor(left / 1000)));
  return { path: '/v1/orders', waitMs: seconds * 1000, init: { method: 'POST', body,
    headers: { 'Content-Type': 'application/json', Prefer: `wait=${seconds}`, ...headers } } };
}

/** @typedef {(left: number) => {path: string, waitMs?: number, init?: RequestInit}} Make */

/** One call and its retries. */
class Call {
  #sent = false;
  #tries = 0;
  /** @type {string | undefined} */ #lastCode;

  /**
   * @param {string} base
   * @param {string} id
   * @param {Patience} patience
   * @param {() => boolean} isClosed
   * @param {(url: string, init: RequestInit, ms: number) =>
   *         Promise<{response: Response, text: string}>} request
   */
  constructor(base, id, patience, isClosed, request) {
    this.base = base;
    this.id = id;
    this.patience = patience;
    this.isClosed = isClosed;
    this.request = request;
  }

  /** The final answer to an order; an error that stands for it is thrown. */
  async answer(/** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ status, values }) => {
      if (values.id !== undefined && values.id !== this.id) return false;
      if (values.state === 'confirmed' || values.state === 'rejected') return true;
      return values.code !== undefined && !isRetry(status, values);
    });
    const outcome = outcomeOf(values, this.id);
    if (outcome instanceof StampedeError) throw outcome;
    return outcome;
  }

  async values(/** @type {Make} */ make) {
    const { values } = await this.reply(make, ({ status, values }) => values.code === undefined
      ? Array.isArray(values.items) || values.item !== undefined : !isRetry(status, values));
    if (values.code !== undefined) throw outcomeOf(values, this.id);
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
      await sleep(this.patience.pause(reply?.advice));
    }
    throw this.#end(this.id);
  }

  #goesOn() {
    const first = this.#tries++ === 0;
    return this.patience.left() > (first ? 0 : TRY_MIN_MS) && !this.isClosed();
  }

  #end(/** @type {string} */ id) {
    const ms = this.patience.timeoutMs;
    return this.#sent ? new OutcomeUnknown(id, ms, this.#lastCode)
      : new NotConnected(this.base, id, ms);
  }

  /** The outcomes of orders that are asked together. What is final is never asked again. */
  async answers(/** @type {Request[]} */ requests) {
    const open = new Map(requests.map((one) => [one.id, one]));
    /** @type {Map<string, any>} */ const outcomes = new Map();
    const settle = (/** @type {string} */ id, /** @type {any} */ values) => {
      outcomes.set(id, outcomeOf(values, id));
      open.delete(id);
    };
    while (open.size > 0 && this.#goesOn()) {
      const asked = [...open.values()];
      const reply = await this.#once((left) => post(`[${asked.map(jsonOf).join()}]`, left));
      let advice = reply?.advice;
      if (reply && Array.isArray(reply.values)) {
        const told = asked.map(({ id }, at) => /** @type {const} */ ([id, reply.values[at]]));
        if (told.length === reply.values.length && told.every(([id, one]) => one?.id === id))
          for (const [id, one] of told) {
            if (one.retry !== true) settle(id, one);
            else advice = Math.max(advice ?? 0, one.retry_after_ms ?? 0);
            this.#lastCode = one.retry === true ? one.code : this.#lastCode;
          }
      } else if (reply && !isRetry(reply.status, reply.values)) {
        for (const { id } of asked) settle(id, reply.values); // refused whole
      }
      if (open.size > 0) await sleep(this.patience.pause(advice));
    }
    return requests.map(({ id }) => outcomes.get(id) ?? this.#end(id));
  }

  /** One request. Undefined: nothing came of it, or nothing that can be understood. */
  async #once(/** @type {Make} */ make) {
    const { path, waitMs = 0, init = {} } = make(this.patience.left());
    const ms = Math.min(waitMs + this.patience.silenceMs, this.patience.left());
    try {
      const { response, text } = await this.request(this.base + path, init, ms);
      this.#sent = true;
      return this.#read(response, text);
    } catch (error) {
      this.#sent ||= !isRefusal(error);
      this.patience.wasSilent();
      return undefined;
    }
  }

  /** @returns {Reply} */
  #read(/** @type {Response} */ response, /** @type {string} */ text) {
    const { status } = response;
    let values = valuesOf(text);
    if (values === null || typeof values !== 'object' || (status >= 400 && values.code === undefined))
      values = strangerOf(status);
    if (values.code !== undefined) this.#lastCode = values.code;
    const seconds = Number(response.headers.get('Retry-After') ?? NaN);
    const advice = values.retry_after_ms ?? (seconds > 0 ? seconds * 1000 : undefined);
    return { status, values, advice };
  }
}
