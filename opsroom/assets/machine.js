// SPDX-License-Identifier: AGPL-3.0-or-later
// Machine: what it is doing now, its open alerts, its raw values and its last jobs.

import { ask } from "./api.js";
import { alertMark, el, stateShape, write } from "./draw.js";
import { onFilter, passes } from "./filter.js";
import { listen, plantNow, state, watch } from "./live.js";
import { alertSays, measure, named, num, percent, phrase, reason, say, short, span, when } from "./words.js";

const HEARD = new Set(["acknowledged", "closed"]);
const JOBS_MAX = 12;
const JOBS_REFRESH_MS = 30000;

const link = (key, name) => el("a", { href: `/machine?place=${encodeURIComponent(key)}` }, name);
const row = (name, text) => [el("dt", {}, name), el("dd", {}, text)];

/** Without a place: every machine to choose from. */
export function chooser(ground) {
  const draw = () => {
    const rows = state.order.map((key) => state.tiles.get(key)).filter((tile) => tile && passes(tile.name, tile.key));
    const items = rows.map((tile) => el("li", {}, link(tile.key, tile.name), el("span", { className: "where" }, tile.place ?? tile.key), el("span", { className: "status" }, stateShape(tile.state), say(`state.${tile.state}`))));
    ground.replaceChildren(el("p", {}, items.length ? say("machine.choose") : say("now.empty_do")), el("ul", { className: "chooser" }, ...items));
  };
  const ends = [listen((frame) => (frame.type === "snap" || frame.order) && draw()), onFilter(draw)];
  return () => ends.forEach((end) => end());
}

/** The head of the page: name, state, job, open alerts. */
export function machine(ground) {
  const { place } = ground.dataset;
  watch(place);
  const head = el("div", { className: "facts" });
  const alarms = el("ul", { className: "now-alerts" });
  ground.replaceChildren(alarms, head);
  let told = "";
  const draw = () => {
    const detail = state.detail?.key === place ? state.detail : null;
    if (!detail) return;
    const title = document.getElementById("title");
    if (title) write(title, detail.name);
    if (!detail.known) {
      head.replaceChildren(el("p", {}, say("machine.nobody", { place })));
      return;
    }
    const [now, open] = [plantNow(), state.alerts.filter((alert) => alert.place === place)];
    const nodes = detail.devices.map((device) => deviceNode(device, place, now));
    const text = nodes.map((node) => node.outerHTML).join("");
    if (text !== told) head.replaceChildren(...nodes);
    told = text;
    const marks = open.map((a) => a.id + a.state).join();
    if (alarms.dataset.told === marks) return;
    alarms.dataset.told = marks;
    alarms.replaceChildren(...open.map((alert) => el("li", { className: alert.class }, alertMark(alert.class, alert.priority, HEARD.has(alert.state), alert.urgency, alert.pleases), el("a", { href: `/alerts?filter=${encodeURIComponent(place)}` }, `${say(`class.${alert.class}`)}: ${alertSays(alert)}`), el("span", { className: "muted" }, say(`alert.state_told.${alert.state}`)))));
  };
  const timer = setInterval(draw, 1000);
  const end = listen(draw);
  return () => {
    clearInterval(timer);
    end();
  };
}

function deviceNode(device, place, now) {
  const account = Object.entries(device.account).map(([name, count]) => `${say(`account.${name}`)} ${num(count)}`);
  const status = el("p", { className: `status big ${device.state}` }, stateShape(device.state), el("strong", {}, say(`state.${device.state}`)), el("span", { className: "muted" }, reason(device.state, device.why)), device.since ? el("span", { className: "muted" }, say("machine.since", { when: when(device.since, now), span: span(now - device.since) })) : "");
  const facts = [
    ...row(say("machine.place"), place),
    ...row(say("machine.device"), device.dialect ? `${device.device} (${device.dialect})` : device.device),
    ...row(say("machine.heard"), device.seen === null ? say("tile.never") : say("age.ago", { span: span(now - device.seen) })),
    ...(device.lag_s === null ? [] : row(say("machine.lag"), say("span.s", { n: short(device.lag_s) }))),
    ...(account.length ? row(say("machine.account"), account.join(" · ")) : []),
  ];
  return el("div", { className: "device" }, status, device.job ? jobNode(device.job, now) : el("p", { className: "muted" }, say("machine.no_job")), el("dl", {}, ...facts));
}

