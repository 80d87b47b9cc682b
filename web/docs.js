// The page at /docs: its text is there without this, in English; here is the other language.

import { addTexts, begin, LanguageSwitch } from "./language.js";
import { html, render } from "./view.js";

addTexts({ en: { title: "Stampede API" }, zh: { title: "Stampede 接口" } });
begin();
render(html`<${LanguageSwitch} />`, document.getElementById("languages"));
