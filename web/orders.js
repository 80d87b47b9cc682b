// The buyer's orders. Each gets its request id before it is sent for the first time, is written
// down in the browser under it, and is asked under it until there is an answer that counts: over a
// lost connection, a killed server, a reload of the page. The same id never buys twice, so asking
// again is always right, and silence is never shown as no.
//
// phase   open       nobody knows yet
//         confirmed  bought
//         rejected   decided: no (`code`: sold_out, limit_reached)
//         refused    nothing was decided and nothing bought (`code` says why)

import { account, authorization, loggedIn, loginWanted, rules, sessionOver, user } from "./account.js";
import { ask, newId, pause } from "./ask.js";
import { now } from "./clock.js";
import { cell, remember, remembered } from "./view.js";

const kKey = "stampede.orders";
const kKept = 100;
const kWaitS = 5; // that the server may take for one answer
const kValidMs = 10 * 60_000; // an order that could not be sent for longer is not bought any more
const kBackOffMs = [300, 700, 1500, 3000, 5000];
const backOffMs = (tries) => kBackOffMs[Math.min(tries, kBackOffMs.length - 1)];

const kLogin = new Set(["not_logged_in", "session_expired", "session_replaced"]);
// Answers that say no more than "not now": asked again with the same id until there is a better one.
const kNotNow = new Set(["overloaded", "replaying", "draining", "no_backend", "log_unavailable",
  "deadline_passed", "internal", "rate_limited"]);
// Refusals behind which the same id may be sent again by whoever still wants it.
export const kAgain = new Set(["not_started", "sold_out_for_now"]);

export const orders = cell(remembered(kKey, []));
export const saved = cell(true); // false: this browser keeps nothing

// Other pages of this shop change them, too.
addEventListener("storage", (event) => {
  if (event.key === kKey) orders.set(remembered(kKey, []));
});

export const find = (id) => orders.get().find((order) => order.id === id);

function write(list) {
  saved.set(remember(kKey, list));
  orders.set(list);
}

// As another page of this shop may have left it a moment ago.
const listed = () => (saved.get() ? remembered(kKey, orders.get()) : orders.get());

function change(id, more) {
  const list = listed().map((order) => (order.id === id ? { ...order, ...more } : order));
  write(list);
  return list.find((order) => order.id === id);
}

// The oldest decided ones make room; one that is open is never forgotten.
function add(order) {
  const list = [order, ...listed()];
  while (list.length > kKept) {
    const last = list.findLastIndex((one) => one.phase !== "open" && one.fulfilment !== "unpaid");
    if (last < 0) break;
    list.splice(last, 1);
  }
  write(list);
}

export function forget(id) {
  write(listed().filter((order) => order.id !== id));
}

// --- buying ----------------------------------------------------------------------------------

function sameWish(order, item, promo, qty) {
  return order.phase === "refused" && kAgain.has(order.code) && order.item === item.item
    && order.qty === qty && (order.promo ?? 0) === (promo?.id ?? 0) && order.user === user();
}

// Begins an order, or goes on with the one that was refused for now; its id.
export function buy(item, promo, qty) {
  const before = orders.get().find((order) => sameWish(order, item, promo, qty));
  const valid = Math.round(now()) + kValidMs;
  if (before) {
    change(before.id, { phase: "open", code: undefined, note: undefined, valid });
    drive(before.id);
    return before.id;
  }
  const id = newId();
  add({
    id, item: item.item, name: item.name, qty, user: user(), at: Math.round(now()), valid,
    price: promo?.price_cents ?? item.price_cents, promo: promo?.id, ends: promo?.ends_at,
    ticketed: promo?.ticket === "required", fresh: true, phase: "open",
  });
  drive(id);
  return id;
}

const driven = new Set();

