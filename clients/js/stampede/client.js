// The client over ZeroMQ, for Node.

import { Dealer, Subscriber } from 'zeromq';

import { Answer, Receipt, StampedeError, Ticket, itemsOf, stockOf } from './answers.js';
import { allSent, cancelRequest, checkedId, checkedToken, newId, orderRequest, orderRequests,
  only, partsOf, payRequest, ticketRequest, whole } from './orders.js';
import { Patience, Pauses, now } from './patience.js';
import { BatchQuestion, Question, askedOf } from './question.js';
import { pack, unpack } from './sf1.js';

const DEFAULT_ENDPOINT = 'tcp://127.0.0.1:7101';
const TIMEOUT_MS = 10_000;
const OFFER_EVERY_MS = 20; // while there is no connection
const ARRAY_BYTES_MAX = 256 * 1024;
const DEADLINE_BYTES = 15; // what a later try adds to each order
const ALONE_MAX = 16; // connections of those who ask again alone

// Heartbeat: a peer that died without a word is noticed. Linger 0: the program can always end.
const SOCKET_OPTIONS = { linger: 0, receiveHighWaterMark: 100_000,
  heartbeatInterval: 1000, heartbeatTimeout: 3000, heartbeatTimeToLive: 3000,
  reconnectInterval: 20, reconnectMaxInterval: 1000, maxMessageSize: 1 << 21 };

const UNCLEAR = Symbol('a refusal that may be about this question, or about another one');

/** @typedef {import('./answers.js').Order} Order */
/** @typedef {{serverKey: string, publicKey: string, secretKey: string}} Curve */

/** The news come from the port after the clients' one. */
function newsEndpointOf(/** @type {string} */ endpoint) {
  const match = /^(tcp:\/\/.+:)(\d+)$/.exec(endpoint);
  if (!match) throw new TypeError(`${endpoint} is no tcp://HOST:PORT; say newsEndpoint`);
  return `${match[1]}${Number(match[2]) + 1}`;
}

/** Who waits for an answer, and what came for him. */
class Inbox {
  /** @type {any[]} */ #messages = [];
  #wake = () => {};

  constructor(/** @type {Question} */ question) {
    this.question = question;
  }

  put(/** @type {any} */ message) {
    this.#messages.push(message);
    this.#wake();
  }

  wake() {
    this.#wake();
  }

  /** Something that the question takes, or UNCLEAR; undefined when nothing came in time. */
  async take(/** @type {() => boolean} */ isClosed) {
    const until = now() + this.question.patience.listenFor();
    for (;;) {
      while (this.#messages.length > 0) {
        const message = this.#messages.shift();
        if (message === UNCLEAR || this.question.takes(message)) return message;
      }
      const left = until - now();
      if (left <= 0 || isClosed()) return undefined;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => (clearTimeout(timer), resolve(undefined));
      });
    }
  }
}

/**
 * Asks one webapp; any number of questions may be open at once. Answers find their question by the
 * request id, in whatever order they come. A program ends only after close().
 */
export class Client {
  #endpoint;
  #newsEndpoint;
  #curve;
  /** @type {Dealer | undefined} */ #socket;
  /** @type {Set<Subscriber>} */ #subscriptions = new Set();
  /** @type {Map<string, Set<Inbox>>} */ #waiting = new Map();
  #alone = 0; // who ask again alone
  #pauses = new Pauses();
  #leftOpen = false; // somebody stopped waiting for what this socket may still bring
  #heardAt = 0;
  #openedAt = 0;
  #closed = false;
  /** @type {string | undefined} of the session, for a system that asks who buys */ token;

