"""The system group of SNMPv2-MIB (RFC 3418): what the device says it is, and since when it runs."""

from __future__ import annotations

from typing import Final, NamedTuple

from schoolbeat_agent.snmp.columns import text
from schoolbeat_agent.snmp.rows import Rows

SYS_DESCR: Final = "1.3.6.1.2.1.1.1.0"
SYS_OBJECT_ID: Final = "1.3.6.1.2.1.1.2.0"
SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
ENGINE_TIME: Final = "1.3.6.1.6.3.10.2.1.3.0"  # snmpEngineTime (RFC 3411), seconds
HOST_UPTIME: Final = "1.3.6.1.2.1.25.1.1.0"  # hrSystemUptime (RFC 2790), hundredths of a second
# The first that a device has; the number makes hundredths of a second of it.
UPTIMES: Final = {SYS_UPTIME: 1, ENGINE_TIME: 100, HOST_UPTIME: 1}
ASKED: Final = (SYS_DESCR, SYS_OBJECT_ID, *UPTIMES)


class System(NamedTuple):
    """descr, object_id: "" where it does not say. uptime_oid: "" where it has none; uptime: hundredths of a second."""

    descr: str
    object_id: str
    uptime_oid: str
    uptime: int | None


def parse(rows: Rows) -> System:
    object_id = rows.get(SYS_OBJECT_ID)
    uptime_oid = next((oid for oid in UPTIMES if uptime(rows, oid) is not None), "")
    return System(
        text(rows.get(SYS_DESCR)),
        object_id if isinstance(object_id, str) and object_id != "0.0" else "",
        uptime_oid,
        uptime(rows, uptime_oid),
    )


def uptime(rows: Rows, oid: str) -> int | None:
    """Hundredths of a second."""
    value = rows.get(oid)
    return value * UPTIMES[oid] if isinstance(value, int) and 0 <= value < 2**32 else None
