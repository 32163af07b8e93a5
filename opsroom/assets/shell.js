// SPDX-License-Identifier: AGPL-3.0-or-later
// What stands around every screen: counts, the plant's clock, the connection, choices, and a voice for new alerts.

import { alertMark, el, write } from "./draw.js";
import { listen, plantNow, state } from "./live.js";
import { alertSays, exactTime, num, say } from "./words.js";

const COUNTS = ["machines", "running", "waiting", "down"];
const CRY_MS = 5000;

export function counts(ground) {
  return listen(() => {
    if (!state.counts) return;
    const texts = COUNTS.map((name) => el("span", { className: state.counts[name] ? name : `${name} none` }, say(`count.${name}`, { count: state.counts[name] })));
    if (ground.textContent !== texts.map((text) => text.textContent).join("")) ground.replaceChildren(...texts);
  });
}

export function badge(ground) {
  return listen(() => {
    if (!state.counts) return;
    const found = ["hazard", "algedonic", "call"].filter((name) => state.counts[name]);
    const told = found.map((name) => `${name}${state.counts[name]}${state.counts.unheard}`).join();
    if (ground.dataset.told === told) return;
    ground.dataset.told = told;
    const digit = { hazard: 1, algedonic: 2, call: 3 };
    ground.replaceChildren(
      ...found.flatMap((name) => [alertMark(name, digit[name], true, 0), el("span", {}, num(state.counts[name]), el("span", { className: "unseen" }, ` ${say(`class.${name}`)} `))]),
    );
  });
}

/** A mark beside the name of Intake while something is wrong there. */
export function intakeMark(ground) {
  return listen(() => {
    const wrong = state.intake !== null && state.intake !== "well";
    if (wrong === ground.childElementCount > 0) return;
    ground.replaceChildren(...(wrong ? [el("span", { className: "wrong", "aria-hidden": "true" }, "!"), el("span", { className: "unseen" }, say("intake.wrong"))] : []));
  });
}

export function clock(ground) {
  const time = el("span", { className: "time" });
  const link = el("span", { className: "link" });
  ground.replaceChildren(time, link);
  const draw = () => {
    const now = plantNow();
    const lost = now !== null && !state.connected;
    write(time, now === null ? "" : exactTime(now));
    write(link, say(now === null ? "link.waiting" : lost ? "link.lost" : state.broker ? "link.live" : "link.no_broker"));
    ground.classList.toggle("lost", now !== null && (lost || !state.broker));
    document.body.classList.toggle("stale", lost);
  };
  const timer = setInterval(draw, 1000);
  const end = listen(draw);
  draw();
  return () => {
    clearInterval(timer);
    end();
  };
}

/** A link that changes one thing of the address and keeps the rest. */
export function choice(link) {
  const wanted = new URLSearchParams(link.search);
  const aim = () => {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of wanted) query.set(name, value);
    link.search = `?${query}`;
  };
  aim();
  link.addEventListener("click", aim);
}

export function speed(ground) {
  return listen(() => write(ground, state.speed > 1.01 ? say("notice.fast", { speed: state.speed }) : say("notice.present")));
}

/** Say new alerts to those who listen instead of look; a flood is told as a number. */
export function crier(ground) {
  const polite = el("p", {});
  polite.setAttribute("aria-live", "polite");
  const urgent = el("p", {});
  urgent.setAttribute("aria-live", "assertive");
  ground.replaceChildren(polite, urgent);
  let known = null;
  let last = -CRY_MS;
  return listen((frame) => {
    if (frame.type !== "snap" && !frame.alerts) return;
    const fresh = known ? state.alerts.filter((alert) => !known.has(alert.id)) : [];
    known = new Set(state.alerts.map((alert) => alert.id));
    if (!fresh.length || performance.now() - last < CRY_MS) return;
    last = performance.now();
    const voice = fresh.some((alert) => alert.class === "hazard") ? urgent : polite;
    write(voice, fresh.length > 2 ? say("crier.many", { count: fresh.length }) : fresh.map((a) => `${say(`class.${a.class}`)}: ${a.name}. ${alertSays(a)}`).join(" "));
  });
}

