"""A new agent.toml from what `schoolbeat-server agent add` printed: pasted whole, or asked for line by line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schoolbeat_agent.settings import Settings, build
from schoolbeat_agent.settings_keys import SECTIONS
from schoolbeat_agent.setup import files
from schoolbeat_agent.setup.desk import Desk
from schoolbeat_agent.texts import Text

PASTED_LINES: Final = 40
TOP: Final = ("site", "agent", "role", "server")

_PASTE = Text(
    "Dán các dòng mà `schoolbeat-server agent add` đã in ra (từ site = … đến password = …), hoặc gõ mã điểm trường",
    "Paste what `schoolbeat-server agent add` printed (from site = … to password = …), or type the site's name",
)
_NOT_PASTED = Text(
    'các dòng site = "…", [broker], host = "…", password = "…"; hoặc chỉ mã điểm trường (a-z, 0-9, -)',
    'the lines site = "…", [broker], host = "…", password = "…"; or the site\'s name alone (a-z, 0-9, -)',
)
_HOST = Text("Máy môi giới (tên hoặc địa chỉ)", "Broker (name or address)")
_PORT = Text("Cổng của máy môi giới (0: cổng chuẩn)", "Port of the broker (0: the usual one)")
_TLS = Text("Kết nối được mã hóa (TLS)?", "Is the connection encrypted (TLS)?")
_SERVER = Text("Mã máy chủ (để trống: máy chủ đầu tiên trả lời)", "The server's id (empty: the first that answers)")
_AGENT = Text("Tên tác tử", "Name of the agent")
_CLASSROOM = Text(
    "Đây là máy trong phòng học (không phải thiết bị cổng của trường)?",
    "Is this a computer in a classroom (not the school's gateway)?",
)
_GATEWAY = Text(
    "Địa chỉ IPv4 của thiết bị cổng, ví dụ 192.168.1.5 (để trống: không hỏi nó)",
    "The gateway's IPv4 address, such as 192.168.1.5 (empty: it is not asked)",
)
_PASSWORD = Text("Mật khẩu của tác tử (không hiện khi gõ)", "The agent's password (not shown)")


@dataclass(frozen=True)
class Enrolled:
    """settings: as they will be. texts: the files to write, by name."""

    settings: Settings
    texts: dict[str, str]


def enrol(desk: Desk, config: Path) -> Enrolled:
    """SettingsError where what was said does not make an agent.toml."""
    found = _asked(desk)
    broker: dict[str, Any] = dict(found.get("broker", {}))
    password = str(broker.pop("password", ""))
    if not password:
        password = desk.secret("broker_password", _PASSWORD.say(desk.language))
    top = {name: found[name] for name in TOP if found.get(name)} | {"language": desk.language}
    settings = build(top | {"broker": broker | {"password": password}}, config.with_name("agent.toml.new"))
    broker["password_file"] = files.PASSWORD
    sections = {"broker": broker, "classroom": found.get("classroom") or _gateway(desk, settings)}
    texts = {files.PASSWORD: password + "\n", config.name: files.agent_toml(top, sections)}
    return Enrolled(settings, texts)


def _gateway(desk: Desk, settings: Settings) -> dict[str, str]:
    if settings.role != "classroom":
        return {}
    gateway = desk.line("gateway", _GATEWAY.say(desk.language), "", _of("classroom", "gateway"))
    return {"gateway": gateway} if gateway else {}


def _asked(desk: Desk) -> dict[str, Any]:
    say = desk.language
    pasted: dict[str, Any] = {}

    def site_or_pasted(typed: str) -> str:
        pasted.clear()
        if "=" in typed:
            pasted.update(_pasted(desk, typed))
            return str(pasted["site"])
        return _of("", "site")(typed)

    site = desk.line("site", _PASTE.say(say), "", site_or_pasted)
    if pasted:
        return pasted
    broker: dict[str, Any] = {"host": desk.line("host", _HOST.say(say), "", _of("broker", "host"))}
    port = int(desk.line("port", _PORT.say(say), "0", _number("broker", "port")))
    if port:
        broker["port"] = port
    broker["tls"] = desk.yes("tls", _TLS.say(say), True)
    server = desk.line("server", _SERVER.say(say), "", _of("", "server"))
    classroom = desk.yes("classroom", _CLASSROOM.say(say), False)
    agent = desk.line("agent", _AGENT.say(say), "gateway" if not classroom else "", _of("", "agent"))
    role = "classroom" if classroom else "gateway"
    return {"site": site, "agent": agent, "role": role, "server": server, "broker": broker}


def _pasted(desk: Desk, first: str) -> dict[str, Any]:
    """The rest of what a terminal pastes comes as lines; the password is the last of them."""
    lines = first.split("\n") if "\n" in first else [first]
    while not lines[-1].lstrip().startswith("password") and len(lines) < PASTED_LINES:
        lines.append(desk.line("pasted", "", "", str))
    try:
        found = tomllib.loads("\n".join(lines))
        build(found, Path("agent.toml.new"))
    except ValueError as error:  # TOML's, and ours
        why = _NOT_PASTED.say(desk.language)
        raise ValueError(f"{why} ({error})") from None
    return found


def _of(section: str, name: str) -> Callable[[str], str]:
    key = next(key for key in SECTIONS[section] if key.name == name)

    def check(typed: str) -> str:
        try:
            return str(key.parse(typed))
        except (ValueError, TypeError):
            raise ValueError(f"{key.allowed.vi} / {key.allowed.en}") from None

    return check


def _number(section: str, name: str) -> Callable[[str], str]:
    key = next(key for key in SECTIONS[section] if key.name == name)

    def check(typed: str) -> str:
        try:
            return str(int(typed) and key.parse(int(typed)))
        except (ValueError, TypeError):
            raise ValueError(f"{key.allowed.vi} / {key.allowed.en}") from None

    return check
