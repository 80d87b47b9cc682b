// The operator's page: one screen that says how the sale goes, what is wrong, and what can be done.

import { ask } from "./ask.js";
import { Chart } from "./chart.js";
import { span } from "./clock.js";
import { begin, decimal, has, language, LanguageSwitch, moment, number, t } from "./language.js";
import { ActionButton, ActionDialog, actions, Outcome, signIn, wanted } from "./ops_actions.js";
import { alarmsOf } from "./ops_alarms.js";
import { bytes, kBounds } from "./ops_numbers.js";
import { daysLeft, kDaysMax, kSilentMs, session, soldSum, system, watch } from "./ops_state.js";
import { end, Said } from "./ops_said.js";
import "./ops_texts.js";
import { html, render, useCell, useTicks } from "./view.js";

const kItemsShown = 50;

const shown = (value) => (typeof value === "number" ? number(value) : t("none"));

// --- head and alarms ----------------------------------------------------------------------------------

function serving({ status, heardAt }) {
  if (!status || performance.now() - heardAt > kSilentMs) return "silent";
  return status.nodes.every((node) => node.state === "ready" && !node.refuses) ? "ready" : "not_ready";
}

async function signOut() {
  await ask("POST", "/v1/ops/logout", { body: {} });
  session.set({ signed_in: false });
}

const whoIs = (signedIn, over) => (signedIn ? "signed_in" : over ? "signed_out" : "read_only");

function Header() {
  const state = serving(useCell(system));
  const { signed_in: signedIn, over } = useCell(session);
  return html`<header class="top">
    <a class="skip" href="#main">${t("skip")}</a>
    <p class="brand"><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" />
        <path d="M7 21.5 13 10l4 7 3-4.5 5 9" /></svg>
      <span>Stampede <span class="brand-soft">${t("ops")}</span></span></p>
    <p class=${`state ${state}`} role="status">${t(`state_${state}`)}</p>
    <div class="top-end">
      <span class="who" role="status">${t(whoIs(signedIn, over))}</span>
      ${signedIn ? html`<button type="button" class="quiet" onClick=${signOut}>${t("log_out")}</button>`
        : html`<button type="button" class="quiet" onClick=${() => wanted.set(signIn)}>
          ${t("sign_in")}</button>`}
      <${LanguageSwitch} />
    </div>
  </header>`;
}

function Alarm({ alarm }) {
  return html`<li>${alarm.text ?? t(alarm.name, alarm.slots)}
    ${alarm.detail && html` <span class="detail">
      ${alarm.label && `${t(alarm.label)} `}<${Said} ...${alarm.detail} /></span>`}
    ${alarm.runbook && html` <span class="detail runbook">
      docs/runbook.md#${alarm.runbook.toLowerCase()}</span>`}</li>`;
}

function Alarms() {
  useTicks(1000);
  const list = alarmsOf(useCell(system), span, t);
  return html`<div class="alarms" role="alert">
    ${list.length > 0 && html`<div class="alarm-bar"><h2>${t("alarms")} · ${list.length}</h2>
      <ul>${list.map((alarm) => html`<${Alarm} alarm=${alarm} />`)}</ul></div>`}
  </div>`;
}

// --- numbers -----------------------------------------------------------------------------------------

function Tile({ name, value, more, bad }) {
  return html`<div class=${`tile${bad ? " bad" : ""}`}>
    <dt>${name}</dt><dd><b>${value}</b><span>${more}</span></dd></div>`;
}

const newest = (values) => (values ?? []).findLast((value) => value !== null);

function latency(history) {
  const p50 = newest(history?.p50_ms);
  const p99 = newest(history?.p99_ms);
  if (p50 === undefined) return { value: t("none"), more: t("no_latency") };
  return { value: t("ms", { ms: decimal(p99, 2) }), more: t("p99_p50", { ms: decimal(p50, 2) }) };
}

