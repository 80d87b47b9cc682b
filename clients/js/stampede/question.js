// One question over SF1 and its retries, without any I/O. The id is made once and kept through all
// of them.

import { NotConnected, OutcomeUnknown, codeOf, endOf } from './answers.js';
import { contentOf, wire } from './orders.js';
import { Patience } from './patience.js';
import { pack } from './sf1.js';

// A member that an answer to the op has, and no answer to another one with the same id.
/** @type {Record<string, string>} */
const ANSWERED = { order: 'state', get: 'state', pay: 'order', cancel: 'order', items: 'items',
  ping: 'state', ticket: 'ticket' };

/** The id of the question that a map answers: an older ticket's own is another one.
 * @returns {any} */
export const askedOf = (/** @type {any} */ message) => message.asked ?? message.id;

export class Question {
  /** @type {any} the last map that was heard about it */ answer;
  sent = false;
  tried = false;
  /** @type {string | undefined} of the session that asks; shown with every try */ token;

  /**
   * @param {Record<string, any> & {id: string, op: string}} request
   * @param {number | Patience} timeout
   */
  constructor(request, timeout) {
    this.request = request;
    this.id = request.id;
    this.op = request.op;
    this.ids = [request.id];
    this.patience = timeout instanceof Patience ? timeout
      : new Patience(timeout, request.op);
  }

  /** What is asked under an id, comparable. */
  contentOf(/** @type {string} */ _id) {
    return contentOf(this.request);
  }

  /** What to send now. A webapp that cannot decide says why when the message's own time is over,
   * so from the second try on (and in an only one) that ends before ours does. */
  nextFrame() {
    const again = this.tried;
    this.tried = true;
    const ms = Math.floor(this.patience.listenFor());
    const last = this.patience.left() <= this.patience.silenceMs;
    const alone = ms < 2 || !(again || last);
    const more = { ...(!alone && { deadline_ms: ms - Math.min(Math.floor(ms / 4), 250) }),
      ...(this.token !== undefined && { token: this.token }) };
    return pack(this.message(again, more));
  }

  /** @returns {any} what is sent; `more` is for every order of it */
  message(/** @type {boolean} */ again, /** @type {object} */ more) {
    return { ...more, ...wire(this.request, again) }; // its own token, where it has one
  }

  /** True when this message is about the question and more than "queued". A refusal that names no
   * id is about the one question that is open: who has several open does not pass it on. */
  takes(/** @type {any} */ message) {
    if (Array.isArray(message) || (askedOf(message) ?? this.id) !== this.id) return false;
    if (message.code === undefined && !this.#isAnsweredBy(message)) return false;
    if (this.op === 'get' && message.code === 'key_reused') return false; // of an order beside it
    this.answer = message;
    this.patience.hear(message);
    return true;
  }

  #isAnsweredBy(/** @type {any} */ message) {
    if (message.id === undefined || message[ANSWERED[this.op]] === undefined) return false;
    if (this.request.order !== undefined) return message.order === this.request.order;
    return message.state !== 'queued';
  }

  final() {
    return this.isFinal(this.answer);
  }

  /** That an id is not known yet is no reason to ask for ever, but for an order. */
  isFinal(/** @type {any} */ answer) {
    if (answer.code === 'unknown_request') return this.op !== 'order';
    return !this.patience.canHelp(answer);
  }

  pause() {
    return this.patience.pause(this.answer);
  }

  /** The final answer's map; an error that stands for it is thrown. */
  result(/** @type {string} */ endpoint) {
    if (this.answer !== undefined && this.final()) {
      if (this.answer.code === undefined) return this.answer;
      throw endOf(this.answer, this.id, this.patience);
    }
    throw this.end(endpoint, this.id, codeOf(this.answer));
  }

  end(/** @type {string} */ endpoint, /** @type {string} */ id, /** @type {string} */ lastCode) {
    const ms = this.patience.timeoutMs;
    return this.sent ? new OutcomeUnknown(id, ms, lastCode, this.op)
      : new NotConnected(endpoint, id, ms);
  }
}

/** Orders that are asked together. What is final is never asked again. */
export class BatchQuestion extends Question {
  /** @type {Map<string, any>} the last map about each id */ #heard = new Map();
  /** @type {string[]} ids in the frame that was made last */ #asked = [];
  /** @type {any} the frame was refused, whole */ #refused;

  /**
   * @param {any[]} requests
   * @param {Patience} patience
   */
  constructor(requests, patience) {
    super(requests[0], patience);
    this.ids = requests.map((one) => one.id);
    this.requests = new Map(requests.map((one) => [one.id, one]));
    this.open = new Map(this.requests);
  }

  contentOf(/** @type {string} */ id) {
    return contentOf(this.requests.get(id));
  }

  message(/** @type {boolean} */ again, /** @type {object} */ more) {
    this.#asked = [...this.open.keys()];
    return [...this.open.values()].map((one) => ({ ...more, ...wire(one, again) }));
  }

  takes(/** @type {any} */ message) {
    if (!Array.isArray(message)) return this.#takesRefusal(message);
    const asked = this.#asked;
    if (message.length !== asked.length
      || !asked.every((id, at) => (message[at].id ?? id) === id)) return false;
    asked.forEach((id, at) => {
      const one = message[at];
      this.#heard.set(id, one);
      this.patience.hear(one);
      if (this.isFinal(one)) this.open.delete(id);
    });
    return true;
  }

  /** Of the whole frame: a server that knows no batches, or smaller ones, or has no room. */
  #takesRefusal(/** @type {any} */ message) {
    if (message.id !== undefined || message.code === undefined) return false;
    if (message.retry === true) for (const id of this.open.keys()) this.#heard.set(id, message);
    else this.#refused = message;
    return true;
  }

  final() {
    return this.#refused !== undefined || this.open.size === 0;
  }

  pause() {
    return this.patience.pauseOfAll([...this.open.keys()].map((id) => this.#heard.get(id)));
  }

  /** For each order its Answer, or the error that `order` would have thrown. */
  result(/** @type {string} */ endpoint) {
    return this.ids.map((id) => {
      const heard = this.#heard.get(id);
      if (!this.open.has(id)) return endOf(heard, id, this.patience);
      if (this.#refused !== undefined && this.sent) return endOf(this.#refused, id, this.patience);
      return this.end(endpoint, id, codeOf(heard));
    });
  }
}

