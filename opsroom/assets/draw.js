// SPDX-License-Identifier: AGPL-3.0-or-later
// Small drawings: states and alerts as shapes, Beer's square, the analogue bar, the sparkline.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element with properties, data attributes and children; null children are left out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Write a text only where it differs, so that nothing is painted or read out twice. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const STATE_SHAPES = {
  running: "M3 2 L14 8 L3 14 Z",
  setup: "M2 11 H14 V14 H2 Z M5 8 H11 V11 H5 Z M7 3 H9 V8 H7 Z",
  held: "M3 2 H6.5 V14 H3 Z M9.5 2 H13 V14 H9.5 Z",
  waiting_person: "M8 1.5 A3 3 0 1 1 7.99 1.5 Z M2 14.5 C2 9.5 5 8.5 8 8.5 C11 8.5 14 9.5 14 14.5 Z",
  starved: "M3 2 H13 L9 8 L13 14 H3 L7 8 Z",
  maintenance: "M2 2 H6 V10 H10 V2 H14 V14 H2 Z",
  idle: "M2 2 H14 V14 H2 Z M4 4 V12 H12 V4 Z",
  fault: "M2 4 L4 2 L8 6 L12 2 L14 4 L10 8 L14 12 L12 14 L8 10 L4 14 L2 12 L6 8 Z",
  offline: "M1 7 H6 V9 H1 Z M10 7 H15 V9 H10 Z M7 2 H9 V5 H7 Z M7 11 H9 V14 H7 Z",
  unknown: "M6.8 12 H9.2 V14.4 H6.8 Z M4 5 A4 4 0 1 1 9.2 8.8 V10.6 H6.8 V7 H8 A2 2 0 1 0 6 5 Z",
};

/** Return the shape of a machine's state. */
export function stateShape(state) {
  const path = svg("path", { d: STATE_SHAPES[state] ?? STATE_SHAPES.unknown, "fill-rule": "evenodd" });
  return svg("svg", { viewBox: "0 0 16 16", class: "shape", "aria-hidden": "true" }, path);
}

const MARK_SHAPES = { hazard: "M12 1 L23 22 H1 Z", algedonic: "M12 1 L23 12 L12 23 L1 12 Z", call: "M3 3 H21 V21 H3 Z" };

/** Return an alert's mark: shape and digit say the class, filled means that nobody has said that they know. */
export function alertMark(alertClass, digit, heard, urgency, pleases = false) {
  const mark = svg(
    "svg",
    { viewBox: "0 0 24 24", class: `mark ${alertClass} ${heard ? "heard" : "unheard"} ${pleases ? "pleases" : ""}`, "aria-hidden": "true" },
    svg("path", { d: MARK_SHAPES[alertClass] }),
    svg("text", { x: 12, y: alertClass === "hazard" ? 19 : 16.5, "text-anchor": "middle" }, String(digit)),
  );
  mark.style.setProperty("--blink", `${(1 / (0.5 + 1.5 * Math.min(1, urgency))).toFixed(2)}s`);
  return mark;
}

/** Return Beer's square: the dashed whole is potentiality, the line capability, the filled part actuality. */
export function square(found, label) {
  const root = svg("svg", { viewBox: "0 0 40 40", class: "square", role: "img", "aria-label": label });
  root.append(svg("rect", { x: 1, y: 1, width: 38, height: 38, class: "pot" }));
  if (!found) return root;
  const side = (share) => Math.max(0, Math.min(1, share)) * 38;
  const [cap, act] = [side(found.latency), side(found.performance)];
  root.append(svg("rect", { x: 1, y: 39 - act, width: act, height: act, class: "act" }));
  root.append(svg("rect", { x: 1, y: 39 - cap, width: cap, height: cap, class: "cap" }));
  return root;
}

/** Return an analogue bar whose middle half is the forecast's band, with `set(value, band)`. */
export function bar() {
  const band = svg("rect", { x: 25, y: 3, width: 50, height: 10, class: "band" });
  const mean = svg("line", { x1: 50, x2: 50, y1: 3, y2: 13, class: "mean" });
  const stem = svg("line", { x1: 0, x2: 0, y1: 1, y2: 15, class: "stem" });
  const root = svg("svg", { viewBox: "0 0 100 16", class: "bar", "aria-hidden": "true", preserveAspectRatio: "none" }, svg("rect", { x: 0, y: 5, width: 100, height: 6, class: "ground" }), band, mean, stem);
  root.set = (value, found) => {
    const known = found && value !== null && found.hi95 > found.lo95;
    root.classList.toggle("bare", !known);
    if (!known) return;
    const share = (value - found.lo95) / (found.hi95 - found.lo95);
    const x = Math.max(1, Math.min(99, 25 + share * 50));
    root.classList.toggle("outside", share < 0 || share > 1);
    stem.setAttribute("x1", x);
    stem.setAttribute("x2", x);
  };
  return root;
}

/** Return a path that may break after each slash. */
export function path(text) {
  return text.split("/").flatMap((part, i) => (i ? ["/", el("wbr"), part] : [part]));
}

/** Return the colour of a token of the theme. */
export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Draw points [[Unix s, value]] and a band on a canvas; nothing where there are fewer than two. */
export function spark(canvas, points, band) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, width, height);
  const told = points.filter(([, value]) => value !== null);
  if (told.length < 2) return;
  const edges = told.map(([, value]) => value).concat(band ? [band.lo95, band.hi95] : []);
  const [low, high] = [Math.min(...edges), Math.max(...edges)];
  const [first, last] = [told[0][0], told[told.length - 1][0]];
  const x = (ts) => ((ts - first) / (last - first || 1)) * (width - 4) + 1;
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 4);
  if (band) {
    pen.fillStyle = token("band");
    pen.fillRect(0, y(band.hi95), width, Math.max(1, y(band.lo95) - y(band.hi95)));
  }
  pen.strokeStyle = token("data");
  pen.lineWidth = 1.3;
  pen.beginPath();
  const gap = ((last - first) / told.length) * 8;
  told.forEach(([ts, value], i) => (i && ts - told[i - 1][0] < gap ? pen.lineTo(x(ts), y(value)) : pen.moveTo(x(ts), y(value))));
  pen.stroke();
}
