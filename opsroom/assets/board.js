// SPDX-License-Identifier: AGPL-3.0-or-later
// Now: one tile per address, worst first, moved only when the order changes.

import { series } from "./api.js";
import { alertMark, bar, el, path, spark, square, stateShape, write } from "./draw.js";
import { onFilter, passes } from "./filter.js";
import { listen, plantNow, state } from "./live.js";
import { learning, measure, named, num, percent, reason, revised, say, signedSigmas, span } from "./words.js";

const SPARK_S = 6 * 3600;
const SPARK_POINTS = 120;
const DOWN = new Set(["fault", "offline"]);
const WAITING = new Set(["held", "waiting_person", "starved"]);

const empty = (title, text) => el("div", { className: "empty" }, el("strong", {}, title), el("p", {}, text));

class TileNode {
  constructor(key, eyes) {
    this.key = key;
    this.trail = null;
    this.eyes = eyes;
    const part = (name, tag = "span") => (this[name] = el(tag, { className: name }));
    this.bar = bar();
    this.canvas = el("canvas", { className: "spark" });
    this.canvas.setAttribute("aria-hidden", "true");
    this.link = el(
      "a",
      { className: "tile", href: `/machine?place=${encodeURIComponent(key)}` },
      el("span", { className: "head" }, part("marks"), el("span", { className: "names" }, part("name"), part("where")), part("box")),
      el("span", { className: "line" }, part("status"), part("age")),
      el("span", { className: "line" }, part("what"), part("value")),
      this.bar,
      this.canvas,
      el("span", { className: "line" }, part("progress"), part("far")),
      part("revised"),
    );
    this.node = el("li", {}, this.link);
    this.node.tile = this;
    eyes.observe(this.node);
  }

  draw(tile) {
    const before = this.tile;
    this.tile = tile;
    write(this.name, tile.name);
    if (!before || before.place !== tile.place) this.where.replaceChildren(...(tile.place ? path(tile.place) : [say("tile.newcomer")]));
    const down = DOWN.has(tile.state) || tile.silent;
    this.link.className = `tile ${tile.mark ? `${tile.mark[1]} ${tile.mark[6] ? "pleases" : ""}` : down ? "down" : WAITING.has(tile.state) ? "waiting" : "calm"}`;
    if (!before || before.state !== tile.state || before.why !== tile.why) {
      this.status.replaceChildren(stateShape(tile.state), say(`state.${tile.state}`), el("small", {}, reason(tile.state, tile.why)));
    }
    if (JSON.stringify(before?.mark) !== JSON.stringify(tile.mark)) this.drawMark(tile.mark);
    if (!before || JSON.stringify(before.square) !== JSON.stringify(tile.square)) {
      this.box.replaceChildren(square(tile.square && { latency: tile.square[2], performance: tile.square[3] }, this.squareSays(tile.square)));
    }
    this.drawTelling(tile.telling, before?.telling);
    write(this.progress, tile.progress === null ? "" : say("tile.progress", { percent: percent(tile.progress) }));
    this.revised.hidden = !tile.revised;
    write(this.revised, tile.revised ? revised(...tile.revised) : "");
    this.drawAge();
    this.link.setAttribute("aria-label", this.says(tile));
  }

  drawMark(mark) {
    if (!mark) {
      this.marks.replaceChildren();
      return;
    }
    const [, alertClass, digit, heard, urgency, count, pleases] = mark;
    this.marks.replaceChildren(alertMark(alertClass, digit, heard, urgency, pleases), count > 1 ? el("small", {}, `×${num(count)}`) : "");
  }

  drawTelling(telling, before) {
    if (!telling) {
      write(this.what, say("tile.no_index"));
      write(this.value, "");
      write(this.far, "");
      this.bar.set(null, null);
      return;
    }
    const [index, unit, at, value, band, sigmas, verdict, taught] = telling;
    write(this.what, named("index", index));
    write(this.value, measure(value, unit));
    this.bar.set(value, band);
    write(this.far, sigmas !== null && Math.abs(sigmas) >= 3 ? say("tile.far", { sigmas: signedSigmas(sigmas) }) : learning(taught) || say(`verdict.${verdict}`));
    if (before && before[0] !== index) this.trail = null;
    if (this.trail && (!before || before[2] !== at) && value !== null) {
      const ts = Date.parse(at) / 1000;
      this.trail.push([ts, value]);
      while (this.trail.length && this.trail[0][0] < ts - SPARK_S) this.trail.shift();
      this.drawSpark();
    }
    if (this.seen && this.trail === null) this.load();
  }

