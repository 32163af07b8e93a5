// SPDX-License-Identifier: AGPL-3.0-or-later
// Sentences from the catalogue, numbers and times as the language writes them.

export const boot = JSON.parse(document.getElementById("boot").textContent);
export const language = boot.language;
const locale = navigator.languages.find((each) => each.split("-")[0] === language) ?? language;
const plurals = new Intl.PluralRules(language);
const clocks = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
const seconds = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const dates = new Intl.DateTimeFormat(locale, { day: "numeric", month: "numeric" });
const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

/** Return the sentence of a key with its facts; `count` chooses among `.one` and `.other`. */
export function say(key, facts = {}) {
  const chosen = boot.words[key] ?? boot.words[`${key}.${plurals.select(facts.count ?? 0)}`] ?? boot.words[`${key}.other`];
  if (chosen === undefined) return key;
  return chosen.replace(/\{(\w+)\}/g, (_, name) => {
    const fact = facts[name];
    return typeof fact === "number" ? num(fact) : fact ?? say("word.unknown");
  });
}

export const knows = (key) => key in boot.words;

/** Return what people call an index or an indicator; its own name where the catalogue has none. */
export function named(family, name) {
  return knows(`${family}.${name}`) ? say(`${family}.${name}`) : name;
}

/** Return a number with about three significant digits. */
export function num(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Return a number with its unit; ratios have none. */
export const measure = (value, unit) => (unit && unit !== "1" ? `${num(value)} ${unit}` : num(value));
export const signed = (value, unit) => (value > 0 ? "+" : "") + measure(value, unit);
/** Return a number with one digit behind the point. */
export const short = (value) => (Math.round(value * 10) / 10 || 0).toLocaleString(locale, { maximumFractionDigits: 1 });
export const signedSigmas = (value) => (value >= 0.05 ? "+" : "") + short(value);

/** Return how far an index is that still learns, and by whom it goes until then; "" where it has learned. */
export const learning = (told) => (told ? say(told.like ? "learning.like" : "learning.own", told) : "");

/** Return that a capability was outgrown, and what is proposed. */
export const revised = (index, unit, capability, proposed, count) =>
  say("revision.says", { index: named("index", index), capability: measure(capability, unit), proposed: measure(proposed, unit), count: num(count) });

/** Return a day and month. */
export const dayOf = (ts) => dates.format(ts * 1000);

/** The same day and month as Plotly's axes are told it. */
export const dayFormat = dates.formatToParts(0).map((part) => ({ day: "%-d", month: "%-m" })[part.type] ?? part.value).join("");
export const percent = (ratio) => ratio.toLocaleString(locale, { style: "percent", maximumFractionDigits: 0 });
export const clockTime = (ts) => clocks.format(ts * 1000);
export const exactTime = (ts) => seconds.format(ts * 1000);

/** Return a day and time; only the time where it is within half a day of `now`. */
export const when = (ts, now) => (now !== null && Math.abs(now - ts) < 43200 ? clockTime(ts) : days.format(ts * 1000));

/** Return a duration in its two largest units. */
export function span(duration) {
  const s = Math.max(0, Math.round(duration));
  if (s < 90) return say("span.s", { n: s });
  if (s < 5400) return say("span.min", { n: Math.round(s / 60) });
  if (s < 129600) return say("span.h", { n: short(s / 3600) });
  return say("span.d", { n: short(s / 86400) });
}

/** Return a short phrase of ours in the page's language; a machine's own words stay as they are. */
export const phrase = (text) => {
  const key = `cause.${text.toLowerCase().replace(/[^a-z]+/g, "_").replace(/_$/, "")}`;
  return knows(key) ? say(key) : text;
};

/** Return why a machine is in its state, in its own words; what we say ourselves of absence only in English. */
export const reason = (state, why) => (why && (state !== "offline" || language === "en") ? phrase(why) : "");

/** Return the sentences of an alert: the first of its keys that the catalogue has, the cause, whether it pleases. */
export function alertSays(alert) {
  const [own, ...families] = alert.says;
  const key = knows(own) ? own : families.find(knows);
  const { cause, file, seconds } = alert.facts;
  const facts = { ...alert.facts, name: alert.name, index: alert.index ? named("index", alert.index) : alert.facts.kind };
  if (facts.unit === "1") facts.unit = "";
  if (facts.indicator) facts.indicator = named("indicator", facts.indicator);
  if (seconds !== undefined) facts.span = span(seconds);
  const missing = (wanted) => [...(boot.words[wanted] ?? "").matchAll(/\{(\w+)\}/g)].some(([, name]) => facts[name] === undefined);
  const lacking = missing(key);
  if (lacking && language === "en" && alert.why) return alert.why;
  const told = [say(lacking ? `alert.class.${alert.class}` : key, facts).replace(/\s+([.;])/g, "$1")];
  if (file && !alert.index) told.push(say("alert.file", { file }));
  if (cause && (alert.kind !== "silence" || language === "en")) told.push(say("alert.cause", { cause: phrase(cause).replace(/\.$/, "") }));
  if (alert.facts.members) told.push(say("alert.members", alert.facts));
  if (alert.pleases) told.push(say("alert.pleases"));
  return told.join(" ");
}
