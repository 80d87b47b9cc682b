// Logging in, and becoming known, where the shop wants that.

import { logIn, loginWanted, register, rules } from "./account.js";
import { t } from "./language.js";
import { Dialog, html, useCell, useState } from "./view.js";

function Field({ name, type, hint, complete }) {
  return html`<label class="field"><span>${t(name)}</span>
    <input name=${name} type=${type} required autocomplete=${complete} maxlength="128"
      autocapitalize="none" spellcheck=${false} />
    ${hint && html`<small>${hint}</small>`}
  </label>`;
}

function Form({ fresh, setFresh }) {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    const said = await (fresh ? register : logIn)(form.get("user"), form.get("password"));
    setBusy(false);
    setWrong(said);
  };
  return html`<form class="login" onSubmit=${submit}>
    <${Field} name="user" type="text" complete="username" />
    <${Field} name="password" type="password" hint=${fresh ? t("password_hint") : ""}
      complete=${fresh ? "new-password" : "current-password"} />
    <p class="wrong" role="alert">${wrong && t(wrong)}</p>
    <div class="buttons">
      <button type="button" class="quiet" onClick=${() => setFresh(!fresh)}>
        ${t(fresh ? "have_account" : "no_account")}</button>
      <button type="submit" class="main" disabled=${busy}>${t(fresh ? "register" : "log_in")}</button>
    </div>
  </form>`;
}

export function LoginDialog() {
  const close = () => loginWanted.set(false);
  const elsewhere = useCell(rules).login === "elsewhere";
  const [fresh, setFresh] = useState(false);
  const title = t(fresh ? "register_title" : "login_title");
  return html`<${Dialog} title=${title} onClose=${close} name="narrow">
    ${elsewhere ? html`<p>${t("login_elsewhere")}</p><div class="buttons">
      <button type="button" class="main" onClick=${close}>${t("close")}</button></div>`
      : html`<${Form} fresh=${fresh} setFresh=${setFresh} />`}
  <//>`;
}