// Asks until the order is not open any more. One driver an order.
async function drive(id) {
  if (driven.has(id)) return;
  driven.add(id);
  try {
    for (let tries = 0; find(id)?.phase === "open"; ++tries) {
      const waitMs = await step(find(id));
      if (find(id)?.phase !== "open") break;
      await pause(Math.max(waitMs, backOffMs(tries)));
    }
  } finally {
    driven.delete(id);
  }
}

// One question, and what its answer changes; how long to wait before the next one.
async function step(order) {
  if (!rules.get().known) return 300; // who buys is not known yet
  if (!loggedIn()) return wantLogin(order);
  if (!isHis(order)) return waitForItsBuyer(order);
  if (order.ticketed && !order.ticket) return askTicket(order);
  const answer = order.queued ? await askAgain(order) : await send(order);
  return take(order.id, answer);
}

const isHis = (order) => rules.get().login === "none" || order.user === user();

// Asked for once: who closes the form may log in later, and the order goes on then.
function wantLogin({ id, note }) {
  if (note !== "note_login") {
    change(id, { note: "note_login" });
    loginWanted.set(true);
  }
  return 500;
}

// Somebody else is logged in here now.
function waitForItsBuyer({ id, note }) {
  if (note !== "note_login") change(id, { note: "note_login" });
  return 2000;
}

async function askTicket(order) {
  const answer = await ask("POST", `/v1/promos/${order.promo}/tickets`, {
    body: { id: order.id, user: order.user },
    headers: authorization(),
  });
  if (answer.status !== 201) return take(order.id, answer);
  // The id of the ticket is the order's: one ticket buys once.
  const { ticket, id } = answer.body;
  write(listed().map((one) => (one.id === order.id ? { ...one, id, ticket } : one)));
  drive(id);
  return 0;
}

async function send(order) {
  const first = order.fresh && !order.ticketed;
  // Whatever comes of it, from here on somebody may have heard of this id.
  change(order.id, { fresh: false });
  return ask("POST", "/v1/orders", {
    body: {
      item: order.item, user: order.user, qty: order.qty, valid_until_ms: order.valid,
      ...(order.promo ? { promo: order.promo } : {}),
      ...(order.ticket ? { ticket: order.ticket } : {}),
    },
    headers: {
      "Idempotency-Key": order.id,
      ...(first ? { "Stampede-First": "1" } : {}),
      ...authorization(),
    },
    waitS: kWaitS,
  });
}

const askAgain = (order) =>
  ask("GET", `/v1/orders/${order.id}`, { headers: authorization(), waitS: kWaitS });

function confirmed(id, body) {
  change(id, {
    phase: "confirmed", code: undefined, note: undefined, order_id: body.order_id,
    fulfilment: body.fulfilment ?? "none", pay_by: body.pay_by, queued: false,
    ...(body.unit_price_cents ? { price: body.unit_price_cents } : {}),
  });
  return 0;
}

// Milliseconds to wait, where the order is still open.
function take(id, { status, body, retryMs }) {
  const state = body.state;
  if (state === "confirmed") return confirmed(id, body);
  if (state === "rejected") return end(id, "rejected", body.reason ?? body.code, body);
  if (state === "queued") return stays(id, "note_waiting", { queued: true }, 300);
  const code = body.code;
  if (status === 0 || !code) return stays(id, "note_silent", {}, 500);
  if (code === "unknown_request") return stays(id, "note_silent", { queued: false }, 0);
  if (code === "sold_out" && body.edge) return stays(id, "note_waiting", {}, 0);
  if (kNotNow.has(code)) return stays(id, noteOf(code), {}, retryMs);
  if (kLogin.has(code)) {
    sessionOver();
    return stays(id, "note_login", {}, 500);
  }
  if (code === "sold_out" && body.retry) return end(id, "refused", "sold_out_for_now", body);
  return end(id, "refused", code, body);
}

const noteOf = (code) => (code === "rate_limited" ? "note_often" : "note_busy");

function stays(id, note, more, waitMs) {
  change(id, { note, ...more });
  return waitMs;
}

