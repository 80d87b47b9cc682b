// What is on sale: an item's price, stock and offer, and the button that buys it.

import { loggedIn, loginWanted, rules, user } from "./account.js";
import { now, parts } from "./clock.js";
import { language, moment, number, price, t } from "./language.js";
import { buy, orders } from "./orders.js";
import { face, Outcome } from "./order_view.js";
import { Picture } from "./picture.js";
import { readItem, readMore, shop } from "./stock.js";
import { html, useCell, useEffect, useState, useTicks } from "./view.js";

const kUnlistedMs = 2_000; // an item that no list brings is asked for by itself
const kQtyMax = 5; // a shop takes so many in one order unless it says otherwise

// The offer by this machine's view of the server's clock: the server's own word is up to a second
// old.
export function offerOf(item) {
  const { promo } = item;
  if (!promo || promo.ends_at <= now()) return null;
  return { ...promo, runs: promo.starts_at <= now() };
}

// Why nothing can be bought now; "" when something can.
function blocked(item, offer) {
  if (item.state === "closed") return "closed";
  if (item.left <= 0) return "sold_out";
  if (offer?.runs) return "";
  if (item.sale === "promo_only") return offer ? "not_yet" : "promo_only";
  return "";
}

export function Price({ item, offer }) {
  const normal = price(item.price_cents);
  if (!offer || offer.price_cents === item.price_cents) return html`<p class="price">${normal}</p>`;
  return html`<p class="price">
    <span class="now">${price(offer.price_cents)}</span>
    <s><span class="hidden">${t("instead_of")} </span>${normal}</s>
  </p>`;
}

export function Stock({ item }) {
  const share = item.total > 0 ? item.left / item.total : 0;
  const text = item.left > 0 ? t("left", { n: item.left }) : t("sold_out");
  const scarce = item.left > 0 && share <= 0.1;
  return html`<div class=${`stock${scarce ? " scarce" : ""}`}>
    <svg class="bar" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
      <rect class="rail" width="100" height="2" /><rect class="fill" width=${100 * share} height="2" />
    </svg>
    <p><span class="left">${text}</span><span class="sold">${t("sold_count", { n: item.sold })}</span></p>
  </div>`;
}

const two = (n) => String(n).padStart(2, "0");

// What a screen reader hears changes once a minute, not each second.
export function Countdown({ offer }) {
  useTicks(200);
  const until = offer.runs ? offer.ends_at : offer.starts_at;
  const { days, hours, minutes, seconds } = parts(until - now());
  const cells = [[days, "days"], [hours, "hours"], [minutes, "minutes"], [seconds, "seconds"]];
  const shown = days ? cells : cells.slice(1);
  return html`<div class=${`countdown${offer.runs ? " runs" : ""}`} role="timer">
    <p class="countdown-head">${t(offer.runs ? "ends_in" : "starts_in")}</p>
    <p class="countdown-cells">${shown.map(([value, name]) => html`<span key=${name}>
      <b>${two(value)}</b><small>${t(name)}</small></span>`)}</p>
  </div>`;
}

function saving(item, offer) {
  const percent = Math.floor(100 * (1 - offer.price_cents / item.price_cents));
  return item.price_cents > 0 && percent > 0 ? t("save", { percent }) : "";
}

export function Offer({ item, offer }) {
  const saved = saving(item, offer);
  return html`<div class="offer">
    <p class="offer-name"><span class="tag">${offer.name}</span>
      ${saved && html`<span class="tag soft">${saved}</span>`}</p>
    <${Countdown} offer=${offer} />
    ${!offer.runs && html`<p class="small"><b>${price(offer.price_cents)}</b> ·${" "}
      ${t("starts_at", { moment: moment(offer.starts_at) })}</p>`}
    ${offer.ticket === "required" && html`<p class="small">${t("ticket_needed")}</p>`}
  </div>`;
}

function Quantity({ qty, most, set }) {
  return html`<div class="quantity" role="group" aria-label=${t("quantity")}>
    <button type="button" aria-label=${t("fewer")} disabled=${qty <= 1}
      onClick=${() => set(qty - 1)}>−</button>
    <output aria-live="polite">${number(qty)}</output>
    <button type="button" aria-label=${t("more")} disabled=${qty >= most}
      onClick=${() => set(qty + 1)}>+</button>
  </div>`;
}

// The newest order of this item by whoever buys here now; by anybody where that is not known.
const lastOrder = (number) => orders.get().find((order) =>
  order.item === number && (order.user === user() || !user()));

function Buy({ item, offer }) {
  const [qty, setQty] = useState(1);
  const order = lastOrder(item.item);
  const open = order?.phase === "open";
  const { known } = useCell(rules); // until then nobody knows who buys
  const reason = blocked(item, offer);
  const promo = offer?.runs ? offer : undefined;
  const most = Math.max(1, Math.min(kQtyMax, item.left));
  const wanted = Math.min(qty, most);
  const each = promo?.price_cents ?? item.price_cents;
  const go = () => (loggedIn() ? buy(item, promo, wanted) : loginWanted.set(true));
  const words = open ? "working" : reason || (each ? "buy_for" : "buy");
  return html`<div class="buy">
    <div class="buy-row">
      <${Quantity} qty=${wanted} most=${most} set=${setQty} />
      <button type="button" class="main big" disabled=${Boolean(reason) || open || !known} onClick=${go}>
        ${t(words, { price: price(each * wanted) })}</button>
    </div>
    <p class="hidden" role="status">${order && t(`${face(order).name}_title`)}</p>
    ${order && html`<${Outcome} order=${order} />`}
  </div>`;
}

