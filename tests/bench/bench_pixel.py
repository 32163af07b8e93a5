# SPDX-License-Identifier: AGPL-3.0-or-later
"""Print how long a value takes from a device's MQTT publish to the painted pixel, through the whole demo."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
from playwright.sync_api import sync_playwright

MACHINES, VALUES = 8, 60
DEVICE, PLACE = "mk4-01", "commons/valparaiso/printing/mk4-01"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WATCH = """
() => {
  window.painted = {};
  new MutationObserver(() => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const row = [...document.querySelectorAll('tr')].find(node => node.textContent.includes('probe_count'));
      const found = row && row.innerText.match(/\\b(1\\d\\d)\\b/);
      if (found && !(found[1] in window.painted)) {
        window.painted[found[1]] = performance.timeOrigin + performance.now();
      }
    };
    channel.port2.postMessage(0);
  })).observe(document.body, { childList: true, characterData: true, subtree: true });
}
"""


def main() -> None:
    """Start a demo at speed 1, publish values as a device, and see when each is painted."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        print("skipped: chromium is not on PATH; on Debian: apt-get install chromium")
        return
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--data-dir", folder, "--speed", "1", "--machines", str(MACHINES)]
        command = [sys.executable, "-P", "-m", "deploy.cli", "demo", *options]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=ARGS)
                took = measure(browser, port, json.loads(Path(folder, "broker.json").read_text()))
                browser.close()
        finally:
            child.terminate()
            child.wait()
    took.sort()
    print(
        f"MQTT publish to painted pixel, {MACHINES} machines live: median {statistics.median(took):.0f} ms, "
        f"95 % {took[int(0.95 * len(took)) - 1]:.0f} ms, longest {took[-1]:.0f} ms ({len(took)} of {VALUES} painted)"
    )


def wait_for(url: str) -> None:
    """Return when the URL answers 200."""
    end_s = time.monotonic() + 120
    while time.monotonic() < end_s:
        try:
            if httpx.get(url, timeout=2.0).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{url} did not answer")


def measure(browser: Any, port: int, broker: dict[str, Any]) -> list[float]:
    """Return the milliseconds from publishing to painting, one for each value that was painted."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(broker["username"], broker["password"])
    client.connect(broker["host"], broker["port"])
    client.loop_start()
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"http://127.0.0.1:{port}/machine?place={PLACE}")
    page.get_by_text("nozzle_target_degc").first.wait_for(timeout=30_000)
    page.evaluate(WATCH)
    sent = {}
    for value in range(100, 100 + VALUES):
        body = json.dumps({"v": 1, "m": {"probe_count": value}})
        sent[str(value)] = time.time() * 1000
        client.publish(f"cybersyn/v1/reading/@{DEVICE}", body, qos=1)
        time.sleep(0.41)
    page.wait_for_timeout(1_000)
    painted = page.evaluate("window.painted")
    client.loop_stop()
    client.disconnect()
    return [painted[value] - at for value, at in sent.items() if value in painted]


if __name__ == "__main__":
    main()
