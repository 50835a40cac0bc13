"""What is allowed on the wire: sizes, counts, names and times. Checked before anything is believed."""

from __future__ import annotations

import re
from typing import Final

from schoolbeat_wire.errors import WireError

PACKED_BYTES: Final = 256 * 1024  # a report or inventory as it travels
PLAIN_BYTES: Final = 4 * 1024 * 1024  # the same after decompression
SMALL_BYTES: Final = 64 * 1024  # presence, ack, event, command
CONFIG_BYTES: Final = 256 * 1024
MINUTES: Final = 1_440  # in one report
SIGNALS: Final = 1_000  # in one inventory
COLUMNS: Final = 200
SUBJECTS: Final = 1_000  # in one column
VALUES: Final = 500_000  # in one report
PLACES: Final = 4_000_000  # minutes x subjects of one report, where sparse columns are spread out
OFF_MINUTES: Final = 2 * 366 * 1_440  # declared off in one entry
DEVICES: Final = 1_000
INTERFACES: Final = 16  # of a device, whose rates are reported
LESSONS: Final = 70  # hours of lessons in a week's table
EXAM_DAYS: Final = 100
SEQ: Final = 2**40
RANGES: Final = 200  # in one ack or presence
TEXT: Final = 200  # characters of a name people read

FIRST_MINUTE: Final = 26_297_280  # 2020-01-01T00:00Z
LAST_MINUTE: Final = 68_374_080  # 2100-01-01T00:00Z

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
# 96: a Wi-Fi name has up to 32 bytes, each of which may be written %XX
SIGNAL = re.compile(r"[a-z]{1,32}\.[A-Za-z0-9._%-]{1,96}")
SUBJECT = re.compile(r"[a-z]{1,32}(?:\.[A-Za-z0-9._%-]{1,96})?")
DAY = re.compile(r"20\d\d-[01]\d-[0-3]\d")
PROBE = re.compile(r"[a-z][a-z0-9_]{0,31}")
TOKEN = re.compile(r"[0-9a-f]{8,32}")
DIGEST = re.compile(r"[0-9a-f]{64}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # also what reorders text


def name(value: str, thing: str) -> str:
    """A site's or agent's name, as it stands in topics and user names."""
    if not NAME.fullmatch(value):
        raise WireError("name", f"{thing} {value[:60]!r}: allowed are 1-40 of a-z, 0-9 and inner hyphens")
    return value


def matches(pattern: re.Pattern[str], value: str, thing: str) -> str:
    if not pattern.fullmatch(value):
        raise WireError("name", f"{thing} {value[:60]!r}: must match {pattern.pattern}")
    return value


def text(value: str, thing: str) -> str:
    if len(value) > TEXT or CONTROL.search(value):
        raise WireError("text", f"{thing} {value[:60]!r}: at most {TEXT} characters, no control characters")
    return value


def at_most(count: int, limit: int, thing: str) -> None:
    if count > limit:
        raise WireError("count", f"{thing}: {count}, at most {limit} are allowed")


def within(value: int, low: int, high: int, thing: str) -> int:
    if not low <= value <= high:
        raise WireError("range", f"{thing} {str(value)[:40]}: allowed is {low} to {high}")
    return value


def minute(value: int, thing: str = "minute") -> int:
    if not FIRST_MINUTE <= value <= LAST_MINUTE:
        raise WireError("time", f"{thing} {str(value)[:40]}: allowed are the years 2020 to 2099 in minutes since 1970")
    return value


def ranges(pairs: list[tuple[int, int]], thing: str) -> None:
    """Half-open, ascending, not touching: [[0, 10], [12, 20]]."""
    at_most(len(pairs), RANGES, thing)
    last = -1
    for first, end in pairs:
        if not (last < first < end <= SEQ):
            raise WireError("range", f"{thing} [{first}, {end}): must ascend and lie in 0 to {SEQ}")
        last = end
