// SPDX-License-Identifier: AGPL-3.0-or-later
// One trend for each index of a machine: values, the band that was expected, alerts where they were raised.

import { series } from "./api.js";
import { el, square, token, write } from "./draw.js";
import { listen, plantNow, state, watch } from "./live.js";
import { clockTime, dayOf, learning, measure, named, num, percent, revised, say, signedSigmas, when } from "./words.js";

const RANGES_H = [6, 24, 168];
const POINTS = 720;
const HEIGHT = 190;
const GAP_STEPS = 4;
const DIGITS = { hazard: "1", algedonic: "2", call: "3" };

class Trend {
  constructor(place, index, alone) {
    this.place = place;
    this.index = index;
    this.points = new Map();
    this.now = null;
    this.title = el("h3", {});
    this.value = el("p", { className: "value" });
    this.verdict = el("p", { className: "verdict" });
    this.read = el("p", { className: "read muted" });
    this.box = el("div", { className: "box" });
    this.chart = el("div", { className: "plot" });
    this.alerts = el("p", { className: "muted" });
    this.node = el("article", { className: "trend" }, el("header", {}, this.box, el("div", {}, this.title, this.value, this.verdict)), this.chart, this.read, this.alerts);
    this.title.append(alone ? named("index", index) : el("a", { href: `/index?${new URLSearchParams({ place, index })}` }, named("index", index)));
  }

  put(points) {
    for (const [ts, value, lo = null, hi = null] of points) {
      const known = this.points.get(ts);
      this.points.set(ts, [value, lo ?? known?.[1] ?? null, hi ?? known?.[2] ?? null]);
    }
  }

  async load(hours) {
    const now = plantNow();
    this.from = now - hours * 3600;
    const loading = (this.loading = hours);
    const points = await series(this.place, this.index, this.from, now, POINTS).catch((problem) => {
      write(this.read, problem.message);
      return [];
    });
    if (this.loading !== loading) return;
    this.hours = hours;
    const trail = (state.trail?.[this.index] ?? []).map(([ts, value, lo, hi]) => [ts, value, lo, hi]);
    const first = trail.length ? trail[0][0] : Infinity;
    this.points = new Map();
    this.put(points.filter(([ts]) => ts < first));
    this.put(trail);
    this.plot();
  }

  tell(now) {
    const before = this.now;
    this.now = now;
    write(this.value, measure(now.value, now.unit));
    const far = now.sigmas === null ? "" : say("trend.far", { sigmas: signedSigmas(now.sigmas) });
    const band = now.forecast ? say("trend.next", { lo: num(now.forecast.lo95), hi: measure(now.forecast.hi95, now.unit) }) : say("trend.no_band");
    const outgrown = now.revision ? revised(now.index, now.unit, now.capability, now.revision.capability, now.revision.count) : "";
    write(this.verdict, [say(`verdict.${now.verdict}`), learning(now.learning), far, band, outgrown].filter(Boolean).join(" · "));
    const found = now.performance === null ? null : { latency: now.latency, performance: now.performance };
    const label = found ? say("square.says", { index: named("index", now.index), productivity: percent(now.productivity), latency: percent(now.latency), performance: percent(now.performance) }) : say("square.none");
    if (this.label !== label) this.box.replaceChildren(found ? square(found, label) : "");
    this.label = label;
    if (before && before.at === now.at) return;
    this.put([[now.at, now.value, now.expected?.lo95, now.expected?.hi95]]);
    if (this.hours) this.plot();
  }

  /** Return the times with one more in each gap, where nothing is drawn: a closed gate is no value. */
  spaced(times) {
    const steps = times.slice(1).map((ts, i) => ts - times[i]);
    const usual = steps.length ? [...steps].sort((a, b) => a - b)[steps.length >> 1] : 0;
    return times.flatMap((ts, i) => (steps[i] > GAP_STEPS * usual ? [ts, ts + usual] : [ts]));
  }

  columns() {
    const [start] = this.reach();
    for (const ts of this.points.keys()) if (ts < start) this.points.delete(ts);
    const times = this.spaced([...this.points.keys()].sort((a, b) => a - b));
    const column = (i) => times.map((ts) => this.points.get(ts)?.[i] ?? null);
    return [times, column(1), column(2), column(0)];
  }

  /** Return from when to when is drawn: also the time without values is shown, up to now. */
  reach() {
    const now = plantNow() ?? 0;
    return [now - this.hours * 3600, now];
  }

  marks() {
    return [...state.alerts, ...state.closed].filter((a) => a.place === this.place && (!a.index || a.index === this.index) && a.raised_at !== null);
  }

  plot() {
    const data = this.columns();
    this.chart.setAttribute("role", "img");
    this.chart.setAttribute("aria-label", say("trend.says", { index: named("index", this.index), hours: this.hours }));
    const marks = this.marks().filter((a) => a.raised_at >= this.reach()[0]);
    write(this.alerts, marks.length ? say("trend.alerts", { list: marks.map((a) => `${DIGITS[a.class]} ${say(`class.${a.class}`)} ${when(a.raised_at, plantNow())}`).join(", ") }) : "");
    if (!data[0].length) {
      write(this.read, say("trend.empty"));
      return;
    }
    if (this.uplot) this.uplot.setData(data);
    else this.draw(data);
    if (!this.pointing) write(this.read, "");
  }

