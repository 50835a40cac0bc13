"""The topics `schoolbeat/1/{site}/{agent}/{kind}`."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, cast, get_args

from schoolbeat_wire import bounds
from schoolbeat_wire.errors import WireError

VERSION: Final = "1"
ROOT: Final = "schoolbeat"

Kind = Literal["report", "event", "inventory", "presence", "ack", "config", "command"]
FROM_AGENT: Final[tuple[Kind, ...]] = ("report", "event", "inventory", "presence")
FROM_SERVER: Final[tuple[Kind, ...]] = ("ack", "config", "command")


class Address(NamedTuple):
    """Who a topic belongs to, and what it carries."""

    site: str
    agent: str
    kind: Kind


def topic(site: str, agent: str, kind: Kind) -> str:
    return f"{ROOT}/{VERSION}/{bounds.name(site, 'site')}/{bounds.name(agent, 'agent')}/{kind}"


def parse_topic(text: str) -> Address:
    """WireError 'version' for another protocol version, 'topic' for anything else that is not ours."""
    parts = text.split("/")
    if len(parts) != 5 or parts[0] != ROOT:
        raise WireError("topic", f"topic {text[:120]!r}: expected {ROOT}/{VERSION}/SITE/AGENT/KIND")
    if parts[1] != VERSION:
        raise WireError("version", f"protocol version {parts[1][:20]!r}: this side speaks {VERSION}")
    if parts[4] not in get_args(Kind):
        raise WireError("topic", f"topic kind {parts[4][:40]!r}: allowed are {', '.join(get_args(Kind))}")
    return Address(bounds.name(parts[2], "site"), bounds.name(parts[3], "agent"), cast(Kind, parts[4]))
