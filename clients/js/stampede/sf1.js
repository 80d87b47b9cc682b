// SF1's frames: msgpack, one map or an array of maps a frame.

import { decode, encode } from '@msgpack/msgpack';

import { narrow } from './orders.js';

// No length is believed before it is seen.
const LIMITS = { useBigInt64: true, maxArrayLength: 1000, maxMapLength: 100 };

/** The encoder writes numbers above 2^32 as floats, which no number of SF1 is.
 * @returns {any} */
function wide(/** @type {any} */ value) {
  if (typeof value === 'number' && value > 0xffffffff) return BigInt(value);
  if (Array.isArray(value)) return value.map(wide);
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, wide(one)]));
}

/** @returns {any} */
function narrowed(/** @type {any} */ value) {
  if (typeof value === 'bigint') return narrow(value);
  if (Array.isArray(value)) return value.map(narrowed);
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  for (const name of Object.keys(value)) value[name] = narrowed(value[name]);
  return value;
}

const isMap = (/** @type {any} */ value) => value !== null && typeof value === 'object'
  && !Array.isArray(value) && !ArrayBuffer.isView(value);

export function pack(/** @type {unknown} */ value) {
  return encode(wide(value), { useBigInt64: true });
}

/** The map in a frame, or the list of maps, or undefined. */
export function unpack(/** @type {Uint8Array} */ frame) {
  try {
    const value = narrowed(decode(frame, LIMITS));
    return isMap(value) || (Array.isArray(value) && value.every(isMap)) ? value : undefined;
  } catch {
    return undefined;
  }
}
