"""A headless Chromium that a test talks to through two pipes, and what it asks the network for."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FOUND = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# As root it starts only without its sandbox; it is shown nothing but our own pages.
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    # Whatever a page asks for ends here; that it has asked is seen all the same.
    "--proxy-server=http://127.0.0.1:9",
)
PATIENCE = 60.0


class Chromium:
    """One page of one browser. Every method waits until it is done."""

    def __init__(self, folder: Path) -> None:
        assert FOUND is not None
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser reads its commands from descriptor 3 and answers on 4.
        wiring = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        profile = f"--user-data-dir={folder}"
        self._process = subprocess.Popen(
            ["bash", "-c", wiring, "chromium", FOUND, *QUIET, profile, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number = 0
        self._session: str | None = None
        self._rest = b""
        self._events: deque[dict[str, Any]] = deque()
        self.requests: list[str] = []
        self.troubles: list[str] = []

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _wait_for(self, event: str) -> None:
        while True:
            message = self._events.popleft() if self._events else self._next()
            if message.get("method") == event:
                return

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has gone"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.troubles.append(params["exceptionDetails"]["text"])
        elif method == "Log.entryAdded":
            self.troubles.append(params["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append(params["message"])

    def open(self, path: Path) -> float:
        """Show a file; the seconds that it took until it was there as a whole."""
        self._events.clear()
        begin = time.monotonic()
        self.call("Page.navigate", url=path.as_uri())
        self._wait_for("Page.loadEventFired")
        self.look("document.body.getBoundingClientRect().height")
        return time.monotonic() - begin

    def look(self, expression: str) -> Any:
        """The value of an expression on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """What the elements say that can be seen."""
        seen = f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.offsetParent)"
        found: list[str] = self.look(f"{seen}.map(e => e.textContent)")
        return found

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of an element."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.look(f"{element}.scrollIntoView({{block: 'center'}})")
        box = self.look(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])({element}.getBoundingClientRect())"
        )
        at = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def write(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(
        self, path: Path, *, width: int = 1100, height: int = 900, scheme: str = "light"
    ) -> None:
        """A picture of the top of the page."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self, path: Path) -> None:
        """The page as it would be printed, as PDF."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF")["data"]))
