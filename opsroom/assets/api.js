// SPDX-License-Identifier: AGPL-3.0-or-later
// The API of this room: few questions at a time, failures in words.

import { language, say } from "./words.js";

const TOGETHER = 4;
let running = 0;
const waiting = [];

async function turn(job) {
  if (running >= TOGETHER) await new Promise((go) => waiting.push(go));
  running += 1;
  try {
    return await job();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** Return the answer's JSON; throws an Error whose message is a sentence for people. */
export function ask(path, query = {}) {
  return turn(() => call(`/api/v1/${path}?${new URLSearchParams(query)}`, {}));
}

/** Do something about an alert; returns the answer's JSON. */
export function act(id, action, note) {
  return send("POST", `alerts/${encodeURIComponent(id)}/actions`, { action, note });
}

/** Change something; returns the answer's JSON. */
export function send(method, path, body) {
  return call(`/api/v1/${path}`, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function call(path, request) {
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error(say("error.network"));
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const known = [404, 409, 422, 403].includes(answer.status) ? say(`error.${answer.status}`) : say("error.other", { status: String(answer.status) });
  throw new Error(language === "en" && told.detail ? `${known} ${told.detail}` : known);
}

/** Return [[Unix s, value]] of an indicator or index between two plant times, at most about `points` of them. */
export async function series(place, indicator, from, to, points) {
  const step = Math.max(60, Math.ceil((to - from) / points / 60) * 60);
  const stamp = (ts) => new Date(ts * 1000).toISOString();
  const found = await ask("series", { place, indicator, from: stamp(from), to: stamp(to), step_s: step });
  return found.points.map((point) => [Date.parse(point[0]) / 1000, point.length === 4 ? point[2] : point[1]]);
}
