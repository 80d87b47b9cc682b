// The shop: what is sold, one item, my orders.

import { account, loggedIn, loginWanted, logOut, readRules, rules } from "./account.js";
import { pause } from "./ask.js";
import { ItemPage, ItemsPage } from "./item_view.js";
import { begin, language, LanguageSwitch, t } from "./language.js";
import { LoginDialog } from "./login_view.js";
import { lookAtUnpaid, orders, resume, saved } from "./orders.js";
import { OrderCard } from "./order_view.js";
import "./shop_texts.js";
import { shop, watch } from "./stock.js";
import { html, place, render, useCell, useEffect } from "./view.js";

function Account() {
  const who = useCell(account);
  if (useCell(rules).login === "none")
    return who && html`<span class="who">${who.user.startsWith("guest-")
      ? t("guest", { user: who.user.slice(6, 10) }) : who.user}</span>`;
  if (!loggedIn())
    return html`<button type="button" class="quiet" onClick=${() => loginWanted.set(true)}>
      ${t("log_in")}</button>`;
  return html`<span class="who">${who.user}</span>
    <button type="button" class="quiet" onClick=${logOut}>${t("log_out")}</button>`;
}

function Header() {
  const count = useCell(orders).length;
  const at = useCell(place);
  const current = (path) => (at === path ? "page" : undefined);
  return html`<header class="top">
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <a class="brand" href="#/" aria-label=${t("shop")} aria-current=${current("/")}>
      <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" />
        <path d="M7 21.5 13 10l4 7 3-4.5 5 9" /></svg>
      <span>Stampede</span></a>
    <nav><a class="quiet" href="#/orders" aria-current=${current("/orders")}>${t("my_orders")}
      ${count > 0 && html` <span class="count">${count}</span>`}</a></nav>
    <div class="top-end"><${Account} /><${LanguageSwitch} /></div>
  </header>`;
}

// The address names what is shown, so a link inside it must not be one.
function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function OrdersPage() {
  const list = useCell(orders);
  useCell(shop);
  return html`<main id="main" class="orders-page" tabindex="-1">
    <h1>${t("orders_title")}</h1>
    <p class="small">${t(list.length ? "orders_hint" : "orders_none")}</p>
    <ul class="orders">
      ${list.map((order) => html`<${OrderCard} key=${order.id} id=${order.id} />`)}</ul>
    <p><a href="#/">${t("back")}</a></p>
  </main>`;
}

function Notices() {
  const { live } = useCell(shop);
  const kept = useCell(saved);
  return html`<div role="status" class="notices">
    ${live !== "yes" && html`<p class="notice">${t(`shop_${live}`)}</p>`}
    ${!kept && html`<p class="notice">${t("storage_off")}</p>`}
  </div>`;
}

function Main() {
  const at = useCell(place);
  useEffect(() => {
    scrollTo(0, 0);
    if (at !== "/" || document.activeElement !== document.body)
      document.getElementById("main")?.focus({ preventScroll: true });
  }, [at]);
  const item = /^\/item\/(\d+)$/.exec(at);
  if (item) return html`<${ItemPage} key=${at} id=${Number(item[1])} />`;
  return at === "/orders" ? html`<${OrdersPage} />` : html`<${ItemsPage} />`;
}

function Page() {
  useCell(language);
  return html`<${Header} /><${Notices} /><${Main} />
    ${useCell(loginWanted) && html`<${LoginDialog} />`}`;
}

async function open() {
  begin();
  render(html`<${Page} />`, document.getElementById("page"));
  watch();
  while (!(await readRules())) await pause(1000);
  resume();
  setInterval(lookAtUnpaid, 1000);
}

open();
