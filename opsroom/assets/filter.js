// SPDX-License-Identifier: AGPL-3.0-or-later
// One text that narrows what the page lists; it stays in the address, so that a view can be shared.

import { el } from "./draw.js";

const hearers = new Set();
let text = new URLSearchParams(location.search).get("filter") ?? "";

/** Put the input into its ground; the label's sentence is the ground's `data-label`. */
export function filter(ground) {
  const input = el("input", { id: "filter", type: "search", value: text, autocomplete: "off", spellcheck: false });
  input.addEventListener("input", () => {
    text = input.value.trim();
    const query = new URLSearchParams(location.search);
    text ? query.set("filter", text) : query.delete("filter");
    history.replaceState(history.state, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    for (const hear of hearers) hear();
  });
  ground.replaceChildren(el("label", { htmlFor: "filter" }, ground.dataset.label), input);
}

/** Tell whether every word of the filter occurs in one of these texts. */
export function passes(...texts) {
  const all = texts.join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** Call `hear` when the filter changes, until the returned function is called. */
export function onFilter(hear) {
  hearers.add(hear);
  return () => hearers.delete(hear);
}
