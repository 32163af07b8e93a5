// SPDX-License-Identifier: AGPL-3.0-or-later
// Intake: where every received message is, what waits, what is missing, and what was refused.

import { el, write } from "./draw.js";
import { listen, plantNow, state, watch } from "./live.js";
import { measure, named, num, percent, say, short, span, when } from "./words.js";

const ADDRESS = "/intake";
const PARTS = ["stored", "duplicate", "rejected", "quarantined", "pending"];
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Call `draw` with the newest picture of the intake, whenever there is another one. */
function follow(draw) {
  watch(ADDRESS);
  let drawn = null;
  return listen(() => {
    const found = state.detail?.key === ADDRESS ? state.detail : null;
    if (!found || found === drawn) return;
    drawn = found;
    draw(found);
  });
}

function size(bytes) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return measure(bytes / 1000 ** step, UNITS[step]);
}

const seconds = (value) => (value === null ? "–" : Math.abs(value) < 90 ? say("span.s", { n: short(value) }) : (value < 0 ? "−" : "") + span(Math.abs(value)));
const moment = (ts) => (ts === null ? "–" : when(ts, plantNow()));
const nameOf = (row) => row.name ?? (row.device || say("intake.nobody"));
const pageOf = (row) => (row.device ? `/machine?place=${encodeURIComponent(row.place ?? `@${row.device}`)}` : null);

/** Return a table whose `fill(items)` writes only what differs: a row keeps its focus while the order stays. */
function table(label, columns, keyOf) {
  const body = el("tbody", {});
  const heads = columns.map(({ head }) => el("th", { scope: "col" }, say(head)));
  const node = el("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": label }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
  const rows = new Map();
  const made = () => {
    const cells = columns.map(({ tag, name }, i) => {
      const inner = tag ? el(tag, {}) : null;
      return { cell: i ? el("td", { className: name }, inner) : el("th", { scope: "row" }, inner), inner };
    });
    return { row: el("tr", {}, ...cells.map(({ cell }) => cell)), cells };
  };
  const fill = (items) => {
    const keys = items.map(keyOf);
    const before = [...rows.keys()];
    for (const key of before) if (!keys.includes(key)) rows.delete(key);
    items.forEach((item, n) => {
      if (!rows.has(keys[n])) rows.set(keys[n], made());
      columns.forEach(({ text, href, odd }, i) => {
        const { cell, inner } = rows.get(keys[n]).cells[i];
        const [target, aim] = [inner ?? cell, href?.(item)];
        write(target, text(item));
        if (aim) target.href = aim;
        cell.classList.toggle("odd", odd?.(item) ?? false);
      });
    });
    if (before.join("\n") !== keys.join("\n")) body.replaceChildren(...keys.map((key) => rows.get(key).row));
    node.hidden = !items.length;
  };
  return { node, fill };
}

/** The sentence at the top, the bar of the account's parts, and the same as a list. */
export function account(ground) {
  const sign = el("span", { className: "sign", "aria-hidden": "true" });
  const words = el("span", {});
  const sentence = el("p", { className: "standing" }, sign, words);
  const own = el("p", { className: "muted", lang: "en" });
  const missing = el("p", {});
  const bar = el("div", { className: "parts", role: "img" }, ...PARTS.map((part) => el("span", { className: `part ${part}` })));
  const names = ["received", ...PARTS];
  const counts = names.map(() => el("strong", {}));
  const key = el("ul", { className: "key" }, ...names.map((part, i) => el("li", {}, el("span", { className: `part ${part}`, "aria-hidden": "true" }), counts[i], ` ${say(`account.${part}`)}`)));
  ground.replaceChildren(sentence, own, missing, bar, key);
  return follow((found) => {
    const well = found.standing === "well";
    const facts = { ...found.account, count: found.behind, span: span(found.oldest_age_s) };
    write(sign, well ? "✓" : "!");
    write(words, say(`intake.standing.${found.standing}`, facts));
    sentence.classList.toggle("odd", !well);
    write(own, found.detail ?? "");
    write(missing, found.lists ? say("intake.missing", { count: found.lists.missing }) : "");
    PARTS.forEach((part, i) => {
      const count = found.account[part] ?? 0;
      bar.children[i].style.flexGrow = String(count);
      bar.children[i].hidden = !count;
    });
    names.forEach((part, i) => write(counts[i], num(found.account[part] ?? 0)));
    bar.setAttribute("aria-label", PARTS.map((part) => `${num(found.account[part] ?? 0)} ${say(`account.${part}`)}`).join(", "));
    bar.hidden = key.hidden = found.standing === "away";
  });
}