  draw(data) {
    const axis = { stroke: token("muted"), grid: { stroke: token("line"), width: 0.5 }, ticks: { show: false }, font: "12px system-ui", labelFont: "12px system-ui" };
    const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
    const day = (ts, i, all) => (i === 0 || new Date(all[i - 1] * 1000).getDate() !== new Date(ts * 1000).getDate() ? `\n${dayOf(ts)}` : "");
    this.uplot = new window.uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        scales: { x: { time: true, range: () => this.reach() } },
        axes: [
          { ...axis, size: 40, values: (_, splits) => splits.map((ts, i, all) => clockTime(ts) + day(ts, i, all)) },
          { ...axis, size: 58, values: (_, splits) => splits.map((value) => num(value)) },
        ],
        series: [{}, { ...edge }, { ...edge }, { stroke: token("data"), width: 1.6, points: { show: false }, spanGaps: false }],
        bands: [{ series: [2, 1], fill: token("band") }],
        hooks: { draw: [(plot) => this.drawMarks(plot)], setCursor: [(plot) => this.readAt(plot)] },
      },
      data,
      this.chart,
    );
    this.sight = new ResizeObserver(() => this.uplot.setSize({ width: this.width(), height: HEIGHT }));
    this.sight.observe(this.node);
  }

  width() {
    return Math.max(240, this.chart.clientWidth || this.node.clientWidth - 24);
  }

  drawMarks(plot) {
    const pen = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    const band = this.now?.forecast ?? this.now?.expected;
    pen.strokeStyle = token("muted");
    pen.setLineDash([4, 4]);
    pen.lineWidth = 1;
    for (const edge of band ? [band.lo95, band.hi95] : []) {
      const y = plot.valToPos(edge, "y", true);
      pen.beginPath();
      pen.moveTo(left, y);
      pen.lineTo(left + width, y);
      pen.stroke();
    }
    pen.setLineDash([]);
    for (const alert of this.marks()) {
      const x = plot.valToPos(alert.raised_at, "x", true);
      pen.strokeStyle = pen.fillStyle = token(alert.class);
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, top + height);
      pen.stroke();
      pen.fillRect(x - 9, top, 18, 18);
      pen.fillStyle = token(`${alert.class}-ink`);
      pen.font = "bold 13px system-ui";
      pen.textAlign = "center";
      pen.fillText(DIGITS[alert.class], x, top + 14);
    }
    pen.restore();
  }

  readAt(plot) {
    const i = plot.cursor.idx;
    this.pointing = i !== null && i !== undefined && plot.cursor.left >= 0;
    if (!this.pointing) {
      write(this.read, "");
      return;
    }
    const [times, lo, hi, value] = plot.data;
    const band = lo[i] === null ? "" : say("trend.read_band", { lo: num(lo[i]), hi: num(hi[i]) });
    write(this.read, `${when(times[i], plantNow())} · ${measure(value[i], this.now?.unit)} ${band}`);
  }

  end() {
    this.sight?.disconnect();
    this.uplot?.destroy();
  }
}

/** The trends of one machine, or of one index of it, with a choice of how far back. */
export function trends(ground) {
  const { place, index: alone } = ground.dataset;
  const found = new Map();
  let hours = RANGES_H[0];
  const grid = el("div", { className: "trends" });
  const ranges = el("div", { className: "ranges", role: "group" });
  ranges.setAttribute("aria-label", say("trend.range"));
  for (const each of RANGES_H) {
    const button = el("button", { type: "button" }, each < 48 ? say("span.h", { n: each }) : say("span.d", { n: each / 24 }));
    button.setAttribute("aria-pressed", each === hours);
    button.addEventListener("click", () => {
      hours = each;
      for (const other of ranges.children) other.setAttribute("aria-pressed", other === button);
      for (const trend of found.values()) trend.load(hours);
    });
    ranges.append(button);
  }
  const none = el("p", { className: "muted" }, say("trend.none"));
  ground.replaceChildren(el("div", { className: "tools" }, ranges, el("p", { className: "muted keys" }, say("trend.legend"))), none, grid);
  watch(place);
  const end = listen((frame) => {
    if (frame.alerts) for (const trend of found.values()) trend.hours && trend.plot();
    if (state.detail?.key !== place) return;
    for (const index of state.detail.indices) {
      if (alone && index.index !== alone) continue;
      let trend = found.get(index.index);
      if (!trend) {
        trend = new Trend(place, index.index, alone);
        found.set(index.index, trend);
        grid.append(trend.node);
        trend.load(hours);
      }
      trend.tell(index);
    }
    none.hidden = found.size > 0;
  });
  return () => {
    end();
    for (const trend of found.values()) trend.end();
  };
}
