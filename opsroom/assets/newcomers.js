// SPDX-License-Identifier: AGPL-3.0-or-later
// Machines that speak and that nobody registered: named, placed and live without a file edited; or dismissed.

import { ask, send } from "./api.js";
import { el, path, write } from "./draw.js";
import { plantNow, state } from "./live.js";
import { num, say, span } from "./words.js";

const LOOK_MS = 3000;

/** Return the places above the machines that are known, the commonest first. */
function cells() {
  const counts = new Map();
  for (const key of state.order) {
    const cell = key.split("/").slice(0, -1).join("/");
    if (cell && !key.startsWith("@")) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([cell]) => cell);
}

class Newcomer {
  constructor(row, gone) {
    this.gone = gone;
    this.id = row.id;
    this.heard = el("span", { className: "muted" });
    this.told = el("div", { className: "told" });
    this.told.setAttribute("role", "status");
    this.error = el("p", { className: "error" });
    this.error.setAttribute("role", "alert");
    const cell = cells()[0];
    this.place = el("input", { type: "text", required: true, autocomplete: "off", spellcheck: false, value: cell ? `${cell}/${row.device}` : `workshop/${row.device}` });
    this.form = el(
      "form",
      { className: "tools" },
      el("label", {}, say("newcomer.place"), this.place),
      el("button", { type: "submit", className: "acknowledge" }, say("newcomer.add")),
      row.prefix && el("button", { type: "button", className: "dismiss" }, say("newcomer.dismiss")),
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.welcome();
    });
    this.form.querySelector(".dismiss")?.addEventListener("click", () => this.dismiss());
    const looks = row.looks_like ? say("newcomer.looks", { dialect: row.looks_like }) : say("newcomer.native");
    this.node = el(
      "li",
      { className: "newcomer" },
      el("h2", {}, looks),
      el("p", {}, el("code", {}, row.prefix ?? `@${row.device}`), " ", this.heard),
      row.topics.length ? el("details", {}, el("summary", {}, say("newcomer.topics")), el("ul", {}, ...row.topics.map((topic) => el("li", {}, el("code", {}, topic))))) : "",
      this.form,
      this.told,
      this.error,
    );
    this.draw(row);
  }

  draw(row) {
    const now = plantNow();
    const age = now === null ? "" : say("age.ago", { span: span(Math.max(0, now - Date.parse(row.last_seen) / 1000)) });
    write(this.heard, row.messages === null ? age : say("newcomer.heard", { count: num(row.messages), age }));
  }

  async welcome() {
    const place = this.place.value.trim().replace(/\/+$/, "");
    const told = await this.try(() => send("POST", `newcomers/${encodeURIComponent(this.id)}`, { place }));
    if (!told) return;
    this.form.hidden = true;
    this.settled = true;
    const done = el("button", { type: "button" }, say("newcomer.done"));
    done.addEventListener("click", () => this.gone(this));
    this.told.replaceChildren(
      el("p", {}, say("newcomer.live"), " ", el("a", { href: `/machine?place=${encodeURIComponent(told.place)}` }, ...path(told.place))),
      el("details", {}, el("summary", {}, say("newcomer.own_password")), el("pre", {}, told.lines.join("\n"))),
      done,
    );
  }

  async dismiss() {
    if (!(await this.try(() => send("PUT", `newcomers/${encodeURIComponent(this.id)}`, { wanted: false })))) return;
    this.form.hidden = true;
    this.settled = true;
    const undo = el("button", { type: "button" }, say("newcomer.undo"));
    undo.addEventListener("click", async () => {
      if (!(await this.try(() => send("PUT", `newcomers/${encodeURIComponent(this.id)}`, { wanted: true })))) return;
      this.form.hidden = false;
      this.settled = false;
      this.told.replaceChildren();
    });
    this.told.replaceChildren(el("p", {}, say("newcomer.dismissed")), undo);
  }

  async try(act) {
    write(this.error, "");
    try {
      return await act();
    } catch (problem) {
      write(this.error, problem.message);
      return null;
    }
  }
}

/** Offer every newcomer, and look for new ones while the page is seen. */
export function newcomers(ground) {
  const nodes = new Map();
  const list = el("ul", { className: "newcomers" });
  ground.replaceChildren(list);
  const gone = (one) => {
    one.node.remove();
    nodes.delete(one.id);
  };
  const look = async () => {
    if (document.hidden) return;
    const found = await ask("newcomers").catch(() => null);
    if (!found) return;
    const here = new Set(found.items.map((row) => row.id));
    for (const one of [...nodes.values()]) if (!here.has(one.id) && !one.settled) gone(one);
    for (const row of found.items) {
      const known = nodes.get(row.id);
      if (known) {
        if (!known.settled) known.draw(row);
        continue;
      }
      const one = new Newcomer(row, gone);
      nodes.set(row.id, one);
      list.append(one.node);
    }
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  return () => clearInterval(timer);
}
