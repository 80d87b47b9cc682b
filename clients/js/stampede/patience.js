// How long one call goes on: its end, its silences, its pauses. All times are of the monotonic
// clock, in milliseconds.

import { isSoldOutForNow } from './answers.js';

const SILENCE_MS = 1000; // then the connection is taken for dead; doubles with every try up to
const SILENCE_MAX_MS = 4000;
const PAUSE_MS = 100; // before the next try when the server gives no advice
const PAUSE_MAX_MS = 5000;
const START_LOOK_MS = 30_000; // who waits for a promo looks so often whether it starts earlier now
const SOLD_OUT_LOOK_MS = 500; // who has a ticket looks so often whether units came back
const CURED_LOOK_MS = 500; // beside a try without an answer: whether that one was decided after all
const LOOKS = ['get', 'items', 'ping', 'ticket']; // no try of them can have bought anything
const LEFT_OPEN = ['deadline_passed', 'internal'];
// Nothing is decided, and what stood in the way may go: a try before that is still on its way may be
// confirmed then.
const CURABLE = ['unpaid_limit', 'closed', 'promo_only', 'unknown_item', 'unknown_promo'];
const TIMER_MAX_MS = 2 ** 31 - 1; // a longer timer would fire at once

export const now = () => performance.now();

/** Pauses that end at once when the client is closed. */
export class Pauses {
  /** @type {Set<() => void>} */ #wakes = new Set();
  #ended = false;

  /** @returns {Promise<void>} */
  sleep(/** @type {number} */ ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => wake(), this.#ended ? 0 : Math.min(ms, TIMER_MAX_MS));
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      this.#wakes.add(wake);
    });
  }

  end() {
    this.#ended = true;
    for (const wake of [...this.#wakes]) wake();
  }
}

const isStart = (/** @type {any} */ answer) => answer.code === 'not_started';
const adviceOf = (/** @type {any} */ answer) => {
  if (typeof answer.retry_after_ms === 'number' && answer.retry_after_ms >= 0)
    return Math.max(answer.retry_after_ms, 1);
  if (CURABLE.includes(answer.code)) return CURED_LOOK_MS;
  return isSoldOutForNow(answer) ? SOLD_OUT_LOOK_MS : PAUSE_MS;
};

export class Patience {
  #unanswered = false; // what was sent before may still be on its way
  #decides;

  /** @param {number} timeoutMs @param {string} [op] */
  constructor(timeoutMs, op = 'order') {
    this.#decides = !LOOKS.includes(op);
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))
      throw new TypeError(`timeoutMs is a number of milliseconds, not ${String(timeoutMs)}`);
    this.timeoutMs = timeoutMs;
    this.end = now() + timeoutMs;
    this.silenceMs = SILENCE_MS;
  }

  left() {
    return Math.max(0, this.end - now());
  }

  /** How long to wait for an answer to what was just sent. */
  listenFor() {
    return Math.min(this.silenceMs, this.left());
  }

  wasSilent(wasSent = true) {
    this.#unanswered ||= wasSent;
    this.silenceMs = Math.min(2 * this.silenceMs, SILENCE_MAX_MS);
  }

  /** Of an answer that leaves open what becomes of what was sent. */
  hear(/** @type {any} */ answer) {
    this.#unanswered ||= LEFT_OPEN.includes(answer.code) || answer.state === 'queued';
  }

  /** Whether a try that had no answer may have been decided, or may yet be. */
  mayBeDecided() {
    return this.#unanswered && this.#decides;
  }

  /** Whether asking again can change this answer: the server says so. A start is waited for if it is
   * within the time; so are units that come back, while there is time for another try. */
  canHelp(/** @type {any} */ answer) {
    if (isSoldOutForNow(answer) && !this.mayBeDecided())
      return 1.5 * adviceOf(answer) + PAUSE_MS < this.left();
    if (isStart(answer)) return this.#unanswered || adviceOf(answer) + PAUSE_MS < this.left();
    if (CURABLE.includes(answer.code) && this.mayBeDecided()) return true;
    return answer.retry === true || answer.edge === true;
  }

  /** Until the next try: the server's advice and up to half of it more, so that clients which were
   * turned away together do not come back together. A start is not missed for that. */
  pause(/** @type {any} */ answer = {}) {
    const ms = isStart(answer) ? Math.min(adviceOf(answer), START_LOOK_MS) + Math.random() * PAUSE_MS
      : Math.min(adviceOf(answer), PAUSE_MAX_MS) * (1 + Math.random() / 2);
    return Math.min(ms, this.left());
  }

  /** As for the one that waits longest, but for those whose promo starts before. */
  pauseOfAll(/** @type {any[]} */ answers) {
    const pauses = answers.filter(isStart).map((one) => this.pause(one));
    const others = answers.filter((one) => !isStart(one)).map(adviceOf);
    if (others.length > 0) pauses.push(this.pause({ retry_after_ms: Math.max(...others) }));
    return pauses.length > 0 ? Math.min(...pauses) : this.pause();
  }
}