function end(id, phase, code, body) {
  change(id, {
    phase, code, note: undefined, queued: false, field: body.field,
    opens: code === "not_started" && body.retry_after_ms
      ? Math.round(now()) + body.retry_after_ms : undefined,
  });
  return 0;
}

// --- what becomes of it afterwards -----------------------------------------------------------------

// Paying and giving back have an answer for certain, or are asked again under the same id.
async function settle(id, what, question) {
  if (find(id)?.busy === what) return;
  change(id, { busy: what, trouble: undefined, note: undefined });
  for (let tries = 0; find(id)?.busy === what; ++tries) {
    const waitMs = await settleOnce(id, question);
    if (find(id)?.busy !== what) break;
    await pause(Math.max(waitMs, backOffMs(tries)));
  }
  await look(id);
}

// Milliseconds to wait, where the question is still open: `busy` is gone otherwise.
async function settleOnce(id, question) {
  if (!loggedIn()) return wantLogin(find(id));
  if (!isHis(find(id))) return waitForItsBuyer(find(id));
  const { status, body, retryMs } = await question();
  if (kLogin.has(body.code)) {
    sessionOver();
    return stays(id, "note_login", {}, 500);
  }
  if (status !== 0 && !kNotNow.has(body.code))
    change(id, { busy: undefined, note: undefined, trouble: status === 200 ? undefined : body.code });
  return retryMs;
}

export function pay(id) {
  const order = find(id);
  const payment = order.payment ?? newId();
  change(id, { payment });
  return settle(id, "pay", () =>
    ask("POST", `/v1/orders/${id}/demo-payments`, {
      body: { id: payment, amount_cents: order.qty * order.price },
      headers: authorization(),
    }));
}

export function cancel(id) {
  const whose = () => (account.get()?.token ? "" : `?user=${encodeURIComponent(find(id).user)}`);
  return settle(id, "cancel", () =>
    ask("DELETE", `/v1/orders/${id}${whose()}`, { headers: authorization() }));
}

const looking = new Map(); // the question under way, by order: one an order

// What the server says of an order now. Silence changes nothing.
async function look(id) {
  while (looking.has(id)) await looking.get(id); // asked earlier: it may know less
  const order = find(id);
  if (!order) return;
  const asked = askAgain(order);
  looking.set(id, asked);
  const { body } = await asked;
  looking.delete(id);
  if (body.state === "confirmed") confirmed(id, body);
  if (body.state === "rejected") end(id, "rejected", body.reason, body);
}

// Of a page that was just opened: every order is asked again, the open ones until they are not.
export async function resume() {
  for (const order of orders.get()) {
    if (order.busy === "pay") pay(change(order.id, { busy: undefined }).id);
    else if (order.busy === "cancel") cancel(change(order.id, { busy: undefined }).id);
    else if (order.phase === "open") drive(order.id);
  }
  for (const order of orders.get()) {
    if (order.phase !== "open" && !order.busy && loggedIn()) await look(order.id);
  }
}

const kLooks = 2; // at once: a browser has six connections for all that its pages ask
const looked = new Map(); // { tries, next } of an order that is overdue
let looks = 0;

async function lookOnce(id) {
  const tries = (looked.get(id)?.tries ?? -1) + 1;
  ++looks;
  await look(id);
  --looks;
  looked.set(id, { tries, next: performance.now() + backOffMs(tries) });
}

// An unpaid order changes without this page: its time runs out. Whoever was asked longest ago is
// first.
export function lookAtUnpaid() {
  const next = ({ id }) => looked.get(id)?.next ?? 0;
  const overdue = (order) => order.fulfilment === "unpaid" && order.phase === "confirmed"
    && now() > order.pay_by && loggedIn() && isHis(order);
  const due = orders.get().filter((order) => overdue(order) && !order.busy
    && !looking.has(order.id) && next(order) <= performance.now());
  for (const { id } of due.sort((one, two) => next(one) - next(two)).slice(0, kLooks - looks))
    lookOnce(id);
}
