// What needs somebody: the alarms of the bar, in the reader's language, each with the runbook's section.

import { has, moment } from "./language.js";
import { kBounds, overloaded } from "./ops_numbers.js";
import { database as saidByDatabase, end, note } from "./ops_said.js";
import { kSilentMs } from "./ops_state.js";

// [{ name, slots, label, detail, runbook }], the worst first; `text` instead of a name where it is said
// already; `detail` as Said takes it; `runbook` names a section.
export function alarmsOf({ status, heardAt, history, worries = [] }, span, t) {
  const silence = performance.now() - heardAt;
  const alarms = silence > kSilentMs
    ? [{ name: "alarm_silent", slots: { time: span(silence) }, runbook: "StampedeSilent" }] : [];
  if (!status) return alarms;
  if (status.drained_at)
    alarms.push({ name: "alarm_drained", slots: { moment: moment(Date.parse(status.drained_at)) } });
  for (const node of status.nodes) alarms.push(...alarmsOfNode(node, t));
  const { database, log } = status;
  if (overloaded(history) && !alarms.some(({ name }) => name === "alarm_refuses"))
    alarms.push({ name: "alarm_overloaded", runbook: "StampedeOverloaded" });
  alarms.push(...alarmsOfDatabase(database, span, t));
  if (log.parked?.length)
    alarms.push({ name: "alarm_parked", slots: { n: log.parked.length }, runbook: "StampedeCommandsParked" });
  const notes = [...(status.notes ?? []).filter((note) => !kSaidAbove.test(note)), ...(log.notes ?? [])];
  return [...alarms, ...worries, ...notes.map(alarmOfNote)];
}

function alarmsOfDatabase(database, span, t) {
  const found = [];
  const runbook = "StampedeDatabaseBehind";
  if (database.state === "unreachable" || database.state === "refused")
    found.push({ name: "alarm_database", ...whyOfDatabase(database.why), runbook,
      slots: { state: t(`database_${database.state}`), time: span((database.for_s ?? 0) * 1000) } });
  else if (database.lag_s > kBounds.lagS)
    found.push({ name: "alarm_behind", slots: { time: span(database.lag_s * 1000) }, runbook });
  if (database.failed > 0)
    found.push({ name: "alarm_failed", slots: { n: database.failed }, runbook: "StampedeCommandsFailed" });
  return found;
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
  const runbook = node.state === "replaying" ? "StampedeReplayingLong" : "StampedeNodeDown";
  if (node.state !== "ready" && node.state !== "replaying" && node.state !== "starting")
    found.push({ name: "alarm_node", slots: { node: node.node, state: t(node.state) }, runbook,
      ...(node.last_exit ? { label: "alarm_exit", detail: end(node.last_exit) } : {}) });
  else if (node.state !== "ready")
    found.push({ name: "alarm_node", slots: { node: node.node, state: t(node.state) }, runbook });
  if (node.refuses && !node.refuses.startsWith("every order is refused: drained"))
    found.push({ name: "alarm_refuses", runbook: "StampedeOverloaded",
      slots: { node: node.node, why: why(node.refuses, node.state, t) } });
  return found;
}
