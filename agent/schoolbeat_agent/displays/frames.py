"""Families of displays as data: their questions, and how answers are cut and read, in few and fixed words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from schoolbeat_agent.displays import FOLDER, families
from schoolbeat_wire.catalogue import READINGS

PROFILE: Final = re.compile(r"([a-z0-9-]{1,40})(?::(\d{1,3}))?")
TRIM: Final = b" \t\r\n\0>"
VALUE_BYTES: Final = 64

# What a question looks like in each grammar, so that no data file can ever make a device do something.
QUESTIONS: Final[dict[str, Callable[[bytes], bool]]] = {
    "mdc": lambda frame: len(frame) == 5 and frame[0] == 0xAA and frame[3] == 0 and frame[4] == _sum(frame[:4]),
    "nine": lambda frame: frame[3:4] == b"g" and frame.endswith(b"\r"),
    "colon": lambda frame: frame[3:4] == b"G" and frame.endswith(b"\r"),
    "star": lambda frame: bool(re.fullmatch(rb"\r\*[a-z]+=\?#\r", frame)),
    "vp21": lambda frame: bool(re.fullmatch(rb"[A-Z]+\?\r", frame)),
    "lg": lambda frame: bool(re.fullmatch(rb"(ka|xb|dl|dp) [0-9a-f]{2} FF\r", frame)),
}
HELLO: Final = b"ESC/VP.net\x10\x03\0\0\0\0"  # the only thing said that is no question: it opens the conversation


class UnknownFamily(ValueError):
    """The text names those that are known."""


@dataclass(frozen=True)
class Flag:
    """Adds bits where the byte at a place has a value."""

    at: int
    value: int
    adds: int


@dataclass(frozen=True)
class Question:
    """reading: "" where an answer only shows that the device lives.

    send, answer: text with {id2} (two decimal digits) and {idx} (two hexadecimal), or hexadecimal bytes with {id},
    {sum} and ?? (any). value, in what stands behind `answer`: decimal (the highest of several), hex, word, number
    (bytes, the highest first) or flags.
    """

    reading: str
    send: str
    answer: str
    value: str
    source: str
    map: Mapping[str, int] = field(default_factory=dict)
    otherwise: int | None = None
    divide: int = 1
    parts: int = 1
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Hello:
    """What is said before the first question, and where the answer's code stands."""

    send: bytes
    starts: bytes
    bytes: int
    code_at: int
    well: tuple[int, ...]
    locked: tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """One data file. ends: bytes of which each ends a frame; or a length at a place and how much longer a frame is.

    refusals: as answers, in text with * (anything) and ? (one sign).
    """

    name: str
    grammar: str
    port: int
    id: int
    ids: tuple[int, int]
    source: str
    verified: str
    questions: tuple[Question, ...]
    text: bool
    mute_in_standby: bool
    ends: bytes
    starts: bytes
    length_at: int
    beyond: int
    checksum: bool
    refusals: tuple[str, ...]
    locked: bytes
    hello: Hello | None


def split_profile(profile: str) -> tuple[str, int | None]:
    """("samsung-mdc", 3) of "samsung-mdc:3". UnknownFamily."""
    found = PROFILE.fullmatch(profile)
    if not found or found[1] not in families():
        raise UnknownFamily(f"{profile[:60]!r} is none of {', '.join(families())}, each with :id if need be")
    return found[1], int(found[2]) if found[2] else None


