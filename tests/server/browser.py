"""A real browser, driven over its debugging pipe: opens a page, evaluates scripts, keeps every complaint of its console."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Its path. In CI its absence fails; elsewhere the test is skipped."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        text = "no Chromium: `apt-get install chromium`"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return found


class Browser:
    """One browser with one page. complaints: uncaught errors, console errors, refused loads, policy violations."""

    def __init__(self, process: subprocess.Popen[bytes], to_browser: int, from_browser: int) -> None:
        self._process, self._out, self._in = process, to_browser, from_browser
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self._loaded: set[str] = set()  # loader ids: a page that is still arriving is not taken for the one asked for
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, url: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Returns when the page and its parts are loaded."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=scheme)
        for _ in range(10):  # the page before may still be arriving, or reload itself just now
            if self._navigate(url):
                return
        raise AssertionError(f"other pages came in place of {url}")

    def _navigate(self, url: str) -> bool:
        """False: another page than this one was loaded."""
        before = set(self._loaded)
        answer = self._call("Page.navigate", url=url)
        loader = answer.get("loaderId")
        if answer.get("errorText") == "net::ERR_ABORTED":
            return False
        if loader is not None:  # None: only the fragment changed
            self._wait(lambda: self._loaded - before, "the page did not load")
        return loader is None or loader in self._loaded

    def evaluate(self, script: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 20) -> None:
        self._wait(lambda: bool(self.evaluate(script)), f"never true: {script}", seconds)

    def press(self, key: str, code: int) -> None:
        text = {"text": "\r"} if key == "Enter" else {}  # without it no form is sent
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def screenshot(self, path: Path) -> None:
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _wait(self, done: Any, complaint: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, complaint
            self._read(0.05)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        ident = self._count
        message: dict[str, Any] = {"id": ident, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for answer in self._read(0.5):
                if answer.get("id") == ident:
                    assert "error" not in answer, (method, answer["error"])
                    result: dict[str, Any] = answer["result"]
                    return result
        raise AssertionError(f"the browser did not answer {method}; it is {self._process.poll()}")

    def _read(self, wait_seconds: float) -> list[dict[str, Any]]:
        if select.select([self._in], [], [], wait_seconds)[0]:
            self._buffer += os.read(self._in, 1 << 20)
        *whole, self._buffer = self._buffer.split(b"\0")
        found = [json.loads(one) for one in whole]
        for message in found:
            self._notice(message.get("method"), message.get("params", {}))
        return found

    def _notice(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded.add(params["loaderId"])
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


# The browser reads its commands from descriptor 3 and answers on 4.
_ON_THREE_AND_FOUR = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.closerange(5, 64)
os.execv(sys.argv[3], sys.argv[3:])
"""


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Browser]:
    to_browser, ours_in = os.pipe(), os.pipe()
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--remote-debugging-pipe",
        f"--user-data-dir={folder}",
    ]
    commands, answers = str(to_browser[0]), str(ours_in[1])
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_THREE_AND_FOUR, commands, answers, chromium(), *arguments],
        pass_fds=(to_browser[0], ours_in[1]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_browser[0])
    os.close(ours_in[1])
    try:
        yield Browser(process, to_browser[1], ours_in[0])
    finally:
        _end(process)
        os.close(to_browser[1])
        os.close(ours_in[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """The browser and its children are one session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(10)


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of a real web server on loopback."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < end, "the web server did not start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.context.live.close()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the web server did not stop"
