// SPDX-License-Identifier: AGPL-3.0-or-later
// The room's socket: reconnects for ever, keeps the newest state, tells whoever listens.

const RETRY_MS = [500, 5000];
const LATE_MS = 3000;

export const state = {
  tiles: new Map(),
  order: [],
  alerts: [],
  closed: [],
  counts: null,
  intake: null,
  detail: null,
  trail: null,
  connected: false,
  broker: false,
  speed: 1,
};
const listeners = new Set();
let base = null;
let socket = null;
let watched = null;
let retry = RETRY_MS[0];
let lastFrame = 0;

/** Return the plant's time in Unix seconds, as the server tells it; null before it has. */
export function plantNow() {
  return base && base.now + ((performance.now() - base.at) / 1000) * state.speed;
}

/** Call `hear(frame)` for every frame until the returned function is called; at once where there is a state. */
export function listen(hear) {
  listeners.add(hear);
  if (base) hear({ type: "snap" });
  return () => listeners.delete(hear);
}

/** Ask for all of one address. */
export function watch(place) {
  watched = place;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: place }));
}

function tell(frame) {
  for (const hear of listeners) hear(frame);
}

function take(frame) {
  lastFrame = performance.now();
  if (frame.type === "detail") {
    state.detail = frame.detail;
    if (frame.trail) state.trail = frame.trail;
    tell(frame);
    return;
  }
  base = { now: frame.now, at: performance.now() };
  state.speed = frame.speed;
  state.broker = frame.connected;
  if (frame.type === "snap") state.tiles = new Map();
  for (const tile of frame.tiles ?? []) state.tiles.set(tile.key, tile);
  if (frame.order) {
    state.order = frame.order;
    const kept = new Set(frame.order);
    for (const key of state.tiles.keys()) if (!kept.has(key)) state.tiles.delete(key);
  }
  if (frame.alerts) state.alerts = frame.alerts;
  if (frame.closed) state.closed = frame.closed;
  if (frame.counts) state.counts = frame.counts;
  if (frame.intake) state.intake = frame.intake;
  tell(frame);
}

export function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/live`);
  socket.onopen = () => {
    retry = RETRY_MS[0];
    lastFrame = performance.now();
    state.connected = true;
    if (watched) watch(watched);
  };
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => {
    state.connected = false;
    tell({ type: "lost" });
    setTimeout(connect, retry * (0.5 + Math.random() / 2));
    retry = Math.min(retry * 2, RETRY_MS[1]);
  };
}

setInterval(() => {
  if (state.connected && performance.now() - lastFrame > LATE_MS) socket.close();
}, 1000);
