"""Agents as text for a terminal: the lines to paste into agent.toml, and the list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from schoolbeat_server.enrol import Credentials
from schoolbeat_server.outside_broker import parse_broker_url
from schoolbeat_server.register import Agent
from schoolbeat_server.said import Said
from schoolbeat_server.settings import LOOPBACK, Broker


def added(credentials: Credentials, role: str, broker: Broker, server_id: str, site_key: str, language: str) -> str:
    site, name = credentials.username.split(".")
    address = _address(broker)
    host = address.host
    lines = [
        Said(
            f"Đã thêm tác tử {credentials.username}. Mật khẩu chỉ hiện một lần này; dán vào agent.toml (quyền 0600):",
            f"Agent {credentials.username} is added. Its password is shown once; paste into agent.toml (mode 0600):",
        ).to(language),
        "",
        *_toml(site, name, role, address, server_id, credentials.password),
    ]
    if role == "gateway":
        lines += [
            "",
            Said(
                "Khóa điểm trường, để 'schoolbeat-agent setup' cho thiết bị cũ giữ mã cũ (secrets.toml, quyền 0600):",
                "The site's key, with which 'schoolbeat-agent setup' gives known devices their ids again "
                "(secrets.toml, mode 0600):",
            ).to(language),
            "",
            "[[credential]]",
            'name = "site-key"',
            f'password = "{site_key}"',
        ]
    if host in (*LOOPBACK, "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        lines += [
            "",
            Said(
                f"Thay {host} bằng địa chỉ mà điểm trường dùng để tới máy chủ này.",
                f"Replace {host} by the address under which the site reaches this server.",
            ).to(language),
        ]
    return "\n".join(lines)


class _Address(NamedTuple):
    host: str
    port: int
    tls: bool
    websockets: bool


def _address(broker: Broker) -> _Address:
    if broker.mode != "outside":
        return _Address(broker.bind, broker.port, broker.cert_file is not None, False)
    found = parse_broker_url(broker.url)
    return _Address(found.host, found.port, found.scheme in ("mqtts", "wss"), found.scheme in ("ws", "wss"))


def _toml(site: str, name: str, role: str, address: _Address, server_id: str, password: str) -> list[str]:
    return [
        f'site = "{site}"',
        f'agent = "{name}"',
        f'role = "{role}"',
        f'server = "{server_id}"',
        "",
        "[broker]",
        f'host = "{address.host}"',
        f"port = {address.port}",
        f"tls = {'true' if address.tls else 'false'}",
        *(['transport = "websockets"'] if address.websockets else []),
        f'password = "{password}"',
    ]


def listed(agents: list[Agent], language: str) -> str:
    if not agents:
        return Said(
            "Chưa có tác tử nào. Thêm bằng 'schoolbeat-server agent add ĐIỂM_TRƯỜNG'.",
            "No agent yet. Add one with 'schoolbeat-server agent add SITE'.",
        ).to(language)
    rows = [
        Said("điểm trường\ttác tử\tvai trò\tthêm ngày (UTC)", "site\tagent\trole\tadded (UTC)").to(language).split("\t")
    ]
    rows += [[one.site, one.name, _role(one, language), _day(one.created_ms)] for one in agents]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _role(agent: Agent, language: str) -> str:
    simulated = Said(" (mô phỏng)", " (simulated)").to(language) if agent.simulated else ""
    return agent.role + simulated


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
