"""A headless Chromium for tests, controlled with the WebDriver protocol over HTTP."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = [
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
]
DIRECT = build_opener(ProxyHandler({}))  # the driver is local: ignore the proxies of the environment
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of a reference to an element
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012", "ArrowRight": "\ue014"}


class Browser:
    """A session of a running chromedriver."""

    def __init__(self, address: str, profile: Path):
        options = {"binary": CHROMIUM, "args": [*(f"--{flag}" for flag in FLAGS), f"--user-data-dir={profile}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
        self._address = f"{address}/session"
        answer = self._ask("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._address += f"/{answer['sessionId']}"

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        with DIRECT.open(Request(self._address + path, data, method=method), timeout=120) as response:
            return json.load(response)["value"]

    def open(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs JavaScript, the body of a function, and returns its result."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def click(self, selector: str) -> None:
        element = self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._ask("POST", f"/element/{element}/click", {})

    def press(self, *keys: str) -> None:
        strokes = [{"type": kind, "value": KEYS[key]} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the page, which can be smaller than a window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", size)

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self, kind: str) -> list[str]:
        """Messages since the last call: from the console ("browser"), or from devtools as JSON ("performance")."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": kind})]

    def quit(self) -> None:
        self._ask("DELETE", "")


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Opens a browser with an empty profile, and closes it at the end of the block."""
    driver = subprocess.Popen([CHROMEDRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        started = next(filter(None, (re.search(r"successfully on port (\d+)", line) for line in driver.stdout)))
        browser = Browser(f"http://127.0.0.1:{started[1]}", profile)
        try:
            yield browser
        finally:
            browser.quit()
    finally:
        driver.terminate()
        driver.wait()
        driver.stdout.close()
