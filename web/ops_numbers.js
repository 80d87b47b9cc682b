// What the metrics' page says, and what of it is an alarm: by the bounds, windows and times of
// dashboards/alerts.yml (a test compares them), from what was read since this page was opened.

import { decimal, t } from "./language.js";

export const kBounds = {
  diskBytes: 2 * 1024 ** 3,
  diskFullInS: 4 * 3600,
  diskOverS: 30 * 60,
  lagS: 30,
  overloadedS: 60,
  syncS: 0.1,
  syncOverS: 5 * 60,
  restarts: 3,
  restartsOverS: 10 * 60,
};
const kTrendOfS = 60; // a shorter look says nothing of the next hours

export function bytes(size) {
  if (typeof size !== "number") return t("none");
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    ++at;
  }
  return `${decimal(size, at > 1 ? 1 : 0)} ${units[at]}`;
}

// --- reading -----------------------------------------------------------------------------------------

const add = (sums, name, value) => sums.set(name, (sums.get(name) ?? 0) + value);

const kTakes = {
  stampede_log_disk_free_bytes: (found, value) => (found.diskFree = value),
  stampede_answers_total: (found, value, label) => add(found.answers, label("code"), value),
  stampede_node_restarts_total: (found, value, label) => add(found.restarts, label("node"), value),
  stampede_log_sync_seconds_bucket: (found, value, label) => {
    const bound = label("le");
    add(found.syncs, bound === "+Inf" ? Infinity : Number(bound), value);
  },
  stampede_books_violations: (found, value) => (found.books.violations = value),
  stampede_books_checked_timestamp_seconds: (found, value) => (found.books.at = value * 1000),
};

// { diskFree, answers: by code, restarts: by node, syncs: by bound, books: { violations, at } };
// what is not told is missing.
export function numbersOf(text) {
  const found = { answers: new Map(), restarts: new Map(), syncs: new Map(), books: {} };
  for (const [, name, labels = "", value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm))
    kTakes[name]?.(found, Number(value),
      (label) => new RegExp(`\\b${label}="([^"]*)"`).exec(labels)?.[1]);
  return found;
}

// --- judging -----------------------------------------------------------------------------------------

const kept = []; // { atS, numbers } of the last half hour, oldest first
const since = new Map(); // since when a condition holds, by its name

const within = (seconds) => kept.filter(({ atS }) => atS >= kept.at(-1).atS - seconds);

// What was added to a counter; one that begins anew has added what it says.
function increase(samples, counterOf) {
  const counts = samples.map(({ numbers }) => counterOf(numbers) ?? 0);
  return counts.slice(1).reduce((sum, now, at) =>
    sum + (now < counts[at] ? now : now - counts[at]), 0);
}

// Free bytes when the disk has gone on for so long as it did: the line with the least squares.
function predicted(samples, inS) {
  const points = samples.filter(({ numbers }) => numbers.diskFree !== undefined)
    .map(({ atS, numbers }) => [atS - kept.at(-1).atS, numbers.diskFree]);
  if (points.length < 2 || points.at(-1)[0] - points[0][0] < kTrendOfS) return undefined;
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const slope = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
    / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return y + slope * (inS - x);
}

// What 99 of 100 syncs took at most, in seconds; linear within a bucket, as Prometheus has it.
function syncP99(samples) {
  const bounds = [...kept.at(-1).numbers.syncs.keys()].sort((one, two) => one - two);
  const counts = bounds.map((bound) => increase(samples, ({ syncs }) => syncs.get(bound)));
  const rank = 0.99 * (counts.at(-1) ?? 0);
  if (rank <= 0) return 0;
  const at = counts.findIndex((count) => count >= rank);
  const [from, before] = at > 0 ? [bounds[at - 1], counts[at - 1]] : [0, 0];
  if (bounds[at] === Infinity) return from;
  return from + ((bounds[at] - from) * (rank - before)) / (counts[at] - before);
}

function lasts(name, is, seconds) {
  if (!is) since.delete(name);
  else if (!since.has(name)) since.set(name, kept.at(-1).atS);
  return is && kept.at(-1).atS - since.get(name) >= seconds;
}

function diskAlarm({ diskFree }) {
  const runbook = "StampedeLogDiskLow";
  if (diskFree < kBounds.diskBytes)
    return [{ name: "alarm_disk_low", slots: { size: bytes(diskFree) }, runbook }];
  const full = predicted(within(kBounds.diskOverS), kBounds.diskFullInS) < 0;
  return lasts("disk", full, 60) ? [{ name: "alarm_disk_soon", runbook }] : [];
}

function syncAlarm() {
  const p99 = syncP99(within(kBounds.syncOverS));
  if (!lasts("sync", p99 > kBounds.syncS, kBounds.syncOverS)) return [];
  return [{ name: "alarm_sync", slots: { ms: Math.round(p99 * 1000) }, runbook: "StampedeSyncSlow" }];
}

function restartAlarms({ restarts }) {
  return [...restarts.keys()].flatMap((node) => {
    const n = increase(within(kBounds.restartsOverS), (numbers) => numbers.restarts.get(node));
    return n > kBounds.restarts
      ? [{ name: "alarm_restarts", slots: { node, n }, runbook: "StampedeNodeRestarts" }] : [];
  });
}

function booksAlarm({ books }) {
  return books.violations > 0
    ? [{ name: "alarm_books", slots: { n: books.violations }, runbook: "StampedeBooksDiffer" }] : [];
}

// The alarms of these numbers, read at `atS`, and of those before them.
export function alarmsOfNumbers(numbers, atS) {
  if (kept.length && atS - kept.at(-1).atS > kTrendOfS) since.clear(); // nobody has looked between
  kept.push({ atS, numbers });
  kept.splice(0, kept.findIndex((one) => one.atS >= atS - kBounds.diskOverS));
  return [...booksAlarm(numbers), ...diskAlarm(numbers), ...syncAlarm(), ...restartAlarms(numbers)];
}

// Whether orders were overloaded all the time: at each look at the last minute somebody was in the
// minute before it.
export function overloaded(history) {
  const line = history?.refused_per_s?.overloaded ?? [];
  const looks = Math.ceil(kBounds.overloadedS / (history?.every_s ?? 1));
  if (line.length < 2 * looks) return false;
  return line.slice(-looks).every((_, at) => line.slice(at - 2 * looks + 1, at - looks + 1 || undefined)
    .some((rate) => rate > 0));
}
