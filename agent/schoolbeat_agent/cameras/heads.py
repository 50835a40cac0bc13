"""Heads of RTSP (RFC 7826) and HTTP (RFC 9112) messages: bounded in lines and bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.probes.no_answer import NoAnswer

HEAD_BYTES: Final = 16_384
LINE_BYTES: Final = 8_192
FIELDS: Final = 100


@dataclass(frozen=True)
class Head:
    """The first line, and the fields in their order, names in lower case."""

    first: str
    fields: tuple[tuple[str, str], ...]

    @property
    def status(self) -> int:
        """Of a response; 0 where the message is none."""
        words = self.first.split(None, 2)
        is_code = len(words) > 1 and len(words[1]) == 3 and words[1].isascii() and words[1].isdigit()
        return int(words[1]) if is_code else 0

    def field(self, name: str) -> str:
        """The first of the name; empty where there is none."""
        return next((value for known, value in self.fields if known == name), "")

    def every(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]

    @property
    def length(self) -> int:
        """Content-Length; 0 where there is none. NoAnswer when it is no number."""
        text = self.field("content-length")
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise NoAnswer("bad_answer", "a strange Content-Length")
        return int(text)


def parse(lines: list[bytes]) -> Head:
    """A first line and fields; a line that begins with white space goes on with the field before."""
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        text = line.decode("latin-1")
        name, _, value = text.partition(":")
        if text[:1] in (" ", "\t") and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {text.strip()}")
        else:
            fields.append((name.strip().lower(), value.strip()))
    return Head(lines[0].decode("latin-1").strip(), tuple(fields))


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """Without its end, which is CR LF, or LF of those who know no better. NoAnswer when there is no end to it."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise NoAnswer("bad_answer", "a line without end") from error
    except asyncio.IncompleteReadError as error:
        raise NoAnswer("bad_answer", "the connection was closed in the middle of an answer") from error
    if len(line) > LINE_BYTES:
        raise NoAnswer("bad_answer", "a line without end")
    return line.rstrip(b"\r\n")


async def read_head(reader: asyncio.StreamReader, begun: bytes = b"") -> Head:
    """Until the empty line; `begun`: what was already read of the first line."""
    lines = [begun + await read_line(reader)]
    size = len(lines[0])
    while line := await read_line(reader):
        lines.append(line)
        size += len(line)
        if size > HEAD_BYTES or len(lines) > FIELDS:
            raise NoAnswer("bad_answer", f"the head of an answer is longer than {HEAD_BYTES} bytes or {FIELDS} lines")
    return parse(lines)
