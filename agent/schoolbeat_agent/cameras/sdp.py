"""A stream's description (SDP, RFC 8866) and how its tracks are addressed (RFC 7826, appendix D.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

LINES: Final = 500
STATIC: Final = {26: "JPEG", 31: "H261", 32: "MPV", 34: "H263"}  # RFC 3551, table 5
SCHEME = re.compile(r"rtsps?://", re.IGNORECASE)


@dataclass(frozen=True)
class Track:
    """A video track. codec: in upper case, as in rtpmap; parameters: of fmtp, names in lower case."""

    codec: str
    payload: int
    control: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What of it matters here: the session's own control address, and the first video track."""

    control: str
    video: Track | None


def parse(text: str) -> Description:
    """Lenient: a line that is not understood is passed over."""
    session, inside = "", False
    media: list[str] = []
    for line in text.splitlines()[:LINES]:
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if media:
                break
            inside = True
            if value.startswith("video "):
                media.append(value)
        elif media:
            media.append(f"{kind}={value}")
        elif not inside and kind == "a" and value.startswith("control:"):
            session = value.removeprefix("control:").strip()
    return Description(session, _track(media) if media else None)


def _track(lines: list[str]) -> Track | None:
    """From "video 0 RTP/AVP 96" and the lines behind it."""
    payload = next((int(word) for word in lines[0].split()[3:4] if word.isascii() and word.isdigit()), None)
    if payload is None or payload > 127:
        return None
    codec, control, parameters = STATIC.get(payload, ""), "", {}
    for line in lines[1:]:
        name, _, value = line.removeprefix("a=").partition(":")
        number, _, rest = value.partition(" ")
        if name == "control":
            control = value.strip()
        elif name == "rtpmap" and number == str(payload):
            codec = rest.strip().partition("/")[0].upper()
        elif name == "fmtp" and number == str(payload):
            parameters = _parameters(rest)
    return Track(codec, payload, control, parameters)


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name.lower(): value.strip() for name, _, value in pairs if name}


def address_of(control: str, base: str) -> str:
    """The address to SETUP. A relative one is put behind the base, as cameras and players do.

    RFC 3986 would replace the last part and drop a query; Dahua's base is ".../realmonitor?channel=1/", and both rules
    give the same for a base that ends in "/" without a query.
    """
    if SCHEME.match(control):
        return control
    if control in ("", "*"):
        return base
    if control.startswith("/"):
        return "/".join(base.split("/", 3)[:3]) + control
    return base.rstrip("/") + "/" + control