function jobNode(job, now) {
  const parts = [job.file ?? job.job];
  if (job.started_at !== null) parts.push(say("machine.job_since", { span: span(now - job.started_at) }));
  if (job.estimate_s !== null) parts.push(say("machine.job_estimate", { span: span(job.estimate_s) }));
  const node = el("div", { className: "job" }, el("p", {}, el("strong", {}, parts[0]), ` ${parts.slice(1).join(" · ")}`));
  if (job.progress !== null) {
    const meter = el("progress", { max: 1, value: job.progress });
    meter.setAttribute("aria-label", say("machine.progress"));
    node.append(meter, el("span", {}, percent(job.progress)));
  }
  return node;
}

/** Newest raw values, live. */
export function values(ground) {
  const { place } = ground.dataset;
  watch(place);
  const body = el("tbody", {});
  const heads = ["values.indicator", "values.value", "values.when"].map((key) => el("th", { scope: "col" }, say(key)));
  const none = el("p", { className: "muted" }, say("values.none"));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body);
  ground.replaceChildren(none, table);
  const rows = new Map();
  return listen(() => {
    if (state.detail?.key !== place) return;
    const [devices, now] = [state.detail.devices, plantNow()];
    for (const device of devices) {
      for (const [name, unit, ts, value] of device.values) {
        const key = `${device.device} ${name}`;
        if (!rows.has(key)) {
          const cells = [el("td", {}), el("td", {})];
          const title = [named("indicator", name), " ", el("code", {}, devices.length > 1 ? key : name)];
          body.append(el("tr", {}, el("th", { scope: "row" }, ...title), ...cells));
          rows.set(key, cells);
        }
        const [valueCell, whenCell] = rows.get(key);
        write(valueCell, measure(value, unit));
        write(whenCell, say("age.ago", { span: span(now - ts) }));
      }
    }
    none.hidden = rows.size > 0;
    table.hidden = rows.size === 0;
  });
}

/** The last jobs, as the API lists them. */
export function jobs(ground) {
  const { place } = ground.dataset;
  const NAMES = ["file", "outcome", "started", "took", "estimate"];
  const draw = async () => {
    let found;
    try {
      found = (await ask("jobs", { place, limit: JOBS_MAX })).items;
    } catch (problem) {
      ground.replaceChildren(el("p", { className: "muted" }, say("error.jobs", { problem: problem.message })));
      return;
    }
    if (!found.length) {
      ground.replaceChildren(el("p", { className: "muted" }, say("jobs.none")));
      return;
    }
    const ts = (stamp) => (stamp ? Date.parse(stamp) / 1000 : null);
    const time = (seconds) => (seconds === null || seconds === undefined ? "–" : span(seconds));
    const rows = found.map((job) => {
      const outcome = job.outcome ? say(`outcome.${job.outcome}`) : say("outcome.running");
      const cells = [job.file ?? "–", job.cause ? say("jobs.because", { outcome, cause: phrase(job.cause) }) : outcome, ts(job.started_at) === null ? "–" : when(ts(job.started_at), plantNow()), time(job.duration_s), time(job.estimate_s)];
      return el("tr", { className: job.outcome ?? "running" }, ...cells.map((cell) => el("td", {}, cell)));
    });
    const heads = NAMES.map((name) => el("th", { scope: "col" }, say(`jobs.${name}`)));
    const scroll = el("div", { className: "wide", tabIndex: 0, role: "group" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
    scroll.setAttribute("aria-label", say("machine.jobs"));
    ground.replaceChildren(scroll);
  };
  draw();
  const timer = setInterval(draw, JOBS_REFRESH_MS);
  return () => clearInterval(timer);
}

/** Which index the outlook is of: links, so that the address holds it. */
export function outlookChoice(ground) {
  const { place } = ground.dataset;
  return listen(() => {
    if (state.detail?.key !== place) return;
    const names = state.detail.indices.map((index) => index.index);
    if (ground.dataset.told === names.join()) return;
    ground.dataset.told = names.join();
    const chosen = new URLSearchParams(location.search).get("index") ?? names[0];
    const links = names.map((name) => {
      const query = new URLSearchParams(location.search);
      query.set("index", name);
      const node = el("a", { href: `/machine?${query}#outlook-title` }, named("index", name));
      if (name === chosen) node.setAttribute("aria-current", "true");
      return el("li", {}, node);
    });
    ground.replaceChildren(el("ul", { className: "tabs" }, ...links));
  });
}
