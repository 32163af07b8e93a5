// SPDX-License-Identifier: AGPL-3.0-or-later
// Alerts: what needs whom, and in how long; answered by mouse or by keys.

import { act } from "./api.js";
import { alertMark, el, path, write } from "./draw.js";
import { onFilter, passes } from "./filter.js";
import { listen, plantNow, state } from "./live.js";
import { alertSays, say, short, signed, span, when } from "./words.js";

const ACTIONS = {
  raised: ["acknowledge", "extend"],
  acknowledged: ["close", "extend"],
  returned: ["acknowledge"],
  closed: [],
};
const CLOCKED = new Set(["raised", "acknowledged"]);
const HEARD = new Set(["acknowledged", "closed"]);
const NOTE_CHARS_MAX = 256;

const shown = (alert) => passes(alert.name, alert.place, alert.kind ?? "", say(`class.${alert.class}`), alertSays(alert));
const fact = (name) => el("div", { className: name }, el("dt", {}, say(`alert.${name}`)), el("dd", {}));

/** Return who is asked: everybody, who is on duty, or the unit and the level that hears it now. */
function whose(alert) {
  const owner = alert.place;
  if (alert.class === "hazard") return say("alert.whose_hazard", { owner });
  if (alert.class === "call" && alert.duty_at) return say(alert.duty.length ? "alert.whose_named" : "alert.whose_call", { place: alert.duty_at, names: alert.duty.join(", ") });
  return alert.raised_to && alert.raised_to !== owner ? say("alert.whose_raised", { owner, place: alert.raised_to }) : say("alert.whose_own", { owner });
}

class AlertNode {
  constructor(alert) {
    this.said = {};
    this.busy = false;
    this.mark = el("span", { className: "marks" });
    this.sentence = el("h3", {});
    this.facts = Object.fromEntries(["since", "size", "whose", "left", "state"].map((name) => [name, fact(name)]));
    this.note = el("input", { type: "text", maxLength: NOTE_CHARS_MAX, className: "note", placeholder: say("alert.note"), autocomplete: "off" });
    this.note.setAttribute("aria-label", say("alert.note"));
    this.buttons = el("div", { className: "buttons" });
    this.error = el("p", { className: "error" });
    this.error.setAttribute("role", "alert");
    const where = el("a", { href: `/machine?place=${encodeURIComponent(alert.place)}` }, el("span", { className: "name" }, alert.name), el("span", { className: "where" }, ...path(alert.place)));
    this.believed = alert.index && state.tiles.has(alert.place) ? el("p", { className: "go" }, el("a", { href: `/index?${new URLSearchParams({ place: alert.place, index: alert.index })}` }, say("alert.believed"))) : "";
    this.doing = el("div", { className: "doing" }, this.note, this.buttons);
    this.node = el(
      "li",
      { className: "alert", tabIndex: -1 },
      el("div", { className: "head" }, this.mark, el("div", { className: "names" }, this.sentence, where)),
      el("dl", {}, ...Object.values(this.facts)),
      this.believed,
      this.doing,
      this.error,
    );
    this.node.alert = this;
    this.draw(alert);
  }

  draw(alert) {
    this.alert = { ...alert, ...(this.said.state === alert.state ? {} : this.said) };
    if (this.said.state === alert.state) this.said = {};
    const now = this.alert;
    const heard = HEARD.has(now.state);
    this.node.className = `alert ${now.pleases ? "pleases" : ""} ${now.class} ${heard ? "heard" : "unheard"} ${now.state}`;
    const drawn = `${now.class}${heard}${now.urgency}`;
    if (this.drawn !== drawn) this.mark.replaceChildren(alertMark(now.class, now.priority, heard, now.urgency, now.pleases));
    this.drawn = drawn;
    write(this.sentence, `${say(`class.${now.class}`)}: ${alertSays(now)}`);
    this.drawFacts();
    this.drawButtons();
  }

