// SPDX-License-Identifier: AGPL-3.0-or-later
// Index: what a person tells the filter beforehand; times in the reader's own zone, alerts in the reader's language.

import { send } from "./api.js";
import { el, write } from "./draw.js";
import { listen, plantNow, state, watch } from "./live.js";
import { alertSays, say, when as spoken } from "./words.js";

const ACTIONS = { ignore: [], shift: ["mean", "sd"], level: ["mean", "sd"], uncertain: ["sd"] };
const ID_BYTES = 12;
const NOTE_CHARS_MAX = 256;
const AGAIN_MS = 5000;

const fresh = () => [...crypto.getRandomValues(new Uint8Array(ID_BYTES))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

let asked = -Infinity;
let timer = null;

/** Let the page ask the filter again, for there is something new: soon, but not twice within AGAIN_MS. */
function again() {
  timer ??= setTimeout(
    () => {
      [timer, asked] = [null, performance.now()];
      if (document.getElementById("index-now")) window.dash_clientside?.set_props("index-again", { n_intervals: Math.round(asked) });
    },
    Math.max(0, asked + AGAIN_MS - performance.now()),
  );
}

/** Keep a time that is told in a sentence in the reader's zone. */
export function when(ground) {
  return listen(() => write(ground, spoken(Date.parse(ground.dateTime) / 1000, plantNow())));
}

/** Say an alert as everywhere else, by the machine's name where it is known. */
export function alertSaid(ground) {
  const alert = JSON.parse(ground.dataset.alert);
  return listen(() => write(ground, alertSays({ ...alert, name: state.detail?.key === ground.dataset.place ? state.detail.name : alert.name })));
}

/** The form by which a person tells the filter what is going to happen to an index. */
export function tell(ground) {
  const { place, index } = ground.dataset;
  let id = fresh();
  let unit = "";
  let newest = null;
  const label = (text, field) => el("label", {}, el("span", {}, text), field);
  const box = (name) => el("input", { type: "text", name, inputMode: "decimal", autocomplete: "off" });
  const action = el("select", { name: "action" }, ...Object.keys(ACTIONS).map((name) => el("option", { value: name }, say(`tell.actions.${name}`))));
  const boxes = { mean: box("mean"), sd: box("sd") };
  const note = el("input", { type: "text", name: "note", maxLength: NOTE_CHARS_MAX, autocomplete: "off" });
  const rows = { mean: label("", boxes.mean), sd: label("", boxes.sd) };
  const button = el("button", { type: "submit" }, say("tell.send"));
  const error = el("p", { className: "error" });
  error.setAttribute("role", "alert");
  const done = el("p", { className: "done" });
  done.setAttribute("role", "status");
  const form = el("form", { className: "tell" }, label(say("tell.action"), action), rows.mean, rows.sd, label(say("tell.note"), note), button);
  form.noValidate = true;
  ground.replaceChildren(el("p", { className: "muted" }, say("tell.why")), form, error, done);

  const title = (name) => say(name === "mean" ? `tell.${action.value === "level" ? "level" : "shift"}` : "tell.sd");
  const draw = () => {
    for (const name of Object.keys(rows)) {
      rows[name].hidden = !ACTIONS[action.value].includes(name);
      write(rows[name].firstChild, unit && unit !== "1" ? say("tell.unit", { field: title(name), unit }) : title(name));
    }
  };
  /** Return the figures that this action has; throws an Error that names the field. */
  const figures = () => {
    const found = {};
    for (const name of ACTIONS[action.value]) {
      const text = boxes[name].value.trim().replace(",", ".");
      const wrong = text === "" ? (name === "mean" ? "missing" : null) : !Number.isFinite(Number(text)) ? "number" : name === "sd" && Number(text) < 0 ? "below" : null;
      boxes[name].setAttribute("aria-invalid", wrong !== null);
      if (wrong) {
        boxes[name].focus();
        throw new Error(say(`tell.${wrong}`, { field: title(name) }));
      }
      if (text !== "") found[name] = Number(text);
    }
    return found;
  };
  const submit = async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    write(error, "");
    write(done, "");
    button.disabled = true;
    try {
      const ts = Math.round((plantNow() ?? Date.now() / 1000) * 1000);
      const said = note.value.trim();
      await send("POST", "interventions", { v: 1, id, ts, place, index, action: action.value, ...figures(), ...(said ? { note: said } : {}) });
      write(done, say("tell.done", { what: say(`tell.actions.${action.value}`) }));
      form.reset();
      id = fresh();
      draw();
      again();
    } catch (problem) {
      write(error, problem.message);
    }
    button.disabled = false;
  };
  form.addEventListener("submit", submit);
  form.addEventListener("input", () => {
    id = fresh();
  });
  action.addEventListener("change", draw);
  draw();
  watch(place);
  return listen(() => {
    const known = state.detail?.key === place ? state.detail.indices.find((each) => each.index === index) : null;
    if (!known) return;
    if (newest !== null && newest !== known.at) again();
    newest = known.at;
    if (known.unit === unit) return;
    unit = known.unit;
    draw();
  });
}
