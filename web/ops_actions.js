// What the operator may do here: each with the command that does the same, asked before it is done.

import { ask, newId } from "./ask.js";
import { t } from "./language.js";
import { refusal, Said } from "./ops_said.js";
import { session } from "./ops_state.js";
import { cell, Dialog, html, useCell, useState } from "./view.js";

// The action that is asked for now, and what the last one came to.
export const wanted = cell(null);
export const outcome = cell(null);

const kCrashPoints = ["received", "decided", "before_log", "after_write", "after_log",
  "result_sent", "db_begin", "db_exec", "in_db", "after_db", "lane_done", "before_seal",
  "heartbeat"];
const kPauseMs = 5_000;

const node = (name, text, request, command) => (one) => ({
  name, text, target: one.node, request: { ...request, node: one.node },
  command: `stampede ${command.replace("NODE", one.node)}`,
});

export const actions = {
  closeItem: (item) => ({
    name: "close", target: item.name, command: `stampede item close ${item.item}`,
    request: { do: "item_close", item: item.item, request_id: newId() },
  }),
  openItem: (item) => ({
    name: "open", target: item.name, command: `stampede item open ${item.item}`,
    request: { do: "item_open", item: item.item, request_id: newId() },
  }),
  // From a shell a restart is a kill: the supervisor starts it again either way.
  restart: node("restart", "", { do: "restart" }, "restart NODE"),
  start: node("start", "", { do: "start" }, "start NODE"),
  kill: node("kill", "", { do: "kill" }, "chaos kill NODE"),
  pause: node("pause", "", { do: "pause", for_ms: kPauseMs }, "chaos pause NODE --for 5s"),
  crash: (one) => ({
    name: "crash", target: one.node, points: kCrashPoints,
    request: { do: "failpoints", node: one.node },
    command: `stampede chaos crash ${one.role} --at`,
  }),
  retry: (parked) => ({
    name: "retry", command: "stampede log retry", byHand: parked > 0,
    request: { do: "restart", node: "backend-1" },
  }),
  drain: () => ({ name: "drain", command: "stampede drain", request: { do: "drain" } }),
  undrain: () => ({ name: "undrain", command: "stampede undrain", request: { do: "undrain" } }),
  cutDatabase: () => ({
    name: "database", command: "stampede chaos db --stop 5s",
    request: { do: "database", for_ms: kPauseMs },
  }),
  undo: () => ({ name: "undo", command: "stampede chaos undo", request: { do: "undo" } }),
};

async function act(action, request) {
  outcome.set({ name: "doing" });
  const { status, body } = await ask("POST", "/v1/ops/actions", { body: request, waitS: 30 });
  if (status === 401) session.set({ signed_in: false, over: session.get().signed_in });
  if (status === 200) outcome.set({ name: "done", slots: { what: action.shown } });
  else outcome.set({ name: "failed_action", bad: true, why: body.message ?? body.title });
}

function SignIn({ onClose }) {
  return html`<${Dialog} title=${t("sign_in")} onClose=${onClose}>
    <p>${t("sign_in_text")}</p><pre class="command">stampede ops</pre>
    <div class="buttons"><button type="button" class="main" onClick=${onClose}>${t("close")}
      </button></div>
  <//>`;
}

function PointChoice({ points, point, choose }) {
  return html`<label class="field"><span>${t("crash_point")}</span>
    <select value=${point} onChange=${(event) => choose(event.target.value)}>
      ${points.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
    </select></label>`;
}

function Confirm({ action, onClose }) {
  const [point, choose] = useState("after_log");
  const { points } = action;
  const command = points ? `${action.command} ${point}` : action.command;
  const request = points ? { ...action.request, arm: `${point}=kill@1` } : action.request;
  const go = () => {
    onClose();
    act({ ...action, shown: command }, request);
  };
  return html`<${Dialog} title=${t(`ask_${action.name}`, { name: action.target })} onClose=${onClose}>
    <p>${t(action.byHand ? "about_retry_parked" : `about_${action.name}`)}</p>
    ${points && html`<${PointChoice} points=${points} point=${point} choose=${choose} />`}
    <p class="small">${!action.byHand && t("same_as")}</p>
    <pre class="command">${command}</pre>
    <div class="buttons">
      <button type="button" class="plain" onClick=${onClose}>${t("cancel")}</button>
      ${!action.byHand && html`<button type="button" class="main danger" onClick=${go}>
        ${t("confirm")}</button>`}
    </div>
  <//>`;
}

export function ActionDialog() {
  const action = useCell(wanted);
  const { signed_in: signedIn } = useCell(session);
  const close = () => wanted.set(null);
  if (!action) return null;
  if (!signedIn && !action.byHand) return html`<${SignIn} onClose=${close} />`;
  return html`<${Confirm} action=${action} onClose=${close} />`;
}

export function ActionButton({ action, children }) {
  return html`<button type="button" class="act" onClick=${() => wanted.set(action())}>
    ${children}</button>`;
}

export function Outcome() {
  const said = useCell(outcome);
  return html`<p class=${`said${said?.bad ? " bad" : ""}`} role="status">
    ${said && t(said.name, said.slots)}
    ${said?.bad && html` <${Said} ...${said.why ? refusal(said.why) : { text: t("state_silent") }} />`}</p>`;
}

export const signIn = { name: "sign_in" };
