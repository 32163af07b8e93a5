# SPDX-License-Identifier: AGPL-3.0-or-later
"""Print how long a value takes from the bus to the painted pixel: `python tests/browser/bench_pixel.py`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

MACHINES = 50
VALUES = 60
WATCH = """
name => {
  window.painted = {};
  const tile = [...document.querySelectorAll('.tile')].find(node => node.textContent.includes(name));
  const value = tile.querySelector('.value');
  new MutationObserver(() => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { window.painted[value.textContent] = performance.timeOrigin + performance.now(); };
    channel.port2.postMessage(0);
  })).observe(value, { childList: true, characterData: true, subtree: true });
}
"""


def fixtures() -> Any:
    """Return the module that makes rooms for the tests beside this file."""
    spec = importlib.util.spec_from_file_location("rooms", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(rooms: Any, browser: Any) -> list[float]:
    """Return the milliseconds from publishing to painting, one for each value that was painted."""
    served = rooms.Served(rooms.MadeUpPlant(MACHINES))
    page = browser.new_page(locale="en-GB", viewport={"width": 1366, "height": 768})
    page.goto(served.url)
    page.locator(".tile", has_text="MK4 00").locator(".value", has_text="W").wait_for()
    page.evaluate(WATCH, "MK4 00")
    sent = {}
    for n in range(VALUES):
        value = 100 + n
        sent[f"{value} W"] = time.time() * 1_000
        served.plant.tell_index(0, "heater_effort_w", float(value))
        for other in range(6, MACHINES, 6):
            served.plant.tell_facts(other, power_w=100.0 + n)
        time.sleep(0.31)
    page.wait_for_timeout(500)
    painted = page.evaluate("window.painted")
    served.close()
    return [painted[text] - at for text, at in sent.items() if text in painted]


def main() -> None:
    """Measure and print."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("chromium is not on PATH: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    rooms = fixtures()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=rooms.ARGS)
        found = sorted(measure(rooms, browser))
        browser.close()
    p95 = found[int(len(found) * 0.95)]
    print(f"bus to pixel, {MACHINES} machines: {len(found)} of {VALUES} values painted, ", end="")
    print(f"median {statistics.median(found):.0f} ms, 95 % {p95:.0f} ms, longest {found[-1]:.0f} ms")


if __name__ == "__main__":
    main()