  drawSpark() {
    if (this.seen && this.trail) spark(this.canvas, this.trail, this.tile.telling?.[4]);
  }

  drawAge() {
    const now = plantNow();
    const { seen, silent_after_s: limit } = this.tile;
    if (seen === null || now === null) {
      write(this.age, say("tile.never"));
      return;
    }
    const old = limit !== null && now - seen > limit;
    this.age.classList.toggle("old", old);
    write(this.age, say(old ? "age.silent" : "age.ago", { span: span(now - seen) }));
  }

  async load() {
    const now = plantNow();
    if (now === null || !this.tile.telling) return;
    const trail = (this.trail = []);
    const points = await series(this.key, this.tile.telling[0], now - SPARK_S, now, SPARK_POINTS).catch(() => []);
    if (this.trail !== trail) return;
    trail.unshift(...points.filter(([ts]) => !trail.length || ts < trail[0][0]));
    this.drawSpark();
  }

  see(visible) {
    this.seen = visible;
    if (!visible) return;
    if (this.trail === null && this.tile) this.load();
    else this.drawSpark();
  }

  squareSays(found) {
    if (!found) return say("square.none");
    const [index, productivity, latency, performance] = found;
    const shares = { productivity: percent(productivity), latency: percent(latency), performance: percent(performance) };
    return say("square.says", { index: named("index", index), ...shares });
  }

  says(tile) {
    const parts = [tile.name, say(`state.${tile.state}`)];
    if (tile.mark) parts.push(say(`class.${tile.mark[1]}`), say(tile.mark[3] ? "mark.heard" : "mark.unheard"));
    if (tile.telling) parts.push(`${named("index", tile.telling[0])} ${measure(tile.telling[3], tile.telling[1])}`);
    return parts.join(", ");
  }
}

/** The tiles; ends with the returned function. */
export function board(ground) {
  const nodes = new Map();
  const eyes = new IntersectionObserver((entries) => entries.forEach((e) => e.target.tile.see(e.isIntersecting)));
  const list = el("ul", { className: "board" });
  const none = el("div", {});
  ground.replaceChildren(none, list);

  const place = () => {
    const focused = document.activeElement;
    let spot = list.firstChild;
    for (const key of state.order) {
      const node = nodes.get(key)?.node;
      if (!node) continue;
      if (node === spot) spot = spot.nextSibling;
      else list.insertBefore(node, spot);
    }
    if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
  };
  const narrow = () => {
    let shown = 0;
    for (const { tile, node } of nodes.values()) {
      node.hidden = !passes(tile.name, tile.key, tile.state, say(`state.${tile.state}`));
      shown += !node.hidden;
    }
    if (!state.order.length) none.replaceChildren(empty(say("now.empty"), say("now.empty_do")));
    else none.replaceChildren(...(shown ? [] : [empty(say("filter.nothing"), say("filter.nothing_do"))]));
  };
  const draw = (frame) => {
    if (frame.type !== "snap" && frame.type !== "delta") return;
    if (frame.type === "delta" && !frame.tiles && !frame.order) return;
    const changed = frame.type === "snap" ? state.tiles.values() : (frame.tiles ?? []);
    for (const tile of changed) {
      if (!nodes.has(tile.key)) nodes.set(tile.key, new TileNode(tile.key, eyes));
      nodes.get(tile.key).draw(tile);
    }
    for (const [key, tile] of nodes) {
      if (state.tiles.has(key)) continue;
      eyes.unobserve(tile.node);
      tile.node.remove();
      nodes.delete(key);
    }
    if (frame.type === "snap" || frame.order) place();
    narrow();
  };
  const ends = [listen(draw), onFilter(narrow)];
  const timer = setInterval(() => nodes.forEach((tile) => tile.seen && tile.drawAge()), 1000);
  return () => {
    clearInterval(timer);
    eyes.disconnect();
    ends.forEach((end) => end());
  };
}
