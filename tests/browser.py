"""A real browser without a window, spoken to over a pipe: what it loads, what it complains of, how a page lies."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-dev-shm-usage", "--remote-debugging-pipe")  # fmt: skip


class Browser:
    """One tab. Every command waits for its answer; what happens meanwhile is kept in `events`."""

    def __init__(self, to: int, answers: int) -> None:
        self.to, self.answers, self.rest, self.number = to, answers, b"", 0
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the DevTools protocol and give what it answers."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        """The next message."""
        while b"\0" not in self.rest:
            piece = os.read(self.answers, 1 << 16)
            assert piece, "the browser ended"
            self.rest += piece
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, width: int = 1440, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Show a page from disk and wait until all of it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[theme])
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())

    def value(self, script: str) -> Any:
        """What an expression is on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def looks_wrong(self) -> list[str]:
        """What cannot be read, or sticks out of the window (tests/browser.js)."""
        script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        return self.value(f"(() => {{ {script}; return [...page.weak(), ...page.stickingOut()]; }})()")

    def complaints(self) -> list[str]:
        """What the page was told off for: errors, warnings, failed loads."""
        told = []
        for event in self.events:
            method, what = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                told.append(what["exceptionDetails"]["text"])
            if method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
                told.append(str(what["args"]))
            if method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                told.append(what["entry"]["text"])
            if method == "Network.loadingFailed":
                told.append(what["errorText"])
        return told

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with the block."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        read, to = os.pipe()
        answers, write = os.pipe()
        command = f'exec "$@" 3<&{read} 4>&{write}'  # where the browser looks for the pipe
        started = subprocess.Popen(
            ["bash", "-c", command, "bash", str(BROWSER), *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        try:
            yield Browser(to, answers)
        finally:
            started.terminate()
            started.wait(timeout=30)
            os.close(to)
            os.close(answers)
