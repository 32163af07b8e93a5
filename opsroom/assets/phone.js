// SPDX-License-Identifier: AGPL-3.0-or-later
// Phone: big buttons at one machine; each tap answers at once, and can be taken back.

import { alertMark, el, stateShape, write } from "./draw.js";
import { listen, state, watch } from "./live.js";
import { all, onTaps, remember, secret, send, tap, undo } from "./taps.js";
import { alertSays, clockTime, num, phrase, reason, say } from "./words.js";

const WAITING = new Set(["waiting_person", "starved", "held"]);
const SHOWN_MAX = 20;
const CAUSES_MAX = 8;
const BOUNCE_MS = 350;
const KEEP_MS = 60000;
const TEXT_CHARS_MAX = 256;
const USUAL = ["came_off", "spaghetti", "wrong_size", "surface", "clog"];

/** Without a place: every machine, those that wait for a person first. */
export function chooser(ground) {
  const list = el("ul", { className: "phone-list" });
  ground.replaceChildren(el("p", {}, say("machine.choose")), list);
  let told = "";
  const draw = () => {
    const calls = new Set(state.alerts.filter((alert) => alert.class === "call").map((alert) => alert.place));
    const rows = [...state.tiles.values()].filter((tile) => tile.place);
    const rank = (tile) => (WAITING.has(tile.state) || calls.has(tile.key) ? 0 : tile.state === "fault" ? 1 : 2);
    rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    const found = rows.map((tile) => `${tile.key} ${tile.state} ${tile.name}`).join();
    if (found === told) return;
    told = found;
    list.replaceChildren(...rows.map(choice));
  };
  return listen(draw);
}

function choice(tile) {
  const status = el("span", { className: "status" }, stateShape(tile.state), say(`state.${tile.state}`));
  return el("li", {}, el("a", { href: `/hand?place=${encodeURIComponent(tile.key)}`, className: WAITING.has(tile.state) ? "waits" : "" }, el("span", { className: "name" }, tile.name), status));
}

/** Return a button that takes one press for one, however the finger bounces. */
function button(text, className, press) {
  const made = el("button", { type: "button", className }, text);
  let last = -BOUNCE_MS;
  made.addEventListener("click", (event) => {
    if (event.timeStamp - last < BOUNCE_MS) return;
    last = event.timeStamp;
    press();
  });
  return made;
}

function field(label, more = {}) {
  const input = el("input", { type: "text", maxLength: TEXT_CHARS_MAX, autocomplete: "off", ...more });
  return { input, node: el("label", { className: "field" }, el("span", {}, label), input) };
}

class Desk {
  constructor(ground, place) {
    this.place = place;
    this.head = el("div", { className: "phone-state" });
    this.causes = el("div", { className: "causes" });
    this.own = field(say("phone.own_cause"));
    this.scrap = el("div", { className: "scrap-choice", hidden: true }, el("p", {}, say("phone.which")), this.causes, this.own.node, button(say("phone.count_scrap"), "big", () => this.countScrap(this.own.input.value.trim() || null)));
    this.spool = field(say("phone.spool"));
    this.grams = field(say("phone.grams"), { inputMode: "numeric", pattern: "[0-9]*" });
    this.item = field(say("phone.item"));
    this.present = el("output", {}, "–");
    this.unit = el("span", {});
    this.answer = el("div", { className: "answer", role: "status" });
    const scrap = button(say("phone.scrap"), "big scrap", () => this.open(this.scrap.hidden));
    scrap.setAttribute("aria-expanded", "false");
    this.scrapButton = scrap;
    ground.replaceChildren(
      this.head,
      el("div", { className: "pair" }, button(say("phone.good"), "big good", () => this.count({ good: 1 }, "good", { count: 1 })), scrap),
      this.scrap,
      button(say("phone.plate"), "big", () => this.say({ event: "plate", change: "cleared" }, "plate", {}, { event: "plate", change: "undone" })),
      this.group("phone.present", el("div", { className: "present" }, button("−", "big", () => this.countPeople(-1)), this.present, button("+", "big", () => this.countPeople(1))), this.unit),
      this.group("phone.material", this.spool.node, this.grams.node, el("div", { className: "pair" }, button(say("phone.opened"), "big", () => this.material("opened")), button(say("phone.emptied"), "big", () => this.material("emptied")))),
      this.group("phone.maintenance", this.item.node, el("div", { className: "pair" }, button(say("phone.begun"), "big", () => this.maintain("begun")), button(say("phone.ended"), "big", () => this.maintain("ended"))), button(say("phone.done"), "big", () => this.maintain("done"))),
      this.answer,
    );
  }