const segments = (log) => typeof log.segments === "number" ? t("segments", { n: log.segments }) : t("none");
const lag = (database, digits) =>
  typeof database.lag_s === "number" ? t("lag", { s: decimal(database.lag_s, digits) }) : t("none");

// How much room the log has, and for how long.
function room(log, history, diskFree) {
  if (diskFree === undefined) return segments(log);
  const size = bytes(diskFree);
  const days = daysLeft(history, diskFree);
  if (days === undefined) return t("disk_left", { size });
  if (days === Infinity) return t("disk_steady", { size });
  if (days > kDaysMax) return t("disk_long", { size, n: kDaysMax });
  if (days < 0.1) return t("disk_soon", { size });
  return t("disk_days", { size, days: decimal(days, days < 10 ? 1 : 0) });
}

function Tiles({ status, soldRate, history, numbers }) {
  const diskFree = numbers?.diskFree;
  const items = status.items ?? [];
  const left = items.reduce((sum, item) => sum + item.left, 0);
  const { log, database } = status;
  const time = latency(history);
  const wrong = (database.failed ?? 0) + (log.parked?.length ?? 0);
  return html`<dl class="tiles">
    <${Tile} name=${t("sold_rate")} value=${soldRate === null ? t("none") : decimal(soldRate, 0)}
      more=${t("per_second")} />
    <${Tile} name=${t("left_now")} value=${number(left)}
      more=${t("of_total", { total: number(left + soldSum(status)) })} />
    <${Tile} name=${t("answers")} ...${time} />
    <${Tile} name=${t("owed")} value=${shown(log.pending_commands)} bad=${database.state !== "ok"}
      more=${lag(database, 1)} />
    <${Tile} name=${t("log_size")} value=${bytes(log.bytes)}
      more=${room(log, history, diskFree)} bad=${diskFree < kBounds.diskBytes} />
    <${Tile} name=${t("failed_parked")} value=${`${shown(database.failed)} · ${log.parked?.length ?? 0}`}
      more=${t(wrong ? "needs_look" : "all_well")} bad=${wrong > 0} />
  </dl>`;
}

// Refused orders a second, all codes together.
function refusedOf(history) {
  const lines = Object.values(history.refused_per_s ?? {});
  return history.t.map((_, at) => lines.reduce((sum, line) => sum + (line[at] ?? 0), 0));
}

function Hour({ history }) {
  if (!history || history.t.length < 2) return null;
  const times = history.t;
  const line = (name, values) => ({ name, values });
  const words = (values) => shown(newest(values));
  return html`<section aria-labelledby="hour"><h2 id="hour">${t("hour")}</h2><div class="charts">
    <${Chart} title=${t("chart_rate")} times=${times} words=${words(history.sold_per_s)}
      lines=${[line(t("sold"), history.sold_per_s), line(t("refused"), refusedOf(history))]} />
    <${Chart} title=${t("chart_latency")} times=${times} words=${words(history.p99_ms)}
      lines=${[line("p99", history.p99_ms), line("p50", history.p50_ms)]} />
    <${Chart} title=${t("chart_left")} times=${times} words=${words(history.left)}
      lines=${[line(t("left"), history.left)]} />
    <${Chart} title=${t("chart_backlog")} times=${times} words=${words(history.backlog)}
      lines=${[line(t("owed"), history.backlog)]} />
  </div></section>`;
}

// --- tables ------------------------------------------------------------------------------------------

function Table({ title, heads, children, id }) {
  return html`<section class="card panel" aria-labelledby=${id}><h2 id=${id}>${title}</h2>
    <div class="scroll" role="group" tabindex="0" aria-labelledby=${id}><table>
      <thead><tr>${heads.map((head, at) => html`<th key=${at} scope="col">${head}</th>`)}</tr></thead>
      <tbody>${children}</tbody></table></div></section>`;
}

