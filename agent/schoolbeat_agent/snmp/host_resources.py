"""Processor, memory and storage by HOST-RESOURCES-MIB (RFC 2790) and, where net-snmp answers, UCD-SNMP-MIB."""

from __future__ import annotations

from typing import Final

from schoolbeat_agent.snmp.columns import Columns, text
from schoolbeat_agent.snmp.rows import Rows

PROCESSOR_LOAD: Final = "1.3.6.1.2.1.25.3.3.1.2"
STORAGE: Final = "1.3.6.1.2.1.25.2.3.1"
TYPE, DESCR, UNITS, SIZE, USED = (f"{STORAGE}.{column}" for column in (2, 3, 4, 5, 6))
RAM: Final = "1.3.6.1.2.1.25.2.1.2"
FIXED_DISK: Final = "1.3.6.1.2.1.25.2.1.4"
CACHES: Final = ("memory buffers", "cached memory")  # net-snmp counts them as used, and they are given back when asked

MEMORY: Final = "1.3.6.1.4.1.2021.4"
TOTAL, FREE, BUFFERS, CACHED, AVAILABLE = (f"{MEMORY}.{part}.0" for part in (5, 6, 14, 15, 27))  # kilobytes

WALKS: Final = (PROCESSOR_LOAD, TYPE, DESCR, UNITS, SIZE, USED)
GETS: Final = (TOTAL, FREE, BUFFERS, CACHED, AVAILABLE)
MOVING: Final = (PROCESSOR_LOAD, SIZE, USED)  # asked each round; the rest is remembered


def readings(rows: Rows, subject: str) -> dict[tuple[str, str], float]:
    columns = Columns(rows)
    found = {
        "cpu_percent": processor_percent(columns),
        "memory_used_percent": net_snmp_memory_percent(rows) or memory_percent(columns),
        "storage_used_percent": storage_percent(columns),
    }
    return {(subject, reading): value for reading, value in found.items() if value is not None}


def processor_percent(columns: Columns) -> float | None:
    """The mean over the processors; None where one of them says something impossible."""
    loads = [value for value in columns.column(PROCESSOR_LOAD).values() if isinstance(value, int)]
    return sum(loads) / len(loads) if loads and all(0 <= load <= 100 for load in loads) else None


def net_snmp_memory_percent(rows: Rows) -> float | None:
    """What programs hold, without what the kernel would give back."""
    told = {oid: value for oid in GETS if isinstance(value := rows.get(oid), int) and value >= 0}
    if not told.get(TOTAL) or FREE not in told:
        return None
    free = told.get(AVAILABLE) or told[FREE] + told.get(BUFFERS, 0) + told.get(CACHED, 0)
    return 100 * (1 - free / told[TOTAL]) if free <= told[TOTAL] else None


def memory_percent(columns: Columns) -> float | None:
    ram = _of_type(columns, RAM)
    kept = sum(
        used
        for index, descr in columns.column(DESCR).items()
        if text(descr).lower() in CACHES
        for _, used in [_bytes(columns, index) or (0, 0)]
    )
    return _percent(ram, kept)


def storage_percent(columns: Columns) -> float | None:
    """Of all fixed disks together."""
    return _percent(_of_type(columns, FIXED_DISK), 0)


def _of_type(columns: Columns, kind: str) -> list[tuple[int, int]]:
    """(size, used) in bytes, of those rows that make sense."""
    indices = [index for index, value in columns.column(TYPE).items() if value == kind]
    return [found for index in indices if (found := _bytes(columns, index)) is not None]


def _bytes(columns: Columns, index: str) -> tuple[int, int] | None:
    units, size, used = (columns.at(column, index) for column in (UNITS, SIZE, USED))
    if not (isinstance(units, int) and isinstance(size, int) and isinstance(used, int)):
        return None
    # Larger than 2^31 units, sizes come out negative.
    return (units * size, units * used) if units > 0 and size > 0 and 0 <= used <= size else None


def _percent(rows: list[tuple[int, int]], given_back: int) -> float | None:
    size, used = sum(size for size, _ in rows), sum(used for _, used in rows)
    return 100 * max(used - given_back, 0) / size if size else None
