// Orders before they are sent. What is not understood is refused here: a word that is passed over
// could be the id, or the quantity, and each try would buy once more, or another amount.

import { StampedeError, Ticket } from './answers.js';

const KEYS = ['item', 'user', 'qty', 'promo', 'valid_until_ms', 'first', 'id', 'request_id',
  'ticket', 'token'];
// What a request is about: under the same id the same. The rest is about the message.
const CONTENT = ['op', 'item', 'user', 'qty', 'promo', 'order', 'amount_cents'];
const WHOLE_END = 1n << 63n;
export const ORDERS_MAX = 1000; // in one array

const random = globalThis.crypto ?? (await import('node:crypto')).webcrypto;
const utf8 = new TextEncoder();

export function newId() {
  return Array.from(random.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOf(/** @type {string} */ text) {
  return utf8.encode(text).length;
}

/** The server refuses a malformed id without naming it, so nobody could match the answer. */
export function checkedId(/** @type {unknown} */ id, field = 'id') {
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(id))
    throw new StampedeError('bad_protocol', 'a request id is 1 to 64 characters of A-Z a-z 0-9 _ -',
      { id: String(id), field });
  return id;
}

/**
 * Options of a call that takes these and no others.
 * @template {object} T
 * @param {T} options
 * @param {string[]} names
 * @returns {T}
 */
export function only(options, ...names) {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new StampedeError('bad_request', `no option is called '${unknown}' here; there are `
      + names.join(', '), { field: unknown });
  return options;
}

/** @returns {import('./answers.js').Whole} */
export function whole(/** @type {string} */ name, /** @type {unknown} */ value, low = 0) {
  const good = typeof value === 'bigint' ? value >= low && value < WHOLE_END
    : Number.isSafeInteger(value) && /** @type {number} */ (value) >= low;
  if (!good)
    throw new StampedeError('bad_request', `${name} is a whole number from ${low}, not `
      + `${show(value)} (above 2^53: a bigint)`, { field: name });
  return narrow(/** @type {number | bigint} */ (value));
}

/** A number where it keeps all digits. */
export function narrow(/** @type {number | bigint} */ value) {
  return typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function buyer(/** @type {unknown} */ user) {
  // eslint-disable-next-line no-control-regex
  const bad = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u;
  if (typeof user !== 'string' || user === '' || bytesOf(user) > 64 || bad.test(user))
    throw new StampedeError('bad_request', 'a user is 1 to 64 bytes of text without control '
      + `characters, not ${show(user)}`, { field: 'user' });
  return user;
}

/**
 * An order as it is sent.
 * @typedef {object} Request
 * @property {string} id
 * @property {number | bigint} item
 * @property {string} user
 * @property {number | bigint} qty
 * @property {number | bigint} [promo]
 * @property {number | bigint} [valid_until_ms]
 * @property {string} [ticket]
 * @property {string} [token]
 * @property {true} [first]
 */

/**
 * The map to send, of what a program gave.
 * @param {import('./answers.js').Order} order
 * @returns {Request}
 */
export function orderRequest(order) {
  if (order === null || typeof order !== 'object' || Array.isArray(order))
    throw new TypeError(`an order is an object with ${KEYS.join(', ')}, not ${show(order)}`);
  for (const name of Object.keys(order))
    if (!KEYS.includes(name))
      throw new StampedeError('bad_request', `an order has no '${name}'; it has ${KEYS.join(', ')}`,
        { field: name });
  for (const name of /** @type {const} */ (['item', 'user']))
    if (order[name] === undefined)
      throw new StampedeError('bad_request', `the order has no '${name}'`, { field: name });
  const { item, user, qty = 1, valid_until_ms: until, request_id, ticket, token } = order;
  const given = ticket instanceof Ticket ? ticket : undefined;
  const { id = request_id === undefined ? given?.id : undefined, promo = given?.promo } = order;
  const { first = id === undefined && request_id === undefined } = order;
  if (typeof first !== 'boolean')
    throw new StampedeError('bad_request', `first is true or false, not ${show(first)}`,
      { field: 'first' });
  return { id: chosenId(id, request_id), item: whole('item', item), user: buyer(user),
    qty: whole('qty', qty, 1), ...(promo !== undefined && { promo: whole('promo', promo) }),
    ...(ticket !== undefined && { ticket: ticketText(ticket, id ?? request_id) }),
    ...(until !== undefined && { valid_until_ms: whole('valid_until_ms', until, 1) }),
    ...(token !== undefined && { token: checkedToken(token) }),
    ...(first && { first }) };
}

/** @param {unknown} order @param {unknown} amount @param {unknown} [id] */
export function payRequest(order, amount, id) {
  return { op: 'pay', id: id === undefined ? newId() : checkedId(id),
    order: checkedId(order, 'order'), amount_cents: whole('amount_cents', amount) };
}

/** @param {unknown} order @param {unknown} [user] */
export function cancelRequest(order, user) {
  return { op: 'cancel', id: newId(), order: checkedId(order, 'order'),
    ...(user !== undefined && { user: buyer(user) }) };
}

/** @param {unknown} promo @param {unknown} user @param {unknown} [id] */
export function ticketRequest(promo, user, id) {
  return { op: 'ticket', id: id === undefined ? newId() : checkedId(id),
    promo: whole('promo', promo), user: buyer(user) };
}

/** A ticket is good for an order of its own id alone. */
function ticketText(/** @type {unknown} */ ticket, /** @type {unknown} */ id) {
  const text = ticket instanceof Ticket ? ticket.ticket : ticket;
  const refuse = (/** @type {string} */ why, /** @type {string} */ field) =>
    new StampedeError('bad_request', why, { field });
  if (typeof text !== 'string' || text === '')
    throw refuse(`a ticket is a Ticket or its text, not ${show(ticket)}`, 'ticket');
  if (id === undefined) throw refuse('an order with a ticket\'s text has the ticket\'s id', 'id');
  return text;
}

/** Of a session; undefined: nobody's. A header takes no other characters, and no token has any. */
export function checkedToken(/** @type {unknown} */ token) {
  if (token !== undefined && (typeof token !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(token)))
    throw new StampedeError('bad_request', 'a token is a text of 1 to 4096 characters, no blanks',
      { field: 'token' });
  return token;
}

/** What is asked under an id, comparable. */
export function contentOf(/** @type {Record<string, any>} */ request) {
  return JSON.stringify(CONTENT.map((name) => String(request[name])));
}

/**
 * What is sent of a request. `first` is for a first try: behind an answer that was lost, or one that
 * a webapp gave by itself, comes a question that is decided.
 * @param {Record<string, any>} request
 * @param {boolean} again
 */
export function wire({ first, ...request }, again) {
  return first && !again ? { ...request, first } : request;
}

function chosenId(/** @type {unknown} */ id, /** @type {unknown} */ other) {
  if (id !== undefined && other !== undefined && id !== other)
    throw new StampedeError('bad_request', 'id and request_id differ', { field: 'id' });
  const given = id === undefined ? other : id;
  return given === undefined ? newId() : checkedId(given);
}

/** @param {Iterable<import('./answers.js').Order>} orders */
export function orderRequests(orders) {
  const requests = Array.from(orders, orderRequest);
  if (new Set(requests.map((one) => one.id)).size < requests.length)
    throw new RangeError('two orders of one batch have the same id');
  return requests;
}

/**
 * Cuts a list into lists that one message can hold.
 * @template T
 * @param {T[]} requests
 * @param {(request: T) => number} size of one, in bytes
 * @param {number} bytesMax
 */
export function partsOf(requests, size, bytesMax) {
  /** @type {T[][]} */ const parts = [];
  let bytes = 0;
  for (const request of requests) {
    const length = size(request);
    const part = parts.at(-1);
    if (part === undefined || part.length === ORDERS_MAX || bytes + length > bytesMax) {
      parts.push([request]);
      bytes = 4 + length;
    } else {
      part.push(request);
      bytes += length;
    }
  }
  return parts;
}

/** Nothing of it all was sent: that is no list of answers. */
export function allSent(/** @type {any[]} */ results) {
  if (results.length > 0 && results.every((one) => one.code === 'no_connection')) throw results[0];
  return results;
}

function show(/** @type {unknown} */ value) {
  return typeof value === 'string' ? `'${value.slice(0, 80)}'` : String(value).slice(0, 80);
}
