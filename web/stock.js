// What is sold and what is left of it: read from the server, then kept true by its events; where
// those do not come, by asking again.

import { ask } from "./ask.js";
import { cell, place } from "./view.js";

const kPageMax = 500;
const kPollMs = 1_000; // without events
const kRefreshMs = 10_000; // beside them: new items, prices, promos
const kManyMs = 3_000; // … where there are more items than events tell of
const kKey = "stampede.items";
const kRememberedMax = 60;
const kEventsMax = 50; // items that one stream tells of

// { items: Map by number, heard: whether they were read yet, live: "yes", "busy" (the server answers
//   without them) or "silent", beyond: the first number that the list leaves out, if any }
export const shop = cell({ items: seenBefore(), heard: false, live: "yes" });

// What a page that is loaded again showed a moment ago, until the server says more.
function seenBefore() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(kKey) ?? "[]"));
  } catch {
    return new Map();
  }
}

addEventListener("pagehide", () => {
  try {
    sessionStorage.setItem(kKey, JSON.stringify([...shop.get().items].slice(0, kRememberedMax)));
  } catch {
    // Then the next page begins with nothing.
  }
});

const newer = (left, right) => BigInt(left ?? 0) > BigInt(right ?? 0);

// Of two words about one item the later one counts, whichever way it came.
function merged(known, said) {
  if (!known) return said;
  const stale = newer(known.seq, said.seq);
  return stale ? { ...known, ...said, left: known.left, sold: known.sold, seq: known.seq }
    : { ...known, ...said };
}

let pages = 1; // of the list that are read

// { said: all items of the pages that are read, beyond: the first number behind them, if any } or
// { status } of the question that had no answer.
async function readPages() {
  const said = [];
  let beyond;
  for (let page = 0; page < pages; ++page) {
    const from = beyond === undefined ? "" : `&from=${beyond}`;
    const { status, body } = await ask("GET", `/v1/items?limit=${kPageMax}${from}`);
    if (status !== 200 || !Array.isArray(body.items)) return { status };
    said.push(...body.items);
    beyond = body.next;
    if (beyond === undefined) break;
  }
  return { said, beyond };
}

async function refresh() {
  const { said, beyond, status } = await readPages();
  const { items } = shop.get();
  if (!said) {
    shop.set({ ...shop.get(), live: status ? "busy" : "silent" });
    return;
  }
  const next = new Map();
  for (const item of said) {
    const known = items.get(item.item);
    // A promo that is over is no longer said; descriptions are said of one item alone.
    next.set(item.item, { ...merged(known, item), promo: item.promo });
  }
  if (beyond !== undefined)
    for (const [number, item] of items) if (number >= beyond) next.set(number, item);
  shop.set({ items: next, heard: true, live: "yes", beyond });
}

// One page more than were read until now.
export function readMore() {
  pages += 1;
  return watch();
}

// The parts of an item that lists leave out.
export async function readItem(number) {
  const answer = await ask("GET", `/v1/items/${number}`);
  if (answer.status === 404) return "unknown";
  if (answer.status !== 200) return "later";
  const { items, ...rest } = shop.get();
  const said = { image_url: "", description: "", ...answer.body, detailed: true };
  const next = new Map(items).set(number, { ...merged(items.get(number), said),
    promo: answer.body.promo });
  shop.set({ ...rest, items: next });
  return "read";
}

function onEvent(event) {
  const said = JSON.parse(event.data);
  const { items, ...rest } = shop.get();
  const known = items.get(Number(said.item));
  if (!known || newer(known.seq, said.seq)) return;
  const sold = known.total === undefined ? known.sold : (said.total ?? known.total) - said.left;
  const next = { ...known, left: said.left, seq: said.seq, state: said.state ?? known.state, sold };
  shop.set({ ...rest, items: new Map(items).set(known.item, next) });
}

let source = null;
let asked = ""; // the numbers whose events `source` brings
let eventsRun = false;
let retryAt = 0;

function close() {
  source?.close();
  source = null;
  eventsRun = false;
}

// The one that is looked at, and the first of the list.
function heardOf() {
  const numbers = [...shop.get().items.keys()];
  const at = Number(/^\/item\/(\d+)$/.exec(place.get())?.[1]);
  const rest = numbers.filter((number) => number !== at);
  return (numbers.includes(at) ? [at, ...rest] : rest).slice(0, kEventsMax).sort((a, b) => a - b);
}

function nextMs() {
  const { items, live } = shop.get();
  if (!eventsRun || live !== "yes") return kPollMs;
  return items.size > kEventsMax ? kManyMs : kRefreshMs;
}

// Events of the items that are there; anew when there are others. A page that nobody looks at asks
// for none: a browser has few connections for one server, and all pages share them.
function listen() {
  const numbers = heardOf().join(",");
  if (!numbers || performance.now() < retryAt || (source && numbers === asked)) return;
  close();
  asked = numbers;
  source = new EventSource(`/v1/events?items=${numbers}`);
  source.onmessage = onEvent;
  source.onopen = () => { eventsRun = true; };
  source.onerror = () => {
    eventsRun = false;
    if (source?.readyState !== EventSource.CLOSED) return; // it comes back by itself
    close();
    retryAt = performance.now() + kRefreshMs;
  };
}

let timer = 0;

export async function watch() {
  clearTimeout(timer);
  if (document.hidden) return close();
  await refresh();
  listen();
  clearTimeout(timer);
  timer = setTimeout(watch, nextMs());
}

addEventListener("online", watch);
document.addEventListener("visibilitychange", watch);
