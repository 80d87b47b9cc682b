// What a program gets back: answers, items, errors. Names are the protocol's.

/** What became of an order. The state is final; the same id gets the same answer for ever. */
export class Answer {
  /** @param {Record<string, any>} values the map that the system sent; unknown members are passed over */
  constructor(values) {
    /** @type {string} */ this.id = values.id;
    /** @type {'confirmed' | 'rejected'} */ this.state = values.state;
    /** @type {string | undefined} text: it has more digits than a number keeps */
    this.order_id = values.order_id;
    /** @type {string | undefined} of a rejection: "sold_out", "limit_reached" */
    this.reason = values.reason;
    /** @type {Whole | undefined} */ this.item = values.item;
    /** @type {number | undefined} */ this.qty = values.qty;
    /** @type {number | undefined} after this decision; absent in a repeated answer */
    this.left = values.left;
    /** @type {boolean} the order's row is in the database */
    this.stored = values.stored ?? false;
    /** @type {boolean} decided before; nothing was bought twice */
    this.replayed = values.replayed ?? false;
  }

  get confirmed() {
    return this.state === 'confirmed';
  }
}

/**
 * A whole number; a bigint when a number would lose digits.
 * @typedef {number | bigint} Whole
 */

/**
 * @typedef {object} Item
 * @property {Whole} item
 * @property {string} name
 * @property {Whole} price_cents
 * @property {Whole} total
 * @property {Whole} left
 * @property {bigint} seq position of its last change
 * @property {string} state
 */

/**
 * @typedef {object} Stock
 * @property {Whole} item
 * @property {Whole} left
 * @property {Whole} total
 * @property {bigint} seq
 */

/**
 * An order to be bought. `request_id` is another name of `id`; without either one is made.
 * @typedef {object} Order
 * @property {Whole} item
 * @property {string} user
 * @property {number} [qty] 1 when it is not said
 * @property {string} [id]
 * @property {string} [request_id]
 */

/** An error code instead of an answer. `code` is one of the protocol's. */
export class StampedeError extends Error {
  /**
   * @param {string} code
   * @param {string} [text]
   * @param {{id?: string, field?: string, retry?: boolean}} [about]
   */
  constructor(code, text = '', { id, field, retry = false } = {}) {
    super(text ? `${code}: ${text}` : code);
    this.name = new.target.name;
    this.code = code;
    this.request_id = id;
    this.field = field;
    this.retry = retry; // asking again with the same id can help
  }
}

/** No final answer in time. The order may have been confirmed: ask again with the same id. */
export class OutcomeUnknown extends StampedeError {
  /**
   * @param {string} id
   * @param {number} ms
   * @param {string} [lastCode]
   */
  constructor(id, ms, lastCode) {
    const heard = lastCode ? `; last heard: ${lastCode}` : '';
    super(lastCode ?? 'no_answer', `no final answer to request ${id} within ${ms} ms${heard}. Its `
      + `outcome is unknown: ask again with id '${id}', which never buys twice`,
      { id, retry: true });
  }
}

/** Nobody listened all the time: this call sent nothing. */
export class NotConnected extends StampedeError {
  /**
   * @param {string} where
   * @param {string} id
   * @param {number} ms
   */
  constructor(where, id, ms) {
    super('no_connection', `no connection to ${where} within ${ms} ms; request ${id} was not sent`,
      { id, retry: true });
  }
}

/** @returns {Item} */
export function itemOf(/** @type {any} */ row) {
  const { item, name, price_cents, total, left, seq, state } = row;
  return { item, name, price_cents, total, left, seq: BigInt(seq), state };
}

/** @returns {Stock} */
export function stockOf(/** @type {any} */ row) {
  const { item, left, total, seq } = row;
  return { item, left, total, seq: BigInt(seq) };
}

/** The answer's map as an Answer, or the error that stands for it. */
export function outcomeOf(/** @type {any} */ values, /** @type {string} */ id) {
  if (values.code === undefined || values.state === 'rejected') return new Answer(values);
  const { code, message, detail, title, field, retry } = values;
  return new StampedeError(code, message ?? detail ?? title, { id, field, retry: retry === true });
}