  drawFacts() {
    const [alert, now] = [this.alert, plantNow()];
    const put = (name, text) => {
      this.facts[name].hidden = !text;
      write(this.facts[name].lastChild, text ?? "");
    };
    put("since", alert.raised_at === null ? null : say("alert.since_told", { when: when(alert.raised_at, now), span: span(now - alert.raised_at) }));
    const size = alert.size === null ? null : signed(alert.size, alert.unit);
    put("size", alert.sigmas === null ? size : say("alert.size_told", { size: size ?? "", sigmas: short(Math.abs(alert.sigmas)) }));
    put("whose", whose(alert));
    const left = alert.deadline_at === null || now === null || !CLOCKED.has(alert.state) ? null : alert.deadline_at - now;
    put("left", left === null ? null : left > 0 ? say("alert.left_told", { span: span(left) }) : say("alert.left_over", { span: span(-left) }));
    const told = [say(`alert.state_told.${alert.state}`)];
    if (alert.note) told.push(say("alert.noted", { note: alert.note }));
    if (alert.extended) told.push(say("alert.extended"));
    put("state", told.join(" "));
  }

  drawButtons() {
    const names = ACTIONS[this.alert.state].filter((name) => name !== "extend" || (this.alert.deadline_at !== null && !this.alert.extended));
    this.doing.hidden = !names.length;
    const told = names.join() + this.busy;
    if (this.told === told) return;
    const focused = this.buttons.contains(document.activeElement);
    this.told = told;
    this.buttons.replaceChildren(
      ...names.map((name) => {
        const button = el("button", { type: "button", className: name, disabled: this.busy }, say(`action.${name}`));
        button.setAttribute("aria-label", say("action.about", { action: say(`action.${name}`), name: this.alert.name }));
        button.addEventListener("click", () => this.act(name));
        return button;
      }),
    );
    if (focused) this.node.focus({ preventScroll: true });
  }

  async act(name) {
    if (this.busy || !ACTIONS[this.alert.state].includes(name)) return;
    this.busy = true;
    write(this.error, "");
    this.drawButtons();
    try {
      const told = await act(this.alert.id, name, this.note.value.trim() || null);
      const after = { acknowledge: this.alert.state === "returned" ? "closed" : "acknowledged", close: "closed" }[name];
      this.said = { note: this.note.value.trim() || this.alert.note, ...(after ? { state: told.state ?? after } : {}) };
      this.note.value = "";
    } catch (problem) {
      write(this.error, say("error.action", { action: say(`action.${name}`), problem: problem.message }));
    }
    this.busy = false;
    this.draw(this.alert);
  }
}

function place(list, nodes, rows, Node) {
  const kept = new Set(rows.map((row) => row.id));
  for (const [id, node] of nodes) {
    if (kept.has(id)) continue;
    node.node.remove();
    nodes.delete(id);
  }
  const focused = document.activeElement;
  let spot = list.firstChild;
  for (const row of rows) {
    const known = nodes.get(row.id);
    if (known) known.draw(row);
    else nodes.set(row.id, new Node(row));
    const { node } = nodes.get(row.id);
    if (node === spot) spot = spot.nextSibling;
    else list.insertBefore(node, spot);
  }
  if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
}

const empty = (title, text) => el("div", { className: "empty" }, el("strong", {}, title), el("p", {}, text));

