// The picture of an item; where its operator gave none, one that is always the same for its number.

import { html, useState } from "./view.js";

const kFar = [
  "M0 58 C 22 38, 40 70, 66 48 S 92 42, 100 50 V100 H0 Z",
  "M0 60 L 30 34 L 52 58 L 76 36 L 100 58 V100 H0 Z",
  "M0 54 Q 50 22 100 56 V100 H0 Z",
];
const kNear = [
  "M0 78 C 30 60, 55 88, 100 66 V100 H0 Z",
  "M0 70 L 40 88 L 72 66 L 100 84 V100 H0 Z",
  "M0 84 Q 40 60 100 80 V100 H0 Z",
];

function Drawing({ item: { item } }) {
  return html`<svg class=${`drawing tone-${(item * 5) % 6}`} viewBox="0 0 100 100"
      aria-hidden="true" preserveAspectRatio="xMidYMid slice">
    <rect class="sky" width="100" height="100" />
    <circle class="sun" cx=${24 + ((item * 29) % 52)} cy="30" r="11" />
    <path class="far" d=${kFar[item % 3]} />
    <path class="near" d=${kNear[(item * 2 + 1) % 3]} />
  </svg>`;
}

// An image that cannot be had is no reason for a hole.
export function Picture({ item, large }) {
  const [broken, setBroken] = useState("");
  const url = item.image_url;
  const shown = url && broken !== url;
  return html`<div class=${large ? "picture large" : "picture"}>
    ${shown ? html`<img src=${url} alt="" loading=${large ? "eager" : "lazy"}
      onError=${() => setBroken(url)} />` : html`<${Drawing} item=${item} />`}
  </div>`;
}