  /**
   * @param {{endpoint?: string, newsEndpoint?: string, curve?: Curve, token?: string}} [options]
   *   `curve`: keys for a system that admits those of its allow-list only
   */
  constructor(options = {}) {
    const { endpoint = DEFAULT_ENDPOINT, newsEndpoint, curve, token } =
      only(options, 'endpoint', 'newsEndpoint', 'curve', 'token');
    this.token = token;
    this.#endpoint = endpoint;
    this.#newsEndpoint = newsEndpoint;
    this.#curve = curve && { curveServerKey: curve.serverKey, curvePublicKey: curve.publicKey,
      curveSecretKey: curve.secretKey };
  }

  get endpoint() {
    return this.#endpoint;
  }

  /**
   * @param {Order} order
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<Answer>} confirmed or rejected: both are final
   */
  async order(order, options = {}) {
    const { timeoutMs = TIMEOUT_MS } = only(options, 'timeoutMs');
    const request = { op: 'order', ...orderRequest(order) };
    return new Answer(await this.#ask(new Question(request, timeoutMs)));
  }

  /**
   * Buys many at once, up to 1000 in one frame; for each order, in the same order, its Answer or
   * the error that `order` would have thrown.
   * @param {Iterable<Order>} orders
   * @param {{timeoutMs?: number, token?: string}} [options]
   * @returns {Promise<(Answer | StampedeError)[]>}
   */
  async orderMany(orders, options = {}) {
    const { timeoutMs = TIMEOUT_MS, token = this.token } = only(options, 'timeoutMs', 'token');
    const requests = orderRequests(orders).map((one) => ({ op: 'order', ...one }));
    const more = DEADLINE_BYTES + (token === undefined ? 0 : token.length + 9);
    const parts = partsOf(requests, (one) => pack(one).length + more, ARRAY_BYTES_MAX);
    const ends = Date.now() + timeoutMs;
    const results = await Promise.all(parts.map((part) =>
      this.#ask(new BatchQuestion(part, new Patience(Math.max(0, ends - Date.now()))), token)));
    return allSent(results.flat());
  }

  /**
   * What became of an order; code `unknown_request` when it is not known *yet*.
   * @param {string} id
   * @param {{token?: string, timeoutMs?: number}} [options]
   */
  async get(id, options = {}) {
    const { token, timeoutMs = TIMEOUT_MS } = only(options, 'token', 'timeoutMs');
    const question = new Question({ op: 'get', id: checkedId(id) }, timeoutMs);
    return new Answer(await this.#ask(question, token));
  }

  /**
   * Leave for a user to order in a promo that needs it: the one that he has, or a new one. Code
   * `gate_closed` when all were given; SoldOutForNow when nothing is left to order with one.
   * @param {import('./answers.js').Whole} promo
   * @param {{user: string, token?: string, id?: string, timeoutMs?: number}} options
   */
  async ticket(promo, options = /** @type {any} */ ({})) {
    const { user, token, id, timeoutMs = TIMEOUT_MS } =
      only(options, 'user', 'token', 'id', 'timeoutMs');
    const question = new Question(ticketRequest(promo, user, id), timeoutMs);
    return new Ticket(await this.#ask(question, token));
  }

  /**
   * Pays the whole price of an order, for callers whom the system trusts. `id` is the payment's own:
   * the same one again never pays twice.
   * @param {string} order its request id
   * @param {import('./answers.js').Whole} amountCents
   * @param {{id?: string, token?: string, timeoutMs?: number}} [options]
   */
  async pay(order, amountCents, options = {}) {
    const { id, token, timeoutMs = TIMEOUT_MS } = only(options, 'id', 'token', 'timeoutMs');
    const request = payRequest(order, amountCents, id);
    return new Receipt(await this.#ask(new Question(request, timeoutMs), token));
  }

  /**
   * Gives an order that is not paid back.
   * @param {string} order its request id
   * @param {{user?: string, token?: string, timeoutMs?: number}} [options] user: its buyer
   */
  async cancel(order, options = {}) {
    const { user, token, timeoutMs = TIMEOUT_MS } = only(options, 'user', 'token', 'timeoutMs');
    const question = new Question(cancelRequest(order, user), timeoutMs);
    return new Receipt(await this.#ask(question, token));
  }

  /**
   * @param {import('./answers.js').Whole} [item] without it: all of them
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<import('./answers.js').Item[]>}
   */
  async items(item, options = {}) {
    const { timeoutMs = TIMEOUT_MS } = only(options, 'timeoutMs');
    const page = (/** @type {object} */ which) =>
      this.#ask(new Question({ op: 'items', id: newId(), ...which }, timeoutMs));
    if (item !== undefined) return itemsOf(await page({ item: whole('item', item) }));
    const rows = [];
    for (let from = /** @type {any} */ (0); from !== undefined;) {
      const answer = await page({ from, limit: 500 });
      rows.push(...itemsOf(answer));
      from = answer.next;
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
    return (await this.#ask(new Question({ op: 'ping', id: newId() }, timeoutMs))).state;
  }

  /**
   * The item's stock, now and whenever it changes, until close(). After `silenceMs` without news
   * (present values are repeated) it connects anew and asks; what it yields is in order and never
   * repeats.
   * @param {import('./answers.js').Whole} item
   * @param {{silenceMs?: number, everyMs?: number}} [options] `everyMs`: of the client over HTTP
   * @returns {AsyncGenerator<import('./answers.js').Stock, void, void>}
   */
  async *stock(item, options = {}) {
    const { silenceMs = 10_000 } = only(options, 'silenceMs', 'everyMs');
    let seq = -1n;
    const isNew = (/** @type {any} */ row) => row.seq > seq && ((seq = row.seq), true);
    while (!this.#closed) {
      const subscription = this.#subscribe(whole('item', item), silenceMs);
      try {
        const [row] = await this.items(item);
        if (isNew(row)) yield stockOf(row);
        for (let heard = await news(subscription); heard; heard = await news(subscription))
          if (isNew(heard)) yield heard;
      } finally {
        this.#subscriptions.delete(subscription);
        subscription.close();
      }
    }
  }

  /** Ends at once, and with it all that is open; may be called twice. */
  close() {
    this.#closed = true;
    this.#dropSocket();
    for (const one of this.#subscriptions) one.close();
    for (const inboxes of this.#waiting.values()) for (const one of inboxes) one.wake();
    this.#pauses.end();
  }

  // --- inside -------------------------------------------------------------------------------------

  async #ask(/** @type {Question} */ question, token = this.token) {
    question.token = checkedToken(token);
    this.#refuseReuse(question);
    await (this.#isInUse(question) ? this.#askAlone(question) : this.#askAsWaiting(question));
    return question.result(this.#endpoint);
  }

  /** Answers are told apart by their id alone: the server's refusal of the second order would be
   * taken for the first one's, which may be confirmed. */
  #refuseReuse(/** @type {Question} */ question) {
    for (const [id, other] of this.#beside(question))
      if (question.op === other.op && question.contentOf(id) !== other.contentOf(id))
        throw new StampedeError('key_reused', `another ${question.op} with this id is open`, { id });
  }

  /** A payment may have the id of an order: a refusal could be of either. */
  #isInUse(/** @type {Question} */ question) {
    const ofOrders = (/** @type {string} */ op) => op === 'order' || op === 'get';
    return this.#beside(question).some(([, { op }]) =>
      op !== question.op && !(ofOrders(op) && ofOrders(question.op)));
  }

  /** @returns {[string, Question][]} */
  #beside(/** @type {Question} */ question) {
    return question.ids.flatMap((id) => [...(this.#waiting.get(id) ?? [])]
      .map((inbox) => /** @type {[string, Question]} */ ([id, inbox.question])));
  }

  async #askAsWaiting(/** @type {Question} */ question) {
    const inbox = new Inbox(question);
    for (const id of question.ids)
      this.#waiting.set(id, (this.#waiting.get(id) ?? new Set()).add(inbox));
    let answered = false;
    try {
      answered = await this.#askUntilAnswered(question, inbox);
    } finally {
      this.#leftOpen ||= !answered;
      for (const id of question.ids) {
        const inboxes = this.#waiting.get(id);
        inboxes?.delete(inbox);
        if (inboxes?.size === 0) this.#waiting.delete(id);
      }
    }
  }

  async #askUntilAnswered(/** @type {Question} */ question, /** @type {Inbox} */ inbox) {
    while (question.patience.left() > 0 && !this.#closed) {
      if (!(await this.#offer(question))) return false;
      const sentAt = now();
      const heard = await inbox.take(() => this.#closed);
      if (heard === UNCLEAR) {
        await this.#askAlone(question);
        return false;
      }
      if (heard === undefined) {
        question.patience.wasSilent();
        this.#leftOpen = true;
        this.#renew(sentAt);
      } else if (question.final()) {
        return true;
      } else {
        await this.#pauses.sleep(question.pause());
      }
    }
    return false;
  }

  /** Asks again on a connection of its own: it is known whose refusal comes there. */
  async #askAlone(/** @type {Question} */ question) {
    while (this.#alone >= ALONE_MAX && question.patience.left() > 0)
      await this.#pauses.sleep(OFFER_EVERY_MS);
    if (question.patience.left() === 0) return;
    this.#alone += 1;
    const client = new Client({ endpoint: this.#endpoint });
    client.#curve = this.#curve;
    try {
      await client.#askAsWaiting(question);
    } finally {
      client.close();
      this.#alone -= 1;
    }
  }

  #open() {
    if (this.#socket !== undefined) return this.#socket;
    // What cannot be sent now must not be queued for a server that may never come back.
    const socket = new Dealer({ ...SOCKET_OPTIONS, ...this.#curve, sendHighWaterMark: 10_000,
      immediate: true, sendTimeout: 0 });
    socket.connect(this.#endpoint);
    this.#socket = socket;
    this.#openedAt = now();
    this.#leftOpen = false;
    void this.#read(socket);
    return socket;
  }

  #dropSocket() {
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** A new socket, unless somebody else made one, or the old one has spoken meanwhile. */
  #renew(/** @type {number} */ sentAt) {
    if (this.#openedAt < sentAt && this.#heardAt < sentAt) this.#dropSocket();
  }

  async #read(/** @type {Dealer} */ socket) {
    while (!socket.closed) {
      /** @type {Uint8Array[]} */ let frames;
      try {
        frames = await socket.receive();
      } catch {
        return; // it was closed
      }
      this.#heardAt = now();
      const message = unpack(frames[frames.length - 1]);
      if (message !== undefined) this.#passOn(message);
    }
  }

  #passOn(/** @type {any} */ message) {
    const maps = Array.isArray(message) ? message : [message];
    const ids = maps.map(askedOf).filter((id) => typeof id === 'string');
    const inboxes = new Set(ids.flatMap((id) => [...(this.#waiting.get(id) ?? [])]));
    for (const inbox of inboxes) inbox.put(message);
    if (ids.length === 0 && maps[0]?.code !== undefined) this.#passOnUnnamed(maps[0]);
  }

  /** With one question open since the socket is there, it is about that one. */
  #passOnUnnamed(/** @type {any} */ refusal) {
    const inboxes = new Set([...this.#waiting.values()].flatMap((all) => [...all]));
    const clear = inboxes.size === 1 && !this.#leftOpen;
    for (const inbox of inboxes) inbox.put(clear ? refusal : UNCLEAR);
  }

  async #offer(/** @type {Question} */ question) {
    const frame = question.nextFrame();
    while (question.patience.left() > 0 && !this.#closed) {
      try {
        await this.#open().send(frame);
        question.sent = true;
        return true;
      } catch {
        await this.#pauses.sleep(OFFER_EVERY_MS); // no connection, or another question has closed it
      }
    }
    return false;
  }

  #subscribe(/** @type {import('./answers.js').Whole} */ item, /** @type {number} */ silenceMs) {
    // Not `immediate`: the subscription is then on its way as soon as there is a connection.
    const socket = new Subscriber({ ...SOCKET_OPTIONS, ...this.#curve, receiveTimeout: silenceMs });
    // SUB matches prefixes: without the last slash item 1 would bring item 10.
    socket.subscribe(`stock/${item}/`);
    socket.connect(this.#newsEndpoint ?? newsEndpointOf(this.#endpoint));
    this.#subscriptions.add(socket);
    return socket;
  }
}

/** The next news; undefined when there are none in time, or the socket was closed. */
async function news(/** @type {Subscriber} */ subscription) {
  for (;;) {
    /** @type {Uint8Array[]} */ let parts;
    try {
      parts = await subscription.receive();
    } catch {
      return undefined;
    }
    const values = parts.length === 2 ? unpack(parts[1]) : undefined;
    if (values !== undefined && !Array.isArray(values)) return stockOf(values);
  }
}