@cache
def load(name: str) -> Family:
    """UnknownFamily; KeyError, TypeError or ValueError for a mistake in the data, which a test finds."""
    if name not in families():
        raise UnknownFamily(f"{name[:60]!r} is none of {', '.join(families())}")
    return parse(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")))


def parse(read: dict[str, Any]) -> Family:
    """A data file's content, each question checked to be one."""
    frames = read["frames"]
    family = Family(
        name=read["name"],
        grammar=read["grammar"],
        port=read["port"],
        id=read["id"],
        ids=(read["ids"][0], read["ids"][1]),
        source=read["source"],
        verified=read["verified"],
        questions=tuple(_question(entry) for entry in read["question"]),
        text=read.get("text", False),
        mute_in_standby=read.get("mute_in_standby", False),
        ends=bytes.fromhex(frames.get("ends", "")),
        starts=bytes.fromhex(frames.get("starts", "")),
        length_at=frames.get("length_at", 0),
        beyond=frames.get("beyond", 0),
        checksum=frames.get("checksum", False),
        refusals=tuple(frames["refusals"]),
        locked=frames.get("locked", "").encode("ascii"),
        hello=_hello(read["hello"]) if "hello" in read else None,
    )
    for question in family.questions:
        if question.reading and question.reading not in READINGS:
            raise ValueError(f"{family.name}: there is no reading {question.reading!r}")
        encode(family, question, family.id)
    return family


def _question(entry: dict[str, Any]) -> Question:
    flags = tuple(Flag(flag["at"], flag["is"], flag["adds"]) for flag in entry.get("flags", ()))
    return Question(**(entry | {"flags": flags}))


def _hello(entry: dict[str, Any]) -> Hello:
    if bytes.fromhex(entry["send"]) != HELLO:
        raise ValueError(f"{entry['send']} is not the hello of ESC/VP.net")
    return Hello(
        HELLO,
        bytes.fromhex(entry["starts"]),
        entry["bytes"],
        entry["code_at"],
        tuple(int(code, 16) for code in entry["well"]),
        tuple(int(code, 16) for code in entry["locked"]),
    )


# --- questions -------------------------------------------------------------------------------------------------


def encode(family: Family, question: Question, display_id: int) -> bytes:
    """The frame to send. ValueError when it is no question: nothing else leaves this machine."""
    if family.text:
        frame = _filled(question.send, display_id).encode("ascii")
    else:
        start, proof, rest = question.send.replace("{id}", f"{display_id:02X}").partition("{sum}")
        frame = bytes.fromhex(start)
        frame += (bytes([_sum(frame)]) if proof else b"") + bytes.fromhex(rest)
    if not QUESTIONS[family.grammar](frame):
        raise ValueError(f"{family.name}: {frame!r} is no question of grammar {family.grammar}")
    return frame


def _sum(frame: bytes) -> int:
    """MDC's: of all bytes but the first, the low byte."""
    return sum(frame[1:]) & 0xFF


def _filled(text: str, display_id: int) -> str:
    return text.replace("{id2}", f"{display_id:02d}").replace("{idx}", f"{display_id:02x}")


# --- answers ---------------------------------------------------------------------------------------------------


def frame_size(family: Family, data: bytes) -> int:
    """How long the first frame is, 0: not whole yet. ValueError where the bytes can be none."""
    if family.ends:
        places = [place for end in family.ends if (place := data.find(end)) >= 0]
        return min(places) + 1 if places else 0
    if not data.startswith(family.starts[: len(data)]):
        raise ValueError(f"{data[:20]!r} does not begin like a frame")
    size = data[family.length_at] + family.beyond if len(data) > family.length_at else 0
    return size if len(data) >= size else 0


def body(family: Family, frame: bytes) -> bytes:
    """The frame without what only ends or proves it. ValueError for a wrong checksum."""
    if family.text:
        return frame.rstrip(family.ends).strip(TRIM)
    if family.checksum and _sum(frame[:-1]) != frame[-1]:
        raise ValueError(f"{frame!r} has a wrong checksum")
    return frame[:-1]


def told(family: Family, question: Question, display_id: int, said: bytes) -> bytes | None:
    """What stands behind the answer's beginning; None: it is no answer to this. An echo is none."""
    if family.text:
        beginning = _filled(question.answer, display_id).encode("ascii")
        place = said.upper().rfind(beginning.upper())
        value = said[place + len(beginning) :] if place >= 0 else b"?"
        return None if value.strip() == b"?" else value
    found = _pattern(question.answer).match(said)
    return said[found.end() :] if found else None


def refused(family: Family, display_id: int, said: bytes) -> bool:
    if family.text:
        return any(_text_pattern(_filled(refusal, display_id)).fullmatch(said) for refusal in family.refusals)
    return any(_pattern(refusal).match(said) for refusal in family.refusals)


@cache
def _text_pattern(text: str) -> re.Pattern[bytes]:
    """`*` is anything, `?` one sign."""
    kinds = {"*": b".*", "?": b"."}
    parts = (kinds.get(sign) or re.escape(sign.encode("ascii")) for sign in text)
    return re.compile(b"".join(parts), re.DOTALL | re.IGNORECASE)


@cache
def _pattern(words: str) -> re.Pattern[bytes]:
    parts = (b"." if word == "??" else re.escape(bytes.fromhex(word)) for word in words.split())
    return re.compile(b"".join(parts), re.DOTALL)


def value_of(question: Question, raw: bytes) -> float | None:
    """The reading's value; None where the device tells nothing that can be read."""
    number = _number(question, raw[:VALUE_BYTES]) if question.reading and len(raw) <= VALUE_BYTES else None
    if number is None:
        return None
    value, kind = number // question.divide, READINGS[question.reading]
    return float(value) if kind.low <= value <= kind.high else None


def _number(question: Question, raw: bytes) -> int | None:
    if question.value == "flags":
        if not question.flags or len(raw) <= max(flag.at for flag in question.flags):
            return None
        return sum(flag.adds for flag in question.flags if raw[flag.at] == flag.value)
    if question.value == "number":
        return _mapped(question, raw.hex().upper(), int.from_bytes(raw, "big") if 0 < len(raw) <= 8 else None)
    text = raw.decode("latin-1").strip(" \t\r\n\0").upper()
    if question.value == "decimal":
        words = text.split()
        whole = 0 < len(words) <= 8 and all(re.fullmatch(r"[0-9]{1,9}", word) for word in words)
        return _mapped(question, text, max(map(int, words)) if whole else None)
    if question.value == "hex":
        return _mapped(question, text, int(text, 16) if re.fullmatch(r"[0-9A-F]{1,8}", text) else None)
    return _mapped(question, text, None)


def _mapped(question: Question, text: str, number: int | None) -> int | None:
    return question.map.get(text, question.otherwise if text else None) if question.map else number


def joined(parts: list[bytes]) -> bytes | None:
    """A value that came in several frames, each its number and then digits; None when one is missing or out of turn."""
    if any(part[:1] != b"%d" % number for number, part in enumerate(parts, 1)):
        return None
    return b"".join(part[1:] for part in parts)
