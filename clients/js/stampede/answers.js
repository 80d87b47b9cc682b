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
    /** @type {Whole} 0 in a repeated answer */
    this.unit_price_cents = values.unit_price_cents ?? 0;
    /** @type {Whole | undefined} that it was bought in */ this.promo = values.promo;
    /** @type {'none' | 'unpaid' | 'paid' | 'expired' | 'cancelled' | 'refund_due'} none: no payment
     * is needed */
    this.fulfilment = values.fulfilment ?? 'none';
    /** @type {number | undefined} Unix time in ms; of one that is unpaid */
    this.pay_by = values.pay_by;
  }

  get confirmed() {
    return this.state === 'confirmed';
  }
}

/** What became of a payment or a cancellation; the same one again gets the same answer. */
export class Receipt {
  /** @param {Record<string, any>} values the map that the system sent */
  constructor(values) {
    /** @type {string} the payment's own */ this.id = values.id;
    /** @type {string} the order's request id */ this.order = values.order;
    /** @type {string} */ this.order_id = values.order_id;
    /** @type {'paid' | 'refund_due' | 'cancelled'} refund_due: the units were gone */
    this.fulfilment = values.fulfilment;
    /** @type {number} Unix time in ms */ this.at = values.at;
  }
}

/** Leave for one user to order once in one promo, under the ticket's id. A user who asks again gets
 * the same one while it is good. */
export class Ticket {
  /** @param {Record<string, any>} values the map that the system sent */
  constructor(values) {
    /** @type {string} the request id of the order that may use it */ this.id = values.id;
    /** @type {string} */ this.ticket = values.ticket;
    /** @type {Whole} */ this.promo = values.promo;
    /** @type {Whole} */ this.item = values.item;
    /** @type {number} Unix time in ms */ this.expires_at = values.expires_at;
  }
}

/**
 * A whole number; a bigint when a number would lose digits.
 * @typedef {number | bigint} Whole
 */

/**
 * An offer of an item for some time at its own price. Times are Unix time in ms.
 * @typedef {object} Promo
 * @property {Whole} id
 * @property {string} name
 * @property {Whole} price_cents
 * @property {number} starts_at
 * @property {number} ends_at
 * @property {'coming' | 'running'} state
 * @property {'none' | 'required'} ticket required: an order needs one
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
 * @property {Whole} sold
 * @property {Promo} [promo] that is running, else the next to start
 * @property {number} server_time when this was so, by the clock that a promo's times go by
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
 * @property {Whole} [promo] the offer that it is bought in
 * @property {Ticket | string} [ticket] a Ticket brings its id and its promo; its text needs the id
 * @property {string} [token] of this order's session, in place of the client's
 * @property {number} [valid_until_ms] Unix time after which it is not bought
 * @property {boolean} [first] this id was never sent before; so are ids that are made here
 * @property {string} [id]
 * @property {string} [request_id]
 */

/** An error code instead of an answer: nothing was decided by this attempt, nothing bought, and the
 * same id may be sent again when what stood in the way is gone. `code` is one of the protocol's. */
export class StampedeError extends Error {
  /**
   * @param {string} code
   * @param {string} [text]
   * @param {{id?: string, field?: string, retry?: boolean, retryAfterMs?: number}} [about]
   */
  constructor(code, text = '', { id, field, retry = false, retryAfterMs } = {}) {
    super(text ? `${code}: ${text}` : code);
    this.name = new.target.name;
    this.code = code;
    this.request_id = id;
    this.field = field;
    this.retry = retry; // asking again with the same id can help
    this.retry_after_ms = retryAfterMs;
  }
}

/** The promo has not started, and does not within the time of the call. `retry_after_ms` says how
 * long it is until then; the same id may be sent again. */
export class NotStarted extends StampedeError {}

/** Nothing was left for this ticket, or to give a ticket for, all the time of the call. Nothing was
 * decided: units that come back can still go to who has a ticket, until its promo ends. The same id
 * may be sent again, with its ticket. */
export class SoldOutForNow extends StampedeError {}

/** The session's token was not taken: `not_logged_in` (none, or none of the system's),
 * `session_expired` or `session_replaced`. Nothing was decided; the same call with the same id may
 * be repeated with a new token. */
export class NotLoggedIn extends StampedeError {}

const SESSION_CODES = ['not_logged_in', 'session_expired', 'session_replaced'];

/** @type {Record<string, string>} */
const ADVICE = { pay: 'pay again with this id, which never pays twice',
  cancel: 'cancel again, or look with get',
  ticket: 'ask again: a user never gets two at a time',
  session: 'a try before had no answer; ask again with this id and a new token, which never buys '
    + 'twice' };

/** No final answer in time. The order may have been confirmed: ask again with the same id. */
export class OutcomeUnknown extends StampedeError {
  /**
   * @param {string} id
   * @param {number} ms
   * @param {string} [lastCode]
   * @param {string} [op]
   */
  constructor(id, ms, lastCode, op = 'order') {
    const heard = lastCode ? `; last heard: ${lastCode}` : '';
    const advice = ADVICE[op] ?? `ask again with id '${id}', which never buys twice`;
    super(lastCode ?? 'no_answer', `no final answer to request ${id} within ${ms} ms${heard}. Its `
      + `outcome is unknown: ${advice}`, { id, retry: true });
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
export function itemOf(/** @type {any} */ row, server_time = 0) {
  const { item, name, price_cents, total, left, seq, state, sold = 0, promo } = row;
  return { item, name, price_cents, total, left, seq: BigInt(seq), state, sold, promo,
    server_time };
}

/** @returns {Item[]} */
export function itemsOf(/** @type {any} */ { items, server_time }) {
  return items.map((/** @type {any} */ row) => itemOf(row, server_time));
}

/** @returns {Stock} */
export function stockOf(/** @type {any} */ row) {
  const { item, left, total, seq } = row;
  return { item, left, total, seq: BigInt(seq) };
}

/** Of the backend's own word alone: a webapp's (`edge`) is no reason for anything. */
export function isSoldOutForNow(/** @type {any} */ values) {
  return values.code === 'sold_out' && values.retry === true && values.edge !== true
    && values.state === undefined;
}

function kindOf(/** @type {any} */ values) {
  if (values.code === 'not_started') return NotStarted;
  if (isSoldOutForNow(values)) return SoldOutForNow;
  return SESSION_CODES.includes(values.code) ? NotLoggedIn : StampedeError;
}

/**
 * As outcomeOf, of the last answer to several tries: without a session nobody is told what became
 * of one that had no answer.
 * @param {any} values
 * @param {string} id
 * @param {{timeoutMs: number, mayBeDecided: () => boolean}} patience
 */
export function endOf(values, id, patience) {
  if (SESSION_CODES.includes(values.code) && patience.mayBeDecided())
    return new OutcomeUnknown(id, patience.timeoutMs, values.code, 'session');
  return outcomeOf(values, id);
}

/** The answer's map as an Answer, or the error that stands for it. */
export function outcomeOf(/** @type {any} */ values, /** @type {string} */ id) {
  if (values.code === undefined || values.state === 'rejected') return new Answer(values);
  const { code, message, detail, title, field, retry, retry_after_ms: retryAfterMs } = values;
  return new (kindOf(values))(code, message ?? detail ?? title,
    { id, field, retry: code === 'not_started' || retry === true, retryAfterMs });
}

/** Why nothing is decided. What a webapp says by itself is no reason. */
export function codeOf(/** @type {any} */ values) {
  return values?.edge === true ? undefined : values?.code;
}
