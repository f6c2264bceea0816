"""A headless Chromium, driven by chromedriver over plain HTTP: https://www.w3.org/TR/webdriver2/ and its logs."""

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from tradingmesh.cli.up_ports import counted_from

HOST = "127.0.0.1"
WAIT_S = 60.0
LOOK_EVERY_S = 0.1
LOOK_AROUND_EVERY_S = 1.0
ANSWER_S = 60.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """One browser with one tab, and a profile that nobody used before. `close` ends it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._port = next(counted_from(0))
        with (folder / "chromedriver.log").open("wb") as log:
            self._driver = subprocess.Popen(["chromedriver", f"--port={self._port}"], stdout=log, stderr=log)
        self._http = requests.Session()
        self._strangers: set[str] = set()
        self._look_around_at_s = 0.0
        try:
            self.wait(self._is_ready, "chromedriver to answer")
            options = {"args": [*FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1440,1000"]}
            asked = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            told = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        except BaseException:
            self._driver.kill()
            self._driver.wait()
            raise
        self._session = f"/session/{told['sessionId']}"

    def open(self, url: str) -> None:
        """Loads the page."""
        self._command("url", {"url": url})

    def reload(self) -> None:
        """Loads it again."""
        self._command("refresh", {})

    def run(self, script: str) -> Any:
        """What the script returns, as JSON has it."""
        return self._command("execute/sync", {"script": script, "args": []})

    def text(self, element: str) -> str:
        """What the element of that id shows."""
        return str(self.run(f"return document.getElementById('{element}').innerText"))

    def console(self) -> list[str]:
        """What the console said since the last time."""
        return [line["message"] for line in self._command("se/log", {"type": "browser"})]

    def requested(self) -> set[str]:
        """The addresses that were requested since the last time, but for what the browser has itself."""
        messages = [json.loads(line["message"])["message"] for line in self._command("se/log", {"type": "performance"})]
        urls = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
        return {url for url in urls if not url.startswith(("chrome://", "data:"))}

    def strangers(self) -> set[str]:
        """Whoever outside this machine the browser was seen connected to, at any look."""
        self._look_around()
        return self._strangers

    def screenshot(self, path: Path, scheme: str = "light") -> None:
        """The whole page as a picture, in the light or the dark scheme."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self._devtools("Emulation.setEmulatedMedia", media)
        data = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def wait(self, condition: Callable[[], object], what: str, within_s: float = WAIT_S) -> None:
        """Looks until the condition holds. Fails after `within_s`."""
        began_s = time.monotonic()
        while not condition():
            assert time.monotonic() - began_s < within_s, f"not within {within_s:g} s: {what}"
            if time.monotonic() >= self._look_around_at_s:
                self._look_around()
            time.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """Ends the browser and its driver."""
        try:
            self._ask("DELETE", self._session)
        finally:
            self._http.close()
            self._driver.kill()
            self._driver.wait()

    def _look_around(self) -> None:
        self._look_around_at_s = time.monotonic() + LOOK_AROUND_EVERY_S
        driver = psutil.Process(self._driver.pid)
        for process in [driver, *driver.children(recursive=True)]:
            try:
                found = process.net_connections("inet")
            except psutil.Error:
                continue  # it has just ended
            self._strangers |= {one.raddr.ip for one in found if one.raddr} - {HOST, "::1", "::ffff:127.0.0.1"}

    def _is_ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except requests.ConnectionError:
            return False

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._command("goog/cdp/execute", {"cmd": command, "params": parameters})

    def _command(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", f"{self._session}/{path}", body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, f"http://{HOST}:{self._port}{path}", json=body, timeout=ANSWER_S)
        assert answer.ok, answer.text
        return answer.json()["value"]
