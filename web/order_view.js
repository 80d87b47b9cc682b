// One order, in words: what is known of it, and what its buyer can do now.

import { rules } from "./account.js";
import { now, span } from "./clock.js";
import { has, moment, price, t } from "./language.js";
import { buy, cancel, find, forget, kAgain, pay } from "./orders.js";
import { shop } from "./stock.js";
import { Dialog, html, useCell, useState, useTicks } from "./view.js";

// What is shown of an order: the name of its texts, and how it looks.
export function face(order) {
  if (order.phase === "open") return { name: "open", look: "wait" };
  if (order.phase === "confirmed") return confirmedFace(order);
  const code = order.code === "bad_request" && order.field === "qty" ? "qty" : order.code;
  const name = `${order.phase}_${code}`;
  return { name: has(`${name}_title`) ? name : order.phase, look: "no" };
}

function confirmedFace(order) {
  const { fulfilment } = order;
  if (!fulfilment || fulfilment === "none") return { name: "confirmed", look: "yes" };
  const looks = { unpaid: "due", paid: "yes" };
  return { name: fulfilment, look: looks[fulfilment] ?? "over" };
}

const kSigns = { wait: "…", yes: "✓", due: "!", no: "×", over: "–" };

export function Sign({ look }) {
  return html`<span class=${`sign ${look}`} aria-hidden="true">${kSigns[look]}</span>`;
}

function hint(order, name) {
  if (order.phase === "open") return `${t(order.note ?? "note_waiting")} ${t("open_hint")}`;
  if (name !== "unpaid") return t(`${name}_hint`, { code: order.code });
  const left = order.pay_by - now();
  return left > 0 ? t("unpaid_hint", { time: span(left) }) : t("pay_time_over");
}

function CancelButton({ order }) {
  const [asked, ask] = useState(false);
  const doIt = () => {
    ask(false);
    cancel(order.id);
  };
  return html`<button type="button" class="plain" disabled=${Boolean(order.busy)}
      onClick=${() => ask(true)}>${t(order.busy === "cancel" ? "cancelling" : "cancel")}</button>
    ${asked && html`<${Dialog} title=${t("cancel_title")} onClose=${() => ask(false)}>
      <p>${t("cancel_text", { name: order.name })}</p>
      <div class="buttons">
        <button type="button" class="plain" onClick=${() => ask(false)}>${t("keep")}</button>
        <button type="button" class="main" onClick=${doIt}>${t("cancel")}</button>
      </div>
    <//>`}`;
}

function PayButton({ order }) {
  if (!useCell(rules).demo_payment) return null;
  const sum = price(order.qty * order.price);
  return html`<button type="button" class="main" disabled=${Boolean(order.busy)}
    onClick=${() => pay(order.id)}>${order.busy === "pay" ? t("paying") : t("pay", { price: sum })}
  </button>`;
}

function again(order) {
  const item = shop.get().items.get(order.item);
  if (item) buy(item, item.promo?.id === order.promo ? item.promo : undefined, order.qty);
}

function Actions({ order }) {
  const unpaid = order.phase === "confirmed" && order.fulfilment === "unpaid";
  const demo = useCell(rules).demo_payment;
  if (unpaid)
    return html`<div class="buttons"><${PayButton} order=${order} /><${CancelButton} order=${order} />
      </div>${demo && html`<p class="small">${t("demo_note")}</p>`}`;
  if (order.phase !== "refused" || !kAgain.has(order.code)) return null;
  const early = order.opens && order.opens > now();
  return html`<div class="buttons"><button type="button" class="main" disabled=${early}
    onClick=${() => again(order)}>${early ? span(order.opens - now()) : t("try_again")}</button></div>`;
}

const troubleText = (code) =>
  (has(`trouble_${code}`) ? t(`trouble_${code}`) : t("trouble", { code }));

// What has become of an order, below the button that made it or in the list of all.
export function Outcome({ order }) {
  useTicks(500);
  const { name, look } = face(order);
  return html`<div class=${`outcome ${look}`}>
    <${Sign} look=${look} />
    <div class="outcome-words">
      <p class="outcome-title">${t(`${name}_title`)}</p>
      <p>${hint(order, name)}</p>
      ${order.busy && order.note && html`<p>${t(order.note)}</p>`}
      ${order.trouble && html`<p class="wrong">${troubleText(order.trouble)}</p>`}
      <${Actions} order=${order} />
    </div>
  </div>`;
}

function Numbers({ order }) {
  return html`<dl class="numbers">
    ${order.order_id && html`<dt>${t("order_number")}</dt><dd>${order.order_id}</dd>`}
    <dt>${t("request_number")}</dt><dd>${order.id}</dd>
  </dl>`;
}

function removable(order) {
  return order.phase !== "open" && order.fulfilment !== "unpaid" && !order.busy;
}

export function OrderCard({ id }) {
  const order = find(id);
  return html`<li class="card order">
    <div class="order-head">
      <h2><a href=${`#/item/${order.item}`}>${order.name}</a></h2>
      <p class="small">${t("order_line", { qty: order.qty, price: price(order.price) })} ·${" "}
        ${moment(order.at)}</p>
    </div>
    <${Outcome} order=${order} />
    <div class="order-foot">
      <${Numbers} order=${order} />
      ${removable(order) && html`<button type="button" class="quiet small"
        onClick=${() => forget(id)}>${t("remove")}</button>`}
    </div>
  </li>`;
}
