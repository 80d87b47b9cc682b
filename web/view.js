// What every page draws with: preact, htm, and a value that many parts of a page look at.

import { h, render, Fragment } from "./vendor/preact.module.js";
import { useEffect, useRef, useState } from "./vendor/hooks.module.js";
import htm from "./vendor/htm.module.js";

export const html = htm.bind(h);
export { Fragment, render, useEffect, useRef, useState };

// A value, and who wants to hear of another one.
export function cell(value) {
  const heard = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const tell of [...heard]) tell(value);
    },
    on(tell) {
      heard.add(tell);
      return () => heard.delete(tell);
    },
  };
}

// A cell's value, in a part that is drawn again whenever it is another one.
export function useCell(source) {
  const [, again] = useState(0);
  const value = source.get();
  const drawn = useRef(value);
  drawn.current = value;
  useEffect(() => {
    const tell = () => again((n) => n + 1);
    if (source.get() !== drawn.current) tell(); // it changed before anybody listened
    return source.on(tell);
  }, [source]);
  return value;
}

// Draws the part again every so many milliseconds, while the page is looked at.
export function useTicks(ms) {
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again((n) => n + 1), ms);
    return () => clearInterval(timer);
  }, [ms]);
}

// What stands behind #, as the page's address.
export const place = cell(location.hash.slice(1) || "/");
addEventListener("hashchange", () => place.set(location.hash.slice(1) || "/"));

// Asks before something is done. The browser keeps the keyboard inside, and Escape leaves.
export function Dialog({ title, onClose, children, name }) {
  const box = useRef(null);
  useEffect(() => {
    const dialog = box.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  const outside = (event) => event.target === box.current && onClose();
  return html`<dialog ref=${box} class=${`dialog ${name ?? ""}`} aria-labelledby="dialog-title"
      onCancel=${cancel} onMouseDown=${outside}>
    <div class="dialog-body">
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </div>
  </dialog>`;
}

export function remembered(key, otherwise) {
  try {
    const text = localStorage.getItem(key);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise; // private windows, or somebody else's text under this name
  }
}

export function remember(key, value) {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