function ItemRow({ item }) {
  const state = item.state ?? (item.left > 0 ? "open" : "sold_out");
  return html`<tr>
    <th scope="row">${item.name} <span class="soft">${item.item}</span></th>
    <td class="n">${number(item.left)}</td><td class="n">${number(item.sold)}</td>
    <td>${t(state)}</td>
    <td class="acts">${state === "closed"
      ? html`<${ActionButton} action=${() => actions.openItem(item)}>${t("open_item")}<//>`
      : html`<${ActionButton} action=${() => actions.closeItem(item)}>${t("close_item")}<//>`}</td>
  </tr>`;
}

function Items({ status }) {
  const items = status.items ?? [];
  const heads = [t("item"), t("left"), t("sold_column"), t("state"), t("action")];
  const none = status.items_told === false ? "not_told" : "no_items";
  return html`<${Table} id="items" title=${t("items")} heads=${heads}>
    ${items.slice(0, kItemsShown).map((item) => html`<${ItemRow} key=${item.item} item=${item} />`)}
    ${!items.length && html`<tr><td colspan="5" class="soft">${t(none)}</td></tr>`}
    ${items.length > kItemsShown && html`<tr><td colspan="5" class="soft">
      ${t("more_items", { n: items.length - kItemsShown })}</td></tr>`}
  <//>`;
}

function progress(node) {
  const { done_bytes: done, total_bytes: total } = node.replay ?? {};
  if (node.state === "backing_off" && node.restart_in_ms)
    return t("starts_in", { time: span(node.restart_in_ms) });
  if (node.state !== "replaying" || !total) return "";
  return t("replay_progress", { percent: Math.floor((100 * done) / total), size: bytes(total) });
}

function NodeActions({ node, dev }) {
  if (node.role === "supervisor") return null;
  const waits = node.state === "waiting_operator" || node.state === "backing_off"
    || node.state === "stopped";
  return html`
    ${waits ? html`<${ActionButton} action=${() => actions.start(node)}>${t("start")}<//>`
      : html`<${ActionButton} action=${() => actions.restart(node)}>${t("restart")}<//>`}
    ${dev && html`<${ActionButton} action=${() => actions.kill(node)}>${t("kill")}<//>
      <${ActionButton} action=${() => actions.pause(node)}>${t("pause")}<//>`}
    ${dev && node.role === "backend" && html`
      <${ActionButton} action=${() => actions.crash(node)}>${t("crash")}<//>`}`;
}

function NodeRow({ node, dev }) {
  const well = node.state === "ready" && !node.refuses;
  return html`<tr>
    <th scope="row"><span class=${`dot${well ? " well" : " ill"}`} aria-hidden="true"></span>${node.node}</th>
    <td>${t(node.state)} <span class="soft">${progress(node)}</span></td>
    <td class="n">${node.restarts}</td>
    <td class="n">${typeof node.uptime_s === "number" ? span(node.uptime_s * 1000) : t("none")}</td>
    <td class="soft last">${node.last_exit ? html`<${Said} ...${end(node.last_exit)} />` : t("none")}</td>
    <td class="acts"><${NodeActions} node=${node} dev=${dev} /></td>
  </tr>`;
}

function Nodes({ status }) {
  const heads = [t("node"), t("state"), t("restarts"), t("uptime"), t("last_end"), t("action")];
  return html`<${Table} id="nodes" title=${t("nodes")} heads=${heads}>
    ${status.nodes.map((node) => html`<${NodeRow} key=${node.node} node=${node} dev=${status.dev} />`)}
    <tr><td colspan="6">${status.drained_at
      ? html`<${ActionButton} action=${actions.undrain}>${t("undrain")}<//>`
      : html`<${ActionButton} action=${actions.drain}>${t("drain")}<//>`}</td></tr>
  <//>`;
}

