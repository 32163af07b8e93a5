// SPDX-License-Identifier: AGPL-3.0-or-later
// Machine: the chart of where an index is heading, in the reader's own zone as trends are.

import { plantNow } from "./live.js";
import { dayFormat, when } from "./words.js";

/** Return a time as the reader's clocks show it: Plotly knows no zones, and draws the digits that it is given. */
function local(stamp) {
  const at = new Date(stamp);
  return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
}

/** Draw the figure that the ground holds. */
export function outlook(ground) {
  const { data, layout } = JSON.parse(ground.dataset.figure);
  const told = (trace) => trace.x.map((stamp) => when(Date.parse(stamp) / 1000, plantNow()));
  const traces = data.map((trace) => ({ ...trace, x: trace.x.map(local), text: told(trace) }));
  layout.xaxis.tickformat = `%H:%M\n${dayFormat}`;
  window.Plotly.newPlot(ground, traces, layout, { displayModeBar: false, responsive: true });
  return () => window.Plotly.purge(ground);
}
