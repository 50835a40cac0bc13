"""Ports by IF-MIB (RFC 2863): ifTable and ifXTable, as devices really fill them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.snmp.columns import TEXT_BYTES
from schoolbeat_agent.snmp.rates import Count, PortSample, Stamp
from schoolbeat_agent.snmp.rows import Rows
from schoolbeat_agent.snmp.subject import below

IF_TABLE, IFX_TABLE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
IF_DESCR: Final = f"{IF_TABLE}.2"
IF_TYPE: Final = f"{IF_TABLE}.3"
IF_SPEED: Final = f"{IF_TABLE}.5"
IF_OPER_STATUS: Final = f"{IF_TABLE}.8"
IF_IN_OCTETS: Final = f"{IF_TABLE}.10"
IF_IN_DISCARDS: Final = f"{IF_TABLE}.13"
IF_IN_ERRORS: Final = f"{IF_TABLE}.14"
IF_OUT_OCTETS: Final = f"{IF_TABLE}.16"
IF_OUT_DISCARDS: Final = f"{IF_TABLE}.19"
IF_OUT_ERRORS: Final = f"{IF_TABLE}.20"
IF_NAME: Final = f"{IFX_TABLE}.1"
IF_HC_IN_OCTETS: Final = f"{IFX_TABLE}.6"
IF_HC_OUT_OCTETS: Final = f"{IFX_TABLE}.10"
IF_HIGH_SPEED: Final = f"{IFX_TABLE}.15"
IF_ALIAS: Final = f"{IFX_TABLE}.18"
IF_DISCONTINUITY: Final = f"{IFX_TABLE}.19"

# ifNumber and ifTableLastChange: when one of them changes, ports came or went.
SHAPE: Final = ("1.3.6.1.2.1.2.1.0", "1.3.6.1.2.1.31.1.5.0")
CALLED: Final = (IF_NAME, IF_DESCR)
NAMES: Final = (*CALLED, IF_OPER_STATUS)  # by which a device's ports are found
TRAFFIC: Final = (
    IF_SPEED,
    IF_HIGH_SPEED,
    IF_DISCONTINUITY,
    IF_HC_IN_OCTETS,
    IF_HC_OUT_OCTETS,
    IF_IN_OCTETS,
    IF_OUT_OCTETS,
)
ERRORS: Final = (IF_IN_ERRORS, IF_OUT_ERRORS)
DISCARDS: Final = (IF_IN_DISCARDS, IF_OUT_DISCARDS)
TABLE: Final = (*NAMES, IF_TYPE, IF_ALIAS, *TRAFFIC, *ERRORS, *DISCARDS)  # everything that is known here

UP: Final = 1
STATUSES: Final = {
    1: "up",
    2: "down",
    3: "testing",
    4: "unknown",
    5: "dormant",
    6: "notPresent",
    7: "lowerLayerDown",
}
SPEED_STUCK: Final = 2**32 - 1  # "ifHighSpeed must be used"
SPEED_MOST_BPS: Final = 10**12
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Port:
    """A row of the tables. None, or "": the device does not tell."""

    index: int
    name: str = ""
    descr: str = ""
    alias: str = ""
    type: int | None = None
    status: str = ""
    speed_bps: int | None = None
    rx: Count | None = None
    tx: Count | None = None
    rx_errors: int | None = None
    tx_errors: int | None = None
    rx_discards: int | None = None
    tx_discards: int | None = None

    @property
    def called(self) -> str:
        """As people find it on the device; "if12" for one without a name."""
        return self.name or self.descr or f"if{self.index}"


def decoded(value: object) -> str:
    """A name as the device means it: UTF-8, or else one byte a letter; no control characters."""
    if not isinstance(value, bytes):
        return ""
    cut = value[:TEXT_BYTES].rstrip(b"\0")
    try:
        plain = cut.decode("utf-8")
    except UnicodeDecodeError:
        plain = cut.decode("latin-1")
    return _CONTROL.sub(" ", plain).strip()


def parse(rows: Rows) -> tuple[Port, ...]:
    """Every row of which anything is told, by index."""
    return tuple(_port(rows, index) for index in indices(rows))


def indices(rows: Rows) -> list[int]:
    """ifIndex of every row: a number of up to 31 bits, not a position."""
    roots = tuple(f"{root}." for root in (IF_TABLE, IFX_TABLE))
    found = set()
    for oid in rows:
        if oid.startswith(roots):
            column, _, index = oid[len(IF_TABLE if oid.startswith(roots[0]) else IFX_TABLE) + 1 :].partition(".")
            if index.isdigit() and column.isdigit():
                found.add(int(index))
    return sorted(found)


def _port(rows: Rows, index: int) -> Port:
    def whole(column: str) -> int | None:
        value = rows.get(f"{column}.{index}")
        return value if isinstance(value, int) else None

    rx, tx = counts(rows, index)
    return Port(
        index,
        decoded(rows.get(f"{IF_NAME}.{index}")),
        decoded(rows.get(f"{IF_DESCR}.{index}")),
        decoded(rows.get(f"{IF_ALIAS}.{index}")),
        whole(IF_TYPE),
        STATUSES.get(whole(IF_OPER_STATUS) or 0, ""),
        speed_bps(whole(IF_SPEED), whole(IF_HIGH_SPEED)),
        rx,
        tx,
        whole(IF_IN_ERRORS),
        whole(IF_OUT_ERRORS),
        whole(IF_IN_DISCARDS),
        whole(IF_OUT_DISCARDS),
    )


def called(rows: Rows, index: int) -> str:
    """What the port of this index is called in the rows."""
    return _port(rows, index).called


def speed_bps(if_speed: int | None, if_high_speed: int | None) -> int | None:
    """None where the device does not know: 0, or ifSpeed at its end without ifHighSpeed."""
    if if_high_speed and 0 < if_high_speed * 10**6 <= SPEED_MOST_BPS:
        fits = if_speed is not None and if_speed // 10**6 == if_high_speed  # ifSpeed is finer, where it can say it
        return if_speed if fits else if_high_speed * 10**6
    return if_speed if if_speed is not None and 0 < if_speed < SPEED_STUCK else None


def counts(rows: Rows, index: int) -> tuple[Count | None, Count | None]:
    """Octets received and sent: of 64 bits where the device has them, of 32 where it only claims to."""
    high = _counts(rows, index, IF_HC_IN_OCTETS, IF_HC_OUT_OCTETS, 64)
    low = _counts(rows, index, IF_IN_OCTETS, IF_OUT_OCTETS, 32)
    claims = all(count is None or count.value == 0 for count in high)
    moves = any(count is not None and count.value > 0 for count in low)
    if claims and moves:
        return low
    return high[0] or low[0], high[1] or low[1]


def _counts(rows: Rows, index: int, rx: str, tx: str, bits: int) -> tuple[Count | None, Count | None]:
    def count(column: str) -> Count | None:
        value = rows.get(f"{column}.{index}")
        return Count(value, bits) if isinstance(value, int) and 0 <= value < 2**bits else None

    return count(rx), count(tx)


def sample(rows: Rows, index: int, at: float, uptime: int | None) -> PortSample:
    """What rates are made of, from rows of one moment."""
    port = _port(rows, index)
    jumped = rows.get(f"{IF_DISCONTINUITY}.{index}")
    return PortSample(Stamp(at, uptime, jumped if isinstance(jumped, int) else None), port.rx, port.tx, port.speed_bps)


def up_count(rows: Rows) -> int | None:
    """Ports whose ifOperStatus is up; None where no port tells its status."""
    told = [value for oid, value in rows.items() if oid.startswith(f"{IF_OPER_STATUS}.")]
    return sum(value == UP for value in told) if told else None


def chosen(ports: Sequence[Port], wanted: Iterable[str], subject: str) -> dict[str, Port]:
    """subject of the port -> the port, of those that the inventory names: by ifName, else ifDescr, else if<ifIndex>.

    The subject carries the inventory's name. Where several are called so, each one's index stands behind it.
    """
    found: dict[str, Port] = {}
    for name in wanted:
        alike = _named(ports, name.strip())
        for port in alike:
            found[below(subject, name.strip() if len(alike) == 1 else f"{name.strip()}-{port.index}")] = port
    return found


def missing(ports: Sequence[Port], wanted: Iterable[str]) -> bool:
    """Whether a name that is wanted is no port's now."""
    return not all(_named(ports, name.strip()) for name in wanted)


def _named(ports: Sequence[Port], name: str) -> list[Port]:
    return (
        [port for port in ports if port.name == name]
        or [port for port in ports if port.descr == name]
        or [port for port in ports if f"if{port.index}" == name]
    )
