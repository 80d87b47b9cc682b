// A line over the last hour, drawn by uPlot, which its page loads beside this file.

import { number } from "./language.js";
import { html, useEffect, useRef } from "./view.js";

const kHeight = 140;
const kColours = ["--accent", "--cool", "--soft"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// 12000 → "12k", so that an axis stays narrow.
function short(value) {
  if (value === null || value === undefined) return "";
  if (value >= 1e6) return `${number(value / 1e6)}M`;
  return value >= 1e4 ? `${number(value / 1e3)}k` : number(value);
}

const hour = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 5);

function options(title, names, width) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: kHeight,
    legend: { show: names.length > 1, live: false },
    cursor: { show: false },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 1, 1)] } },
    axes: [{ ...axis, space: 60, size: 28, values: (_, all) => all.map(hour) }, { ...axis, size: 48, values: (_, all) => all.map(short) }],
    series: [{}, ...names.map((label, at) => ({ label, stroke: colour(kColours[at % 3]), width: 1.5,
      points: { show: false }, spanGaps: false,
      fill: at === 0 ? `color-mix(in srgb, ${colour(kColours[at])} 12%, transparent)` : undefined }))],
  };
}

// `lines`: [{ name, values }]; `times` in seconds. `words` says the newest values for who cannot see.
export function Chart({ title, times, lines, words }) {
  const box = useRef(null);
  const drawn = useRef(null);
  const names = lines.map((line) => line.name).join();
  useEffect(() => {
    if (!globalThis.uPlot) return undefined;
    const width = () => Math.max(200, box.current.clientWidth);
    const make = () => {
      drawn.current?.destroy();
      drawn.current = new globalThis.uPlot(options(title, lines.map((line) => line.name), width()),
        [times, ...lines.map((line) => line.values)], box.current);
    };
    make();
    const watcher = new ResizeObserver(() => drawn.current.setSize({ width: width(), height: kHeight }));
    watcher.observe(box.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      watcher.disconnect();
      scheme.removeEventListener("change", make);
      drawn.current.destroy();
      drawn.current = null;
    };
  }, [names]);
  useEffect(() => drawn.current?.setData([times, ...lines.map((line) => line.values)]), [times]);
  return html`<figure class="chart">
    <figcaption>${title}<span class="hidden"> ${words}</span></figcaption>
    <div ref=${box} aria-hidden="true"></div>
  </figure>`;
}