function Facts({ id, title, rows, children }) {
  return html`<section class="card panel" aria-labelledby=${id}><h2 id=${id}>${title}</h2>
    <dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt>
      <dd>${value}</dd></div>`)}</dl>${children}</section>`;
}

function LogAndDatabase({ status }) {
  const { log, database, dev } = status;
  const parked = log.parked ?? [];
  const failed = database.failed ?? 0;
  const rows = [
    [t("durable"), log.durable_lsn ?? t("none")],
    [t("bytes"), `${bytes(log.bytes)} · ${segments(log)}`],
    [t("slowest_sync"), log.sync_us_max === undefined ? t("none") : `${decimal(log.sync_us_max / 1000)} ms`],
    [t("database"), `${t(`database_${database.state}`)} · ${lag(database)}`],
    [t("pending"), shown(log.pending_commands)],
    [t("failed"), shown(database.failed)],
    [t("parked"), parked.length ? parked.map((one) => one.lsn ?? one).join(", ") : "0"],
  ];
  return html`<${Facts} id="log" title=${t("log_and_database")} rows=${rows}>
    <div class="buttons">
      ${(failed > 0 || parked.length > 0) && html`<${ActionButton}
        action=${() => actions.retry(parked.length)}>${t("retry")}<//>`}
      ${dev && html`<${ActionButton} action=${actions.cutDatabase}>${t("cut_database")}<//>
        <${ActionButton} action=${actions.undo}>${t("undo")}<//>`}
    </div>
    ${dev && html`<p class="small">${t("dev_note")}</p>`}
  <//>`;
}

// Memory, log and database, as the last verify has found them; this supervisor knows of it or not.
function Books({ numbers }) {
  useTicks(1000);
  const { violations, at } = numbers?.books ?? {};
  const told = violations !== undefined;
  const rows = [
    [t("books_checked"), told ? `${moment(at)} · ${t("ago", { time: span(Date.now() - at) })}`
      : t("books_never")],
    [t("books_differences"), shown(violations)],
  ];
  return html`<${Facts} id="books" title=${t("books")} rows=${rows}>
    <p class="small">${t(violations > 0 ? "books_differ" : "books_hint")}</p>
    <pre class="command">stampede verify</pre>
  <//>`;
}

// By every webapp and since the supervisor's start, where its metrics are told; most frequent first.
function allAnswers(answers) {
  const rows = [...answers].filter(([, count]) => count > 0).sort((one, two) => two[1] - one[1]);
  const words = (code) => (has(`reason_${code}`) ? `${t(`reason_${code}`)} (${code})` : code);
  return rows.map(([code, count]) => [words(code), shown(count)]);
}

function Answers({ status, numbers }) {
  const answers = numbers?.answers;
  if (answers?.size)
    return html`<${Facts} id="answers" title=${t("answers_by_reason")} rows=${allAnswers(answers)} />`;
  const requests = status.nodes.find((node) => node.role === "backend")?.requests ?? {};
  const names = ["confirmed", "sold_out", "limit_reached", "refused", "replayed", "malformed"];
  const rows = names.map((name) => [t(`reason_${name}`), shown(requests[name])]);
  return html`<${Facts} id="answers" title=${t("answers_by")} rows=${rows} />`;
}

function Page() {
  useCell(language);
  const state = useCell(system);
  const { status } = state;
  return html`<${Header} /><${Alarms} />
    <main id="main" tabindex="-1">
      <h1 class="hidden">${t("title")}</h1>
      <${Outcome} />
      ${!status && html`<p class="empty">${t("loading")}</p>`}
      ${status && html`<${Tiles} ...${state} /><${Hour} history=${state.history} />
        <div class="panels"><${Items} status=${status} /><${Answers} ...${state} />
          <${Nodes} status=${status} /><${LogAndDatabase} status=${status} />
          <${Books} ...${state} /></div>`}
    </main>
    <${ActionDialog} />`;
}

begin();
render(html`<${Page} />`, document.getElementById("page"));
watch();