/** The open alerts, with their keys. */
export function alerts(ground) {
  const nodes = new Map();
  const list = el("ol", { className: "alerts" });
  const none = el("div", {});
  ground.replaceChildren(none, list);
  const visible = () => [...list.children].filter((node) => !node.hidden);
  const narrow = () => {
    for (const { alert, node } of nodes.values()) node.hidden = !shown(alert);
    const here = visible();
    if (!here.some((node) => node.tabIndex === 0)) here.forEach((node, i) => (node.tabIndex = i ? -1 : 0));
    none.replaceChildren(...(here.length ? [] : [nodes.size ? empty(say("filter.nothing"), say("filter.nothing_do")) : empty(say("alerts.empty"), say("alerts.empty_do"))]));
  };
  const draw = (frame) => {
    if (frame.type !== "snap" && !frame.alerts) return;
    place(list, nodes, state.alerts, AlertNode);
    narrow();
  };
  const step = (by) => {
    const here = visible();
    if (!here.length) return;
    const at = here.findIndex((node) => node.tabIndex === 0);
    const next = here.includes(document.activeElement?.closest?.(".alert")) ? Math.min(here.length - 1, Math.max(0, at + by)) : Math.max(0, at);
    here.forEach((node, i) => (node.tabIndex = i === next ? 0 : -1));
    here[next].focus();
  };
  const chosen = () => document.activeElement?.closest?.("li.alert")?.alert ?? visible().find((node) => node.tabIndex === 0)?.alert;
  const KEYS = {
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    a: () => chosen()?.act("acknowledge"),
    c: () => chosen()?.act("close"),
    n: () => chosen()?.note.focus(),
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input, textarea, select");
    if (typing && event.target.className === "note") {
      const row = event.target.closest("li.alert");
      if (event.key === "Enter") row.alert.act(ACTIONS[row.alert.alert.state][0]);
      if (event.key === "Enter" || event.key === "Escape") row.focus();
    }
    if (typing || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  };
  list.addEventListener("focusin", (event) => {
    const row = event.target.closest("li.alert");
    for (const node of list.children) node.tabIndex = node === row ? 0 : -1;
  });
  document.addEventListener("keydown", onKey);
  const timer = setInterval(() => nodes.forEach((node) => node.drawFacts()), 1000);
  const ends = [listen(draw), onFilter(narrow)];
  return () => {
    clearInterval(timer);
    document.removeEventListener("keydown", onKey);
    ends.forEach((end) => end());
  };
}

class ClosedNode {
  constructor(alert) {
    this.node = el("li", { className: `alert ${alert.class} heard closed` });
    this.draw(alert);
  }

  draw(alert) {
    this.alert = alert;
    const told = JSON.stringify(alert);
    if (this.told === told) return;
    this.told = told;
    const now = plantNow();
    const parts = [alert.raised_at === null ? null : say("closed.raised", { when: when(alert.raised_at, now) }), alert.closed_at === null ? null : say("closed.closed", { when: when(alert.closed_at, now) })];
    this.node.replaceChildren(
      el(
        "div",
        { className: "head" },
        el("span", { className: "marks" }, alertMark(alert.class, alert.priority, true, 0, alert.pleases)),
        el("div", { className: "names" }, el("h3", {}, `${say(`class.${alert.class}`)}: ${alertSays(alert)}`), el("a", { href: `/machine?place=${encodeURIComponent(alert.place)}` }, el("span", { className: "name" }, alert.name), el("span", { className: "where" }, ...path(alert.place))), el("p", { className: "muted" }, parts.filter(Boolean).join(" · "), alert.note ? ` · ${say("alert.noted", { note: alert.note })}` : "")),
      ),
    );
  }
}

/** The recently closed alerts. */
export function closed(ground) {
  const nodes = new Map();
  const list = el("ol", { className: "alerts past" });
  const none = el("p", { className: "muted" });
  ground.replaceChildren(none, list);
  const narrow = () => {
    for (const { alert, node } of nodes.values()) node.hidden = !shown(alert);
    const any = [...list.children].some((node) => !node.hidden);
    none.hidden = any;
    write(none, any ? "" : say("closed.empty"));
  };
  const draw = (frame) => {
    if (frame.type !== "snap" && !frame.closed) return;
    place(list, nodes, state.closed, ClosedNode);
    narrow();
  };
  const ends = [listen(draw), onFilter(narrow)];
  return () => ends.forEach((end) => end());
}