  group(key, ...nodes) {
    return el("fieldset", {}, el("legend", {}, say(key)), ...nodes);
  }

  draw(detail) {
    this.detail = detail;
    const title = document.getElementById("title");
    if (title) write(title, detail.name);
    const { device, unit, present } = detail.desk;
    const now = detail.devices.find((each) => each.device === device);
    const open = state.alerts.filter((alert) => alert.place === this.place);
    const nodes = now ? [el("p", { className: "status" }, stateShape(now.state), say(`state.${now.state}`), reason(now.state, now.why) && ` – ${reason(now.state, now.why)}`)] : [el("p", {}, say("machine.nobody", { place: this.place }))];
    nodes.push(...open.map((alert) => el("p", { className: "open" }, alertMark(alert.class, alert.priority, true, 0), el("span", {}, alertSays(alert)))));
    const text = nodes.map((node) => node.outerHTML).join("");
    if (text !== this.told) this.head.replaceChildren(...nodes);
    this.told = text;
    if (this.counted === undefined || present !== this.heard) this.counted = present;
    this.heard = present;
    write(this.present, this.counted === null ? "–" : num(this.counted));
    write(this.unit, unit ?? "");
    this.drawCauses(detail.desk.causes);
  }

  drawCauses(used) {
    const mine = all().map((each) => each.event.cause);
    const usual = USUAL.map((name) => say(`phone.cause.${name}`));
    const causes = [...new Set([...used, ...mine, ...usual].filter(Boolean))].slice(0, CAUSES_MAX);
    if (this.causesTold === causes.join("\n")) return;
    this.causesTold = causes.join("\n");
    this.causes.replaceChildren(...causes.map((cause) => button(phrase(cause), "big", () => this.countScrap(cause))));
  }

  open(wanted) {
    this.scrap.hidden = !wanted;
    this.scrapButton.setAttribute("aria-expanded", String(wanted));
    if (wanted) this.scrap.scrollIntoView({ block: "nearest" });
  }

  /** Say something about the machine, and tell at once that it was taken. */
  say(body, says, facts, undoing = null) {
    const about = this.detail?.desk.device ?? this.place;
    this.tapped = tap({ ...body, about }, says, { ...facts, name: this.detail?.name ?? this.place }, undoing && { ...undoing, about }).id;
    this.drawAnswer();
  }

  count(parts, says, facts, cause = null) {
    const device = this.detail?.devices.find((each) => each.device === this.detail.desk.device);
    const job = device?.job ? { job: device.job.job } : {};
    this.say({ event: "part", ...parts, ...(cause ? { cause } : {}), ...job }, says, facts, { event: "part", good: 0, scrap: 0 });
  }

  countScrap(cause) {
    this.open(false);
    this.own.input.value = "";
    this.count({ scrap: 1 }, cause ? "scrap_because" : "scrap", { count: 1, cause: cause ?? "" }, cause);
  }

  countPeople(more) {
    const before = this.counted ?? 0;
    const count = Math.max(0, before + more);
    const about = this.detail?.desk.unit ?? this.place;
    this.counted = count;
    write(this.present, num(count));
    this.tapped = tap({ event: "presence", count, about }, "presence", { count, name: about }, { event: "presence", count: before, about }).id;
    this.drawAnswer();
  }

