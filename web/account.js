// Who buys: a guest whom this browser made up where the shop asks for nobody, else a session.

import { ask, newId } from "./ask.js";
import { now } from "./clock.js";
import { cell, remember, remembered } from "./view.js";

// { user, token, expires_at }: `token` only where the shop has a login.
export const account = cell(remembered("stampede.account", null));
// How the shop knows people: "none", "accounts", "elsewhere"; and whether it pays for show.
export const rules = cell({ login: "none", demo_payment: false, known: false });
// Whether somebody has to log in before an order can go on.
export const loginWanted = cell(false);

function keep(value) {
  remember("stampede.account", value ?? undefined);
  account.set(value);
}

export async function readRules() {
  const answer = await ask("GET", "/v1/shop");
  if (answer.status !== 200) return false;
  rules.set({ ...answer.body, known: true });
  const who = account.get();
  if (answer.body.login === "none" && (!who || who.token))
    keep({ user: `guest-${newId().slice(0, 8)}` });
  if (answer.body.login !== "none" && who && !isOpen(who)) keep(null);
  return true;
}

const isOpen = (who) => Boolean(who.token) && (who.expires_at ?? Infinity) > now();

export const loggedIn = () => rules.get().login === "none" || Boolean(account.get()?.token);

export const user = () => account.get()?.user;

export function authorization() {
  const token = account.get()?.token;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// The session is no good any more, whatever this browser thought of it.
export function sessionOver() {
  if (account.get()?.token) keep(null);
  loginWanted.set(true);
}

// "" when it is done, else the name of the text that says why not.
export async function logIn(name, password) {
  const answer = await ask("POST", "/v1/sessions", { body: { user: name, password } });
  if (answer.status === 201) {
    keep(answer.body);
    loginWanted.set(false);
    return "";
  }
  return { 401: "login_wrong", 429: "login_often", 400: "login_malformed" }[answer.status]
    ?? "login_later";
}

export async function register(name, password) {
  const answer = await ask("POST", "/v1/accounts", { body: { user: name, password } });
  if (answer.status === 201) return logIn(name, password);
  if (answer.status === 409) return "register_taken";
  if (answer.status !== 400) return "login_later";
  return answer.body.field === "password" ? "register_password" : "login_malformed";
}

export async function logOut() {
  const headers = authorization();
  keep(null);
  await ask("DELETE", "/v1/sessions/current", { headers });
}
