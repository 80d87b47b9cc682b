// One question to the server and its answer. Silence is an answer of its own: `status` 0.

import { hear } from "./clock.js";

const kPatienceMs = 12_000;

// { status, body, retryMs, headers }; never throws. `body` is {} where there is none.
export async function ask(method, path, { body, headers = {}, waitS = 0, signal } = {}) {
  const sent = performance.now();
  const patience = AbortSignal.timeout(kPatienceMs + waitS * 1000);
  const said = { Accept: "application/json", ...headers };
  if (waitS) said.Prefer = `wait=${waitS}`;
  if (body !== undefined) said["Content-Type"] = "application/json";
  try {
    const answer = await fetch(path, {
      method,
      headers: said,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    const text = await answer.text();
    const value = text ? JSON.parse(text) : {};
    if (value.server_time) hear(value.server_time, sent, performance.now());
    return { status: answer.status, body: value, retryMs: retryMs(value, answer) };
  } catch {
    return { status: 0, body: {}, retryMs: 0 };
  }
}

function retryMs(body, answer) {
  if (body.retry_after_ms) return body.retry_after_ms;
  return Number(answer.headers.get("Retry-After") ?? 0) * 1000;
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// 32 hex digits that nobody has had before.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