/** The log against its bound, its disk, and what waits for the historian. */
export function way(ground) {
  const meter = el("progress", { max: 1, "aria-label": say("intake.log") });
  const share = el("span", {});
  const names = ["log", "disk", "behind", "oldest", "rate"];
  const texts = Object.fromEntries(names.map((name) => [name, el("dd", {})]));
  const facts = el("dl", { className: "figures" }, ...names.map((name) => el("div", {}, el("dt", {}, say(`intake.${name}`)), texts[name])));
  const all = el("div", {}, el("div", { className: "job" }, meter, share), facts);
  ground.replaceChildren(all);
  return follow((found) => {
    all.hidden = found.standing === "away";
    meter.value = found.log_bytes_max ? found.log_bytes / found.log_bytes_max : 0;
    write(share, percent(meter.value));
    write(texts.log, say("intake.of", { part: size(found.log_bytes), whole: size(found.log_bytes_max) }));
    write(texts.disk, say("intake.disk_told", { free: size(found.disk_free_bytes), reserve: size(found.disk_reserve_bytes) }));
    write(texts.behind, say("intake.batches", { count: found.behind }));
    write(texts.oldest, span(found.oldest_age_s));
    write(texts.rate, say("intake.rate_told", { rate: found.rate_per_s }));
    texts.oldest.parentNode.hidden = !found.behind;
  });
}

/** A table of one of the lists, a sentence where it is empty, and one where it is longer than what is shown. */
function listed(ground, name, columns, keyOf) {
  const { node, fill } = table(say(`intake.${name}`), columns, keyOf);
  const none = el("p", { className: "muted" }, say(`intake.none.${name}`));
  const more = el("p", { className: "muted" });
  none.hidden = node.hidden = true;
  ground.replaceChildren(none, node, more);
  return follow(({ standing, lists }) => {
    ground.classList.toggle("old", standing === "away");
    if (!lists) return;
    const total = lists[`${name}_total`] ?? 0;
    fill(lists[name]);
    none.hidden = lists[name].length > 0;
    write(more, total > lists[name].length ? say("intake.shown", { shown: lists[name].length, total }) : "");
  });
}

const count = (part, { odd = false } = {}) => ({ head: `account.${part}`, text: ({ account: told }) => num(told[part] ?? 0), odd: odd ? ({ account: told }) => told[part] > 0 : null });
const time = (name) => ({ head: `intake.column.${name}`, text: (row) => seconds(row[`${name}_s`]) });

export function devices(ground) {
  const once = (row) => (row.numbered ? "exactly" : row.account.received ? "at_least" : null);
  const columns = [
    { head: "intake.column.device", tag: "a", text: nameOf, href: pageOf },
    { head: "intake.column.missing", text: (row) => num(row.missing), odd: (row) => row.missing > 0 },
    ...["received", "stored", "duplicate"].map((part) => count(part)),
    ...["rejected", "quarantined"].map((part) => count(part, { odd: true })),
    count("pending"),
    { head: "intake.column.once", text: (row) => (once(row) ? say(`intake.once.${once(row)}`) : "–") },
    ...["lag", "skew", "jitter"].map(time),
  ];
  return listed(ground, "devices", columns, (row) => row.device);
}

export function gaps(ground) {
  const columns = [
    { head: "intake.column.device", tag: "a", text: nameOf, href: pageOf },
    { head: "intake.column.numbers", text: (gap) => (gap.first === gap.last ? String(gap.first) : `${gap.first}–${gap.last}`) },
    { head: "intake.column.missing", text: (gap) => num(gap.count) },
    { head: "intake.column.heard", text: (gap) => moment(gap.at) },
  ];
  return listed(ground, "gaps", columns, (gap) => `${gap.device} ${gap.boot} ${gap.first}`);
}

export function refused(ground) {
  const columns = [
    { head: "intake.column.reason", text: (each) => named("refused", each.reason) },
    { head: "intake.column.own", tag: "code", name: "own", text: (each) => each.detail },
    { head: "intake.column.device", text: (each) => each.device ?? (each.topic || say("intake.nobody")) },
    { head: "intake.column.when", text: (each) => moment(each.at) },
    { head: "intake.column.size", text: (each) => size(each.bytes) },
    { head: "intake.column.again", text: (each) => say(`intake.again.${each.replayed ? "done" : each.replayable ? "can" : "never"}`) },
    { head: "intake.column.command", tag: "code", text: (each) => (each.replayable ? say("intake.command", { id: each.id }) : "–") },
  ];
  return listed(ground, "refused", columns, (each) => each.id);
}

export function noticed(ground) {
  const columns = [
    { head: "intake.column.what", text: (each) => named("noticed", each.event) },
    { head: "intake.column.device", text: (each) => each.device },
    { head: "intake.column.when", text: (each) => moment(each.at) },
    { head: "intake.column.own", tag: "code", name: "own", text: (each) => each.detail },
  ];
  return listed(ground, "noticed", columns, (each) => `${each.device} ${each.event} ${each.at} ${each.detail}`);
}
