// What the supervisor says, asked again and again, and what follows from two answers in a row.

import { ask } from "./ask.js";
import { has, moment } from "./language.js";
import { database as saidByDatabase, end, note } from "./ops_said.js";
import { cell } from "./view.js";

const kEveryMs = 1_000;
const kHistoryMs = 5_000;
export const kSilentMs = 4_000; // without an answer: that is an alarm

// { status, heardAt, soldRate, history, diskFree, answers: Map by code }; `status` null until the
// first answer.
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
    const text = await answer.text();
    const disk = /^stampede_log_disk_free_bytes(?:\{[^}]*\})? (\S+)$/m.exec(text);
    const answers = new Map();
    for (const [, code, count] of text.matchAll(/^stampede_answers_total\{.*?code="(\w+)".*?\} (\S+)$/gm))
      answers.set(code, (answers.get(code) ?? 0) + Number(count));
    const more = disk ? { diskFree: Number(disk[1]) } : {};
    system.set({ ...system.get(), ...more, answers });
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

// --- what needs somebody ------------------------------------------------------------------------------

// [{ name, slots, label, detail }], the worst first; `text` instead of a name where it is said already;
// `detail` as Said takes it.
export function alarmsOf({ status, heardAt }, span, t) {
  const silence = performance.now() - heardAt;
  const alarms = silence > kSilentMs ? [{ name: "alarm_silent", slots: { time: span(silence) } }] : [];
  if (!status) return alarms;
  if (status.drained_at)
    alarms.push({ name: "alarm_drained", slots: { moment: moment(Date.parse(status.drained_at)) } });
  for (const node of status.nodes) alarms.push(...alarmsOfNode(node, t));
  const { database, log } = status;
  if (database.state === "unreachable" || database.state === "refused")
    alarms.push({ name: "alarm_database", ...whyOfDatabase(database.why),
      slots: { state: t(`database_${database.state}`), time: span((database.for_s ?? 0) * 1000) } });
  if (database.failed > 0) alarms.push({ name: "alarm_failed", slots: { n: database.failed } });
  if (log.parked?.length) alarms.push({ name: "alarm_parked", slots: { n: log.parked.length } });
  return [...alarms, ...(status.notes ?? []).filter((note) => !kSaidAbove.test(note)).map(alarmOfNote)];
}

const kSaidAbove = /^(the database is|orders are refused since|\d+ commands? failed in the database)/;

function whyOfDatabase(why) {
  if (!why) return {};
  const detail = saidByDatabase(why);
  return detail.quote ? { label: "database_says", detail } : { detail };
}

function alarmOfNote(sentence) {
  const [, n] = /^[\w-]+: the wall clock has stepped (\d+) s/.exec(sentence) ?? [];
  if (n) return { name: "alarm_clock", slots: { n: Number(n) } };
  const { text, quote } = note(sentence);
  return text ? { text } : { name: "alarm_note", detail: { quote } };
}

// The node's own sentence, in the reader's language where it is a known one.
function why(sentence, own, t) {
  const [, phase] = /^every order is refused: (\w+)$/.exec(sentence) ?? [];
  // Whoever is not ending itself hears it from the backend.
  if (phase === "draining" && own !== "draining") return t("why_backend_draining");
  const name = phase ?? (sentence.startsWith("the log's disk is full") ? "log_room"
    : sentence.startsWith("the database is away or slow") ? "backlog"
    : /start waits (for|until) the database/.test(sentence) ? "start" : "");
  return has(`why_${name}`) ? t(`why_${name}`) : sentence;
}

function alarmsOfNode(node, t) {
  const found = [];
  if (node.state !== "ready" && node.state !== "replaying" && node.state !== "starting")
    found.push({ name: "alarm_node", slots: { node: node.node, state: t(node.state) },
      ...(node.last_exit ? { label: "alarm_exit", detail: end(node.last_exit) } : {}) });
  else if (node.state !== "ready")
    found.push({ name: "alarm_node", slots: { node: node.node, state: t(node.state) } });
  if (node.refuses && !node.refuses.startsWith("every order is refused: drained"))
    found.push({ name: "alarm_refuses",
      slots: { node: node.node, why: why(node.refuses, node.state, t) } });
  return found;
}
