// How long one call goes on: its end, its silences, its pauses. All times are of the monotonic
// clock, in milliseconds.

const SILENCE_MS = 1000; // then the connection is taken for dead; doubles with every try up to
const SILENCE_MAX_MS = 4000;
const PAUSE_MS = 100; // before the next try when the server gives no advice
const PAUSE_MAX_MS = 5000;
const TIMER_MAX_MS = 2 ** 31 - 1; // a longer timer would fire at once

export const now = () => performance.now();

export const sleep = (/** @type {number} */ ms) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(ms, TIMER_MAX_MS)));

export class Patience {
  /** @param {number} timeoutMs */
  constructor(timeoutMs) {
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

  wasSilent() {
    this.silenceMs = Math.min(2 * this.silenceMs, SILENCE_MAX_MS);
  }

  /** Until the next try: the server's advice and up to half of it more, so that clients which were
   * turned away together do not come back together. */
  pause(/** @type {unknown} */ advice) {
    const ms = typeof advice === 'number' && advice >= 0 ? advice : PAUSE_MS;
    return Math.min(Math.min(Math.max(ms, 1), PAUSE_MAX_MS) * (1 + Math.random() / 2), this.left());
  }
}
