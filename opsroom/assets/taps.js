// SPDX-License-Identifier: AGPL-3.0-or-later
// Taps of this phone: kept before they are sent, sent until they are counted, and each counted once by its own id.

import { plantNow } from "./live.js";

const KEPT_MAX = 60;
const RETRY_MS = 3000;
const PATIENCE_MS = 10000;
const SECRET_BYTES = 24;
const listeners = new Set();
let sending = false;

function read(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

const keep = (key, value) => localStorage.setItem(key, JSON.stringify(value));
const random = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Return the taps, newest first; `state` is waiting, counted or refused. */
export const all = () => read("taps", []);

/** Return the secret under which taps are remembered for their owner, null where this phone remembers none. */
export const secret = () => read("person", null);

export function remember(wanted) {
  if (wanted) keep("person", secret() ?? random(SECRET_BYTES));
  else localStorage.removeItem("person");
}

/** Call `hear` whenever the taps change until the returned function is called. */
export function onTaps(hear) {
  listeners.add(hear);
  return () => listeners.delete(hear);
}

/** Keep a tap, then send it. `says` and `facts` tell it to people; `undo` is the body that takes it back, or null. */
export function tap(body, says, facts, undo = null) {
  const now = plantNow();
  const id = random(12);
  const event = { v: 1, id, ...(now === null ? {} : { ts: Math.round(now * 1000) }), ...body };
  const made = { id, event, says, facts, undo: undo && { ...undo, corrects: id }, at: now ?? Date.now() / 1000, state: "waiting", by: secret() };
  change((taps) => [made, ...taps]);
  send();
  return made;
}

/** Take a tap back; it stays in the list as undone. */
export function undo(id) {
  const found = all().find((each) => each.id === id);
  if (!found?.undo || found.undone) return null;
  change((taps) => taps.map((each) => (each.id === id ? { ...each, undone: true } : each)));
  return tap(found.undo, "undone", { undid: found.says, ...found.facts });
}

/** Change the kept taps as they are now, those of other tabs included; what still waits is never dropped. */
function change(how) {
  const taps = how(all());
  keep("taps", [...taps.slice(0, KEPT_MAX), ...taps.slice(KEPT_MAX).filter((each) => each.state === "waiting")]);
  for (const hear of listeners) hear();
}

const mark = (id, more) => change((taps) => taps.map((each) => (each.id === id ? { ...each, ...more } : each)));

/** Send what waits, oldest first, one at a time; an answer that never came is asked for again with the same id. */
export async function send() {
  if (sending) return;
  sending = true;
  try {
    for (let next = oldest(); next; next = oldest()) if (!(await sent(next))) break;
  } finally {
    sending = false;
  }
}

const oldest = () => all().findLast((each) => each.state === "waiting");

async function sent(tapped) {
  const headers = { "Content-Type": "application/json", ...(tapped.by ? { "X-Person": tapped.by } : {}) };
  let answer;
  try {
    answer = await fetch("/api/v1/events", { method: "POST", headers, body: JSON.stringify(tapped.event), signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    return false;
  }
  if (answer.status >= 500 || answer.status === 429) return false;
  const told = answer.ok ? {} : await answer.json().catch(() => ({}));
  mark(tapped.id, answer.ok ? { state: "counted", by: null } : { state: "refused", by: null, why: told.detail ?? String(answer.status) });
  return true;
}

setInterval(send, RETRY_MS);
addEventListener("online", send);
addEventListener("storage", () => {
  for (const hear of listeners) hear();
});
