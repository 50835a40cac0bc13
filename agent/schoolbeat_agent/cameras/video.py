"""Is this video? RTP packets (RFC 3550) looked at as far as it takes to know, and dropped: no picture is made."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.cameras.sdp import Track

# A camera with a long group of pictures sends its next key picture after the time limit: so many well-formed packets
# in a row are video as well.
PACKETS_WITHOUT_KEY: Final = 50

Unit = tuple[int, bool]  # type of a NAL unit, and whether a picture begins with it


class Malformed(ValueError):
    """The packet is not what its codec says."""


@dataclass(frozen=True)
class Coding:
    """How one codec is read. sets: the unit types a decoder needs first; keys: with which it can begin."""

    units: Callable[[bytes], list[Unit]]
    sets: frozenset[int]
    keys: frozenset[int]
    sets_of: Callable[[Track], set[int]]


def rtp_payload(packet: bytes, payload_type: int) -> bytes | None:
    """None: it belongs to something else. Malformed when it is no RTP."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        raise Malformed
    if packet[1] & 0x7F != payload_type:
        return None
    start, end = 12 + 4 * (packet[0] & 0x0F), len(packet)
    if packet[0] & 0x10:
        if len(packet) < start + 4:
            raise Malformed
        start += 4 + 4 * struct.unpack_from("!H", packet, start + 2)[0]
    if packet[0] & 0x20:
        end -= packet[-1]
    if start >= end:
        raise Malformed
    return packet[start:end]


def h264_units(payload: bytes) -> list[Unit]:
    """RFC 6184: single units, STAP-A and FU-A (others of its modes are for video telephony)."""
    kind = _h264_kind(payload)
    if kind == 24:
        return [(_h264_kind(unit), _begins(unit, 1)) for unit in _aggregated(payload[1:])]
    if kind == 28:
        if len(payload) < 3:
            raise Malformed
        inner = payload[1] & 0x1F
        if not 1 <= inner <= 23:
            raise Malformed
        return [(inner, bool(payload[1] & 0x80) and _begins(payload, 2))]
    if not 1 <= kind <= 23:
        raise Malformed
    return [(kind, _begins(payload, 1))]


def _h264_kind(unit: bytes) -> int:
    if not unit or unit[0] & 0x80:
        raise Malformed
    return unit[0] & 0x1F


def h265_units(payload: bytes) -> list[Unit]:
    """RFC 7798: single units, aggregation packets (48) and fragments (49)."""
    kind = _h265_kind(payload)
    if kind == 48:
        return [(_h265_kind(unit), _begins(unit, 2)) for unit in _aggregated(payload[2:])]
    if kind == 49:
        if len(payload) < 4:
            raise Malformed
        return [(payload[2] & 0x3F, bool(payload[2] & 0x80) and _begins(payload, 3))]
    if kind > 47:
        raise Malformed
    return [(kind, _begins(payload, 2))]


def _h265_kind(unit: bytes) -> int:
    if len(unit) < 2 or unit[0] & 0x80 or not unit[1] & 0x07:
        raise Malformed
    return unit[0] >> 1 & 0x3F


def _begins(unit: bytes, header: int) -> bool:
    """The first slice of a picture: first_mb_in_slice 0, first_slice_segment_in_pic_flag 1 (one bit in both)."""
    return len(unit) > header and bool(unit[header] & 0x80)


def _aggregated(data: bytes) -> list[bytes]:
    units = []
    while data:
        if len(data) < 2:
            raise Malformed
        (size,) = struct.unpack_from("!H", data)
        if not size or len(data) < 2 + size:
            raise Malformed
        units.append(data[2 : 2 + size])
        data = data[2 + size :]
    return units


def jpeg_units(payload: bytes) -> list[Unit]:
    """RFC 2435: a packet with fragment offset 0 begins a picture, and each picture is a key."""
    if len(payload) < 9 or payload[5] == 0:
        raise Malformed
    return [(0, payload[1:4] == b"\0\0\0")]


def mpeg4_units(payload: bytes) -> list[Unit]:
    """RFC 6416: start codes; an I-VOP is 0, other pictures and the middles of them 1, configuration 2."""
    if payload[:3] != b"\0\0\1":
        return [(1, False)]
    place = payload.find(b"\0\0\1\xb6")
    if 0 <= place < len(payload) - 4:
        kind = 0 if payload[place + 4] >> 6 == 0 else 1
        return [(2, False), (kind, True)] if place else [(kind, True)]
    return [(2, False)]


def other_units(payload: bytes) -> list[Unit]:
    """A codec that is not known here: only that much comes can be told."""
    return [(1, False)]


def _h264_sets(track: Track) -> set[int]:
    return {unit[0] & 0x1F for unit in _base64_units(track.parameters.get("sprop-parameter-sets", ""))}


def _h265_sets(track: Track) -> set[int]:
    text = ",".join(track.parameters.get(f"sprop-{name}", "") for name in ("vps", "sps", "pps"))
    return {unit[0] >> 1 & 0x3F for unit in _base64_units(text)}


def _base64_units(text: str) -> list[bytes]:
    units = []
    for part in text.split(",")[:16]:
        try:
            units.append(base64.b64decode(part, validate=True))
        except (binascii.Error, ValueError):
            continue
    return [unit for unit in units if unit]


def _mpeg4_sets(track: Track) -> set[int]:
    return {2} if track.parameters.get("config") else set()


def _none(_: Track) -> set[int]:
    return set()


CODINGS: Final[dict[str, Coding]] = {
    "H264": Coding(h264_units, frozenset({7, 8}), frozenset({5}), _h264_sets),
    "H265": Coding(h265_units, frozenset({32, 33, 34}), frozenset(range(16, 22)), _h265_sets),
    "JPEG": Coding(jpeg_units, frozenset(), frozenset({0}), _none),
    "MP4V-ES": Coding(mpeg4_units, frozenset({2}), frozenset({0}), _mpeg4_sets),
}
OTHER: Final = Coding(other_units, frozenset(), frozenset(), _none)


@dataclass
class Video:
    """What has come of a track. It keeps counts and unit types, never the bytes."""

    track: Track
    is_there: bool = False
    packets: int = 0  # well-formed ones in a row
    sets: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.coding = CODINGS.get(self.track.codec, OTHER)
        self.sets = self.coding.sets_of(self.track)

    def take(self, packet: bytes) -> None:
        """A packet of the track's channel. There: parameter sets and the beginning of a key picture, or many packets.

        The parameter sets come with the description or in the stream.
        """
        try:
            payload = rtp_payload(packet, self.track.payload)
            units = [] if payload is None else self.coding.units(payload)
        except Malformed:
            self.packets = 0
            return
        if payload is None:
            return
        self.packets += 1
        for kind, begins in units:
            if kind in self.coding.sets:
                self.sets.add(kind)
            elif begins and kind in self.coding.keys and self.coding.sets <= self.sets:
                self.is_there = True
        self.is_there = self.is_there or self.packets >= PACKETS_WITHOUT_KEY
