// What the supervisor says, asked again and again, and what follows from two answers in a row.

import { ask } from "./ask.js";
import { alarmsOfNumbers, numbersOf } from "./ops_numbers.js";
import { cell } from "./view.js";

const kEveryMs = 1_000;
const kHistoryMs = 5_000;
export const kSilentMs = 4_000; // without an answer: that is an alarm

// { status, heardAt, soldRate, history, numbers, worries: alarms of the numbers }; `status` null until
// the first answer.
export const system = cell({ status: null, heardAt: performance.now(), soldRate: null });
// `over`: it ended by itself, with the supervisor that it was opened at.
export const session = cell({ signed_in: false });

const supervisorOf = (status) => status?.nodes.find((node) => node.role === "supervisor")?.pid;
const backendOf = (status) => status.nodes.find((node) => node.role === "backend");
export const soldSum = (status) => (status.items ?? []).reduce((sum, item) => sum + item.sold, 0);

let before = null; // { at, confirmed, pid } of the backend

// Confirmed orders a second; null where the backend was another one a moment ago.
function rate(status, at) {
  const backend = backendOf(status);
  const confirmed = backend?.requests?.confirmed;
  const last = before;
  before = { at, confirmed, pid: backend?.pid };
  if (!last || confirmed === undefined || last.pid !== backend.pid || confirmed < last.confirmed)
    return null;
  return ((confirmed - last.confirmed) * 1000) / (at - last.at);
}

async function readStatus() {
  const { status, body } = await ask("GET", "/status");
  const at = performance.now();
  if (status !== 200 || !body.nodes) return system.set({ ...system.get() });
  const { soldRate, ...rest } = system.get();
  if (rest.status && supervisorOf(rest.status) !== supervisorOf(body)) readSession();
  const measured = rate(body, at);
  system.set({ ...rest, status: body, heardAt: at, soldRate: measured ?? soldRate });
}

async function readHistory() {
  const { status, body } = await ask("GET", "/v1/history");
  if (status === 200 && Array.isArray(body.t)) system.set({ ...system.get(), history: body });
}

// What the metrics' text says beside all this; nothing where there is none.
async function readMetrics() {
  try {
    const answer = await fetch("/metrics", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) return;
    const numbers = numbersOf(await answer.text());
    system.set({ ...system.get(), numbers, worries: alarmsOfNumbers(numbers, performance.now() / 1000) });
  } catch {
    // The next one comes.
  }
}

export async function readSession() {
  const { status, body } = await ask("GET", "/v1/ops");
  const { signed_in: before, over } = session.get();
  if (status === 200) session.set({ ...body, over: !body.signed_in && (before || over) });
}

function every(ms, read) {
  const again = async () => {
    if (!document.hidden) await read();
    setTimeout(again, ms);
  };
  again();
}

export function watch() {
  every(kEveryMs, readStatus);
  every(kHistoryMs, readHistory);
  every(kHistoryMs, readMetrics);
  every(30_000, readSession);
  document.addEventListener("visibilitychange", () => document.hidden || readStatus());
}

// --- how long the disk lasts ---------------------------------------------------------------------------

const kGrowthOverS = 60; // a shorter look says nothing of days
const kDayS = 86_400;
export const kDaysMax = 99;

// Days until the log has filled its disk, as it grew in the last hour; Infinity: it did not grow;
// undefined: nothing can be said yet.
export function daysLeft(history, diskFree) {
  const known = (history?.log_bytes ?? []).map((size, at) => ({ size, at: at * history.every_s }))
    .filter(({ size }) => size !== null);
  if (known.length < 2 || diskFree === undefined) return undefined;
  // What was removed is no growth: counted from behind it.
  const fell = known.findLastIndex(({ size }, at) => at > 0 && size < known[at - 1].size);
  const [first, last] = [known[Math.max(fell, 0)], known.at(-1)];
  const passed = last.at - first.at;
  if (passed < kGrowthOverS) return undefined;
  const growth = last.size - first.size;
  return growth > 0 ? (diskFree / growth) * (passed / kDayS) : Infinity;
}
