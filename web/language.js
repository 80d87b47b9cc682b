// Words in the reader's language: the browser's choice until somebody takes the other one.

import { cell, html, remember, remembered, useCell } from "./view.js";

const kNames = { en: "English", zh: "中文" };

function chosen() {
  const before = remembered("stampede.language");
  if (before in kNames) return before;
  const first = (navigator.languages ?? [navigator.language]).find((tag) => /^(en|zh)\b/i.test(tag));
  return /^zh/i.test(first ?? "") ? "zh" : "en";
}

export const language = cell(chosen());
const texts = { en: {}, zh: {} };

// Adds words: { en: { name: "text with {slots}" }, zh: … }. Both must have the same names.
export function addTexts(more) {
  for (const tag of Object.keys(texts)) Object.assign(texts[tag], more[tag]);
}

// The text of that name, its slots filled. n = 1 takes name_one where there is one.
export function t(name, slots = {}) {
  const words = texts[language.get()];
  const one = slots.n === 1 ? words[`${name}_one`] : undefined;
  const text = one ?? words[name] ?? name;
  const shown = (value) => (typeof value === "number" ? number(value) : value ?? "");
  return text.replace(/\{(\w+)\}/g, (_, slot) => shown(slots[slot]));
}

export const has = (name) => name in texts[language.get()];

const locale = () => (language.get() === "zh" ? "zh-CN" : "en-GB");

export const number = (value) => new Intl.NumberFormat(locale()).format(value);

export function decimal(value, digits = 1) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function price(cents) {
  if (cents === 0) return t("free");
  return new Intl.NumberFormat(locale(), {
    style: "currency",
    currency: "CNY",
    currencyDisplay: "narrowSymbol",
  }).format(cents / 100);
}

export function moment(ms) {
  return new Intl.DateTimeFormat(locale(), {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  }).format(ms);
}

function show(tag) {
  document.documentElement.lang = tag === "zh" ? "zh-CN" : "en";
  document.title = t("title");
}

language.on(show);
export const begin = () => show(language.get());

// The button says the language that it leads to, in that language.
export function LanguageSwitch() {
  const other = useCell(language) === "zh" ? "en" : "zh";
  const change = () => {
    remember("stampede.language", other);
    language.set(other);
  };
  return html`<button type="button" class="quiet" lang=${other === "zh" ? "zh-CN" : "en"}
    onClick=${change}>${kNames[other]}</button>`;
}
