// SPDX-License-Identifier: AGPL-3.0-or-later
// Puts a widget into every [data-ops] ground that Dash draws, and takes it away with it.

import { alerts, closed } from "./alerts.js";
import { board } from "./board.js";
import { filter } from "./filter.js";
import { account, devices, gaps, noticed, refused, way } from "./intake.js";
import { connect } from "./live.js";
import { chooser, jobs, machine, outlookChoice, values } from "./machine.js";
import { newcomers } from "./newcomers.js";
import { outlook } from "./outlook.js";
import { chooser as phoneChooser, mine, phone, taps } from "./phone.js";
import { badge, choice, clock, counts, crier, intakeMark, speed } from "./shell.js";
import { alertSaid, tell, when } from "./tell.js";
import { trends } from "./trends.js";

const WIDGETS = {
  board,
  newcomers,
  filter,
  chooser,
  machine,
  trends,
  tell,
  when,
  values,
  jobs,
  "outlook-choice": outlookChoice,
  "outlook-chart": outlook,
  "alert-says": alertSaid,
  alerts,
  closed,
  counts,
  clock,
  choice,
  crier,
  speed,
  phone,
  "phone-chooser": phoneChooser,
  "phone-taps": taps,
  "phone-mine": mine,
  "badge-alerts": badge,
  "badge-intake": intakeMark,
  "intake-account": account,
  "intake-way": way,
  "intake-devices": devices,
  "intake-gaps": gaps,
  "intake-refused": refused,
  "intake-noticed": noticed,
};
const mounted = new Map();

function look() {
  for (const [ground, end] of mounted) {
    if (!ground.isConnected) {
      mounted.delete(ground);
      end?.();
    }
  }
  for (const ground of document.querySelectorAll("[data-ops]")) {
    const widget = WIDGETS[ground.dataset.ops];
    if (widget && !mounted.has(ground)) mounted.set(ground, widget(ground));
  }
}

new MutationObserver(look).observe(document.getElementById("react-entry-point"), { childList: true, subtree: true });
look();
connect();