  material(change) {
    const grams = Number.parseFloat(this.grams.input.value.replace(",", "."));
    const text = this.spool.input.value.trim();
    const body = { event: "material", change, ...(text ? { material: text } : {}), ...(Number.isFinite(grams) ? { grams } : {}) };
    this.spool.input.value = this.grams.input.value = "";
    this.say(body, change, { what: text }, { event: "material", change: "undone" });
  }

  maintain(change) {
    const item = this.item.input.value.trim();
    this.item.input.value = "";
    const undoing = change === "done" ? { event: "maintenance", change: "undone" } : null;
    this.say({ event: "maintenance", change, ...(item ? { item } : {}) }, change, { what: item }, undoing);
  }

  drawAnswer() {
    const found = all().find((each) => each.id === this.tapped);
    if (!found) return;
    this.answer.className = `answer ${found.state}`;
    this.answer.replaceChildren(...tapNodes(found, (made) => (this.tapped = made.id)));
  }
}

const told = (each) => (each.says === "undone" ? say("phone.undone", { what: say(`phone.tap.${each.facts.undid}`, each.facts) }) : say(`phone.tap.${each.says}`, each.facts)).replace(/\s+([,:])/g, "$1");

function tapNodes(each, undone) {
  const why = each.state === "refused" ? ` ${each.why}` : "";
  const text = say(`phone.state.${each.state}`, { what: told(each), time: clockTime(each.at) }) + why;
  const nodes = [el("span", { className: each.undone ? "taken-back" : "" }, text)];
  if (each.undo && !each.undone && each.state !== "refused") {
    const back = button(say("phone.undo"), "undo", () => undone(undo(each.id) ?? each));
    back.setAttribute("aria-label", say("phone.undo_about", { what: told(each) }));
    nodes.push(back);
  }
  return nodes;
}

/** The buttons of one machine. */
export function phone(ground) {
  const { place } = ground.dataset;
  watch(place);
  const desk = new Desk(ground, place);
  const draw = () => state.detail?.key === place && desk.draw(state.detail);
  const ends = [listen(draw), onTaps(() => desk.drawAnswer())];
  draw();
  send();
  return () => ends.forEach((end) => end());
}

/** The last taps of this phone at this machine. */
export function taps(ground) {
  const list = el("ul", { className: "taps" });
  ground.replaceChildren(list);
  const draw = () => {
    const shown = all().slice(0, SHOWN_MAX);
    list.replaceChildren(...(shown.length ? shown.map((each) => el("li", { className: each.state }, ...tapNodes(each, () => {}))) : [el("li", { className: "muted" }, say("phone.no_taps"))]));
  };
  draw();
  return onTaps(draw);
}

/** What this phone remembers for its owner: off until wanted; shown, saved and erased here. */
export function mine(ground) {
  const box = el("input", { type: "checkbox", checked: secret() !== null });
  const answer = el("p", { role: "status" });
  const ask = async (method) => {
    const header = { "X-Person": secret() };
    const found = await fetch("/api/v1/me", { method, headers: header }).catch(() => null);
    if (!found?.ok) throw new Error(say("error.network"));
    return found.json();
  };
  const tell = (job) => async () => {
    try {
      write(answer, await job());
    } catch (error) {
      write(answer, error.message);
    }
  };
  const save = async () => {
    const found = await ask("GET");
    const file = new Blob([JSON.stringify(found, null, 1)], { type: "application/json" });
    const link = el("a", { href: URL.createObjectURL(file), download: "cybersyn-me.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), KEEP_MS);
    return say("phone.saved", { count: found.items.length });
  };
  const erase = async () => {
    const { erased } = await ask("DELETE");
    return say("phone.erased", { count: erased });
  };
  const buttons = el("div", { className: "pair", hidden: !box.checked }, button(say("phone.save"), "big", tell(save)), button(say("phone.erase"), "big", tell(erase)));
  box.addEventListener("change", () => {
    remember(box.checked);
    buttons.hidden = !box.checked;
  });
  ground.replaceChildren(el("label", { className: "choice" }, box, el("span", {}, say("phone.remember"))), buttons, answer);
}