// An order is shown even where nothing else can be.
function NoItem({ id, missing }) {
  const order = lastOrder(id);
  return html`<main id="main" class="orders-page" tabindex="-1">
    <p class="empty">${t(missing ? "item_missing" : "loading")}</p>
    ${order && html`<${Outcome} order=${order} />`}
    <p><a href="#/">${t("back")}</a></p></main>`;
}

export function ItemPage({ id }) {
  const { items, heard, beyond } = useCell(shop);
  useCell(orders);
  useCell(language);
  useTicks(500);
  const [missing, setMissing] = useState(false);
  const item = items.get(id);
  const listed = beyond === undefined || id < beyond;
  useEffect(() => {
    const read = () => readItem(id).then((said) => setMissing(said === "unknown"));
    read();
    if (listed) return undefined;
    const timer = setInterval(read, kUnlistedMs);
    return () => clearInterval(timer);
  }, [id, heard, listed]);
  if (!item) return html`<${NoItem} id=${id} missing=${missing} />`;
  const offer = offerOf(item);
  return html`<main id="main" class="item-page" tabindex="-1">
    <p class="crumb"><a href="#/">${t("back")}</a></p>
    <${Picture} item=${item} large />
    <div class="item-words">
      <h1>${item.name}</h1>
      <${Price} item=${item} offer=${offer?.runs ? offer : null} />
      ${offer && html`<${Offer} item=${item} offer=${offer} />`}
      <${Stock} item=${item} />
      <${Buy} item=${item} offer=${offer} />
      ${item.description && html`<p class="description">${item.description}</p>`}
    </div>
  </main>`;
}

function Card({ item }) {
  const offer = offerOf(item);
  const gone = item.left <= 0 || item.state === "closed";
  useEffect(() => {
    if (!item.detailed) readItem(item.item);
  }, [item.item]);
  return html`<li class=${`card item${gone ? " gone" : ""}`}>
    <a class="cover" href=${`#/item/${item.item}`} aria-label=${item.name}></a>
    <${Picture} item=${item} />
    <div class="card-words">
      ${offer && html`<p><span class="tag">${offer.name}</span></p>`}
      <h2>${item.name}</h2>
      <${Price} item=${item} offer=${offer?.runs ? offer : null} />
      ${item.state === "closed" ? html`<p class="small">${t("closed")}</p>`
        : html`<${Stock} item=${item} />`}
    </div>
  </li>`;
}

// The offer that matters most now: one that runs, else the next one to start.
function featured(items) {
  const offers = items.map((item) => ({ item, offer: offerOf(item) }))
    .filter(({ item, offer }) => offer && item.state !== "closed" && item.left > 0);
  const rank = ({ offer }) => (offer.runs ? 0 : offer.starts_at);
  return offers.sort((left, right) => rank(left) - rank(right))[0];
}

function Feature({ item, offer }) {
  return html`<section class="feature" aria-labelledby="feature-name">
    <${Picture} item=${item} large />
    <div class="feature-words">
      <h2 id="feature-name">${item.name}</h2>
      <${Price} item=${item} offer=${offer.runs ? offer : null} />
      <${Offer} item=${item} offer=${offer} />
      <${Stock} item=${item} />
      <a class="main big" href=${`#/item/${item.item}`}>${t(offer.runs ? "buy" : "open_item")}</a>
    </div>
  </section>`;
}

const kShownFirst = 24;

export function ItemsPage() {
  const { items, heard, beyond } = useCell(shop);
  useCell(language);
  useTicks(1000);
  const [shown, show] = useState(kShownFirst);
  const all = [...items.values()];
  const best = featured(all);
  const rest = all.filter((item) => item.item !== best?.item.item || all.length === 1);
  const more = () => {
    show(2 * shown); // who looks on wants many
    if (beyond !== undefined && rest.length <= 2 * shown) readMore();
  };
  return html`<main id="main" tabindex="-1">
    <h1 class="hidden">${t("title")}</h1>
    ${best && html`<${Feature} ...${best} />`}
    ${!heard && !all.length && html`<p class="empty">${t("loading")}</p>`}
    ${heard && !all.length && html`<div class="empty"><p>${t("no_items")}</p>
      <p class="small">${t("no_items_hint")}</p></div>`}
    <ul class="items">${rest.filter((item) => !best || item !== best.item).slice(0, shown)
      .map((item) => html`<${Card} key=${item.item} item=${item} />`)}</ul>
    ${(rest.length > shown || beyond !== undefined) && html`<p class="more"><button type="button"
      class="plain" onClick=${more}>${t("more_items")}</button></p>`}
  </main>`;
}
