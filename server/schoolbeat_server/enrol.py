"""Agents come and go: credentials made once and shown once, only their hash kept; history outlives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.credentials import Account, agent_account, agent_user_name, hash_password, new_password
from schoolbeat_server.database import writing
from schoolbeat_server.said import Said
from schoolbeat_wire import bounds

ROLES = ("gateway", "classroom")


class EnrolError(ValueError):
    """The agent cannot be added or removed; `said` tells why and what to do."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


@dataclass(frozen=True)
class Credentials:
    username: str  # "{site}.{agent}"
    password: str = field(repr=False)


def add_agent(
    engine: Engine,
    site: str,
    name: str = "gateway",
    role: str = "gateway",
    *,
    now_ms: int,
    simulated: bool = False,
    replace_password: bool = False,
    make_password: Callable[[], str] = new_password,
) -> Credentials:
    """Raises EnrolError: unknown site, a name or role that is not allowed, or an agent that is there already
    (unless replace_password: then only its password is new)."""
    _check_names(site, name, role)
    password = make_password()
    values = {
        "site": site,
        "name": name,
        "role": role,
        "password_hash": hash_password(password),
        "created_ms": now_ms,
        "simulated": simulated,
        "issued_ms": now_ms,
    }
    with writing(engine) as connection:
        _check_site(connection, site)
        if _is_there(connection, site, name):
            if not replace_password:
                raise EnrolError(
                    f"tác tử {name} của điểm trường {site} đã có; dùng --replace để cấp mật khẩu mới",
                    f"agent {name} of site {site} is there already; --replace gives it a new password",
                )
            change = update(schema.agent).where(schema.agent.c.site == site, schema.agent.c.name == name)
            connection.execute(change.values(password_hash=values["password_hash"], role=role, issued_ms=now_ms))
        else:
            connection.execute(insert(schema.agent).values(values))
    return Credentials(agent_user_name(site, name), password)


def remove_agent(engine: Engine, site: str, name: str, *, now_ms: int) -> None:
    """It may no longer connect, and owns its signals no longer. What it reported stays. Raises EnrolError."""
    with writing(engine) as connection:
        if not _is_there(connection, site, name):
            raise EnrolError(
                f"không có tác tử {name} ở điểm trường {site}; xem 'schoolbeat-server agent list'",
                f"there is no agent {name} at site {site}; see 'schoolbeat-server agent list'",
            )
        connection.execute(delete(schema.agent).where(schema.agent.c.site == site, schema.agent.c.name == name))
        owner = schema.owner
        ends = func.max(owner.c.from_minute, now_ms // 60_000)
        held = (owner.c.site == site, owner.c.agent == name, owner.c.to_minute.is_(None))
        connection.execute(update(owner).where(*held).values(to_minute=ends))


def accounts(connection: Connection) -> list[Account]:
    """What the managed broker must know of every agent in the table."""
    table = schema.agent
    rows = connection.execute(select(table.c.site, table.c.name, table.c.password_hash).order_by(table.c.site))
    return [replace(agent_account(site, name, ""), password_hash=digest) for site, name, digest in rows]


def _check_names(site: str, name: str, role: str) -> None:
    for vi, en, value in (("điểm trường", "site", site), ("tên tác tử", "agent name", name)):
        if not bounds.NAME.fullmatch(value):
            raise EnrolError(
                f"{vi} {value!r}: cần 1-40 ký tự gồm a-z, 0-9 và - ở giữa",
                f"{en} {value!r}: allowed are 1-40 of a-z, 0-9 and inner hyphens",
            )
    if role not in ROLES:
        allowed = " | ".join(ROLES)
        raise EnrolError(f"vai trò {role!r}: cần {allowed}", f"role {role!r}: allowed is {allowed}")


def _check_site(connection: Connection, site: str) -> None:
    if connection.scalar(select(schema.site.c.id).where(schema.site.c.id == site)) is None:
        raise EnrolError(
            f"sổ đăng ký không có điểm trường {site!r}; hãy nạp bằng 'schoolbeat-server register load TỆP'",
            f"the register has no site {site!r}; load it with 'schoolbeat-server register load PATH'",
        )


def _is_there(connection: Connection, site: str, name: str) -> bool:
    query = select(schema.agent.c.name).where(schema.agent.c.site == site, schema.agent.c.name == name)
    return connection.scalar(query) is not None
