// The server's clock. What this machine calls the time does not matter: only how much of it passes.

let ahead = Date.now() - performance.now(); // until the server has said the time
let spread = Infinity; // how far the last good answer may be off
let heardAt = 0;

const kStale = 30_000; // a later answer counts then even if it took longer

// `serverMs` was read between `sent` and `got`, both of performance.now().
export function hear(serverMs, sent, got) {
  const took = got - sent;
  if (took > spread && got - heardAt < kStale) return;
  ahead = serverMs - (sent + got) / 2;
  spread = took;
  heardAt = got;
}

export const now = () => performance.now() + ahead;

// A time span as days, hours, minutes, seconds; rounded up, so that 0 means that it is over.
export function parts(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return {
    days: Math.floor(seconds / 86400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  };
}

const two = (n) => String(n).padStart(2, "0");

// "2:05", "1:02:05", "3 d 01:02:05"
export function span(ms) {
  const { days, hours, minutes, seconds } = parts(ms);
  const clock = days || hours ? `${days ? two(hours) : hours}:${two(minutes)}` : `${minutes}`;
  return `${days ? `${days} d ` : ""}${clock}:${two(seconds)}`;
}
