"""EMULATED: boards and displays that speak their maker's frames, by the same public descriptions that the agent uses.

In tests `with EmulatedDisplay("samsung-mdc") as display:`; in a laboratory of namespaces
`python emulated_display.py FAMILY ADDRESS [PORT] [--state 1]`.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

PORTS = {
    "samsung-mdc": 1515,
    "benq-board": 4660,
    "viewsonic-board": 5000,
    "maxhub": 4664,
    "benq-projector": 8000,
    "epson-escvp": 3629,
    "lg": 9761,
}
ESCVP_HELLO = b"ESC/VP.net\x10\x03\x00\x00\x00\x00"


@dataclass
class Display:
    """What the emulated display is and how it misbehaves. Tests change it while it runs."""

    family: str = "samsung-mdc"
    id: int = 1
    on: bool = True
    hours: int = 1234
    errors: tuple[str, ...] = ()  # of "lamp", "temperature", "fan"
    source: int = 0x21
    refuses: tuple[str, ...] = ()  # questions it does not know: "power", "hours", "source", "errors"
    hello_code: int = 0x20  # of ESC/VP.net
    locked: bool = False  # Samsung's secured protocol
    prompt: bool = False  # a BenQ projector behind a serial bridge: prompt and echo
    echo: bool = False  # an LG that says the question back
    silent: bool = False
    flood: bool = False
    one_byte_at_a_time: bool = False
    refused_sessions: int = 0  # so many connections are closed at once
    sent_instead: bytes | None = None  # whatever is asked


@dataclass
class Heard:
    """What came in, for the tests."""

    frames: list[bytes] = field(default_factory=list)
    changed: list[bytes] = field(default_factory=list)  # frames that would change something


def _mdc(it: Display, frame: bytes, heard: Heard) -> bytes:
    command, asked_id, length = frame[1], frame[2], frame[3]
    if sum(frame[1:-1]) & 0xFF != frame[-1] or asked_id not in (it.id, 0xFE):
        return b""
    if length:
        heard.changed.append(frame)
    names = {0x11: "power", 0x14: "source", 0x83: "hours", 0x0D: "errors"}
    values = {
        0x11: bytes([it.on]),
        0x14: bytes([it.source]),
        0x83: (it.hours * 6).to_bytes(2, "big"),
        0x0D: bytes(["lamp" in it.errors, "temperature" in it.errors, 0, 0, 41, "fan" in it.errors]),
    }
    known = command in values and names[command] not in it.refuses
    data = (b"A" + bytes([command]) + values[command]) if known else b"N" + bytes([command, 1])
    body = bytes([0xFF, it.id, len(data)]) + data
    return b"\xaa" + body + bytes([sum(body) & 0xFF])


def _nine(it: Display, frame: bytes, heard: Heard) -> bytes:
    own = b"%02d" % it.id
    if frame[1:3] != own:
        return b""
    if frame[3:4] == b"s":
        heard.changed.append(frame)
        return b"4" + own + b"+\r"
    viewsonic = it.family == "viewsonic-board"
    names = {b"l": "power", b"j": "source", b"1" if viewsonic else b"v": "hours"}
    code = frame[4:5]
    if frame[3:4] != b"g" or names.get(code, "") not in {"power", "source", "hours"} - set(it.refuses):
        return b"4" + own + b"-\r"
    if names[code] != "hours":
        value = b"%03d" % (it.on if code == b"l" else it.source)
        return b"8" + own + b"r" + code + value + b"\r"
    if not viewsonic:
        return b":" + own + b"rv%05d\r" % it.hours
    digits = b"%08d" % it.hours
    return b"".join(b"8" + own + b"r1%d" % (n + 1) + digits[2 * n : 2 * n + 2] + b"\r" for n in range(4))


def _maxhub(it: Display, frame: bytes, heard: Heard) -> bytes:
    if frame[3:4] == b"S":
        heard.changed.append(frame)
    return b":01r0%03d\r" % it.on if frame[3:4] == b"G" else b""


def _benq_projector(it: Display, frame: bytes, heard: Heard) -> bytes:
    text = frame.strip().decode("ascii", "replace")
    if not text:
        return b">" if it.prompt else b""
    name, _, value = text.strip("*#").partition("=")
    if value != "?":
        heard.changed.append(frame)
    values = {"pow": "ON" if it.on else "OFF", "ltim": str(it.hours), "modelname": "MX560"}
    if name == "ltim" and not it.on:
        answer = "*Block item#"
    elif name in values and {"pow": "power", "ltim": "hours"}.get(name) not in it.refuses:
        answer = f"*{name.upper()}={values[name]}#"
    else:
        answer = "*Unsupported item#"
    echo = f">{text}\r\n" if it.prompt else ""
    return f"{echo}{answer}\r\n{'>' if it.prompt else ''}".encode()


def _escvp(it: Display, frame: bytes, heard: Heard) -> bytes:
    if frame == ESCVP_HELLO:
        return ESCVP_HELLO[:14] + bytes([it.hello_code, 0])
    text = frame.strip().decode("ascii", "replace")
    if text and not text.endswith("?"):
        heard.changed.append(frame)
    flags = {"fan": "01", "lamp": "06", "temperature": "04"}
    values = {
        "PWR?": ("power", "01" if it.on else "04"),
        "SOURCE?": ("source", f"{it.source:02X}"),
        "LAMP?": ("hours", str(it.hours)),
        "ERR?": ("errors", next((flags[error] for error in it.errors), "00")),
    }
    name, value = values.get(text, ("", ""))
    if not name or name in it.refuses or (not it.on and name == "source"):
        return b"ERR\r:" if text else b":"
    return f"{text[:-1]}={value}\r:".encode()


def _lg(it: Display, frame: bytes, heard: Heard) -> bytes:
    words = frame.strip().decode("ascii", "replace").split(" ")
    if len(words) != 3 or words[1].lower() not in (f"{it.id:02x}", "00"):
        return b""
    if words[2].upper() != "FF":
        heard.changed.append(frame)
    values = {
        "ka": ("power", f"{it.on:02x}"),
        "xb": ("source", f"{it.source:02x}"),
        "dl": ("hours", f"{it.hours:04x}"),
        "dp": ("errors", "00" if "lamp" in it.errors else "01"),
    }
    name, value = values.get(words[0], ("", ""))
    said = f"OK{value}" if name and name not in it.refuses else f"NG{words[2].lower()}"
    return (frame if it.echo else b"") + f"{words[0][1]} {it.id:02x} {said}x".encode()


def _until(end: bytes) -> Callable[[bytes], int]:
    return lambda data: data.find(end) + 1


def _mdc_size(data: bytes) -> int:
    return data[3] + 5 if len(data) > 3 and len(data) >= data[3] + 5 else 0


def _escvp_size(data: bytes) -> int:
    hello = data.startswith(ESCVP_HELLO[:3])
    return (len(ESCVP_HELLO) if len(data) >= len(ESCVP_HELLO) else 0) if hello else data.find(b"\r") + 1


# family -> how long its first whole frame is (0: not whole yet), and what is said to it
SPOKEN: dict[str, tuple[Callable[[bytes], int], Callable[[Display, bytes, Heard], bytes]]] = {
    "samsung-mdc": (_mdc_size, _mdc),
    "benq-board": (_until(b"\r"), _nine),
    "viewsonic-board": (_until(b"\r"), _nine),
    "maxhub": (_until(b"\r"), _maxhub),
    "benq-projector": (_until(b"\r"), _benq_projector),
    "epson-escvp": (_escvp_size, _escvp),
    "lg": (_until(b"\r"), _lg),
}


class EmulatedDisplay:
    """Serves a Display by TCP, one session after another as real ones do, from a thread of its own."""

    def __init__(self, display: Display | str, address: str = "127.0.0.1", port: int = 0) -> None:
        self.display = Display(display) if isinstance(display, str) else display
        self.heard = Heard()
        self.sessions = 0
        self._listener = socket.create_server((address, port), backlog=8)
        self.address, self.port = self._listener.getsockname()[:2]
        self._session: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> EmulatedDisplay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, self._session):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                self._session, _ = self._listener.accept()
            except OSError:
                return
            self.sessions += 1
            with self._session as sock, contextlib.suppress(OSError):
                self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        it = self.display
        if it.refused_sessions:
            it.refused_sessions -= 1
            return
        if it.locked:
            sock.sendall(b"MDCSTART<<TLS>>")
        size_of, answer = SPOKEN[it.family]
        data = b""
        while more := sock.recv(1_024):
            data += more
            while size := size_of(data):
                frame, data = data[:size], data[size:]
                self.heard.frames.append(frame)
                while it.flood:
                    sock.sendall(b"\xaa" * 4_096)
                if not it.silent:
                    self._send(sock, answer(it, frame, self.heard) if it.sent_instead is None else it.sent_instead)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        if not self.display.one_byte_at_a_time:
            return sock.sendall(data)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(data)):
            sock.sendall(data[place : place + 1])
            threading.Event().wait(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(PORTS))
    parser.add_argument("address")
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--state", type=int, default=1, choices=(0, 1))
    parser.add_argument("--id", type=int, default=1)
    options = parser.parse_args()
    display = Display(options.family, id=options.id, on=bool(options.state))
    with EmulatedDisplay(display, options.address, options.port or PORTS[options.family]) as served:
        print(f"emulated {options.family} on {served.address}:{served.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
