"""Bytes to typed structs and back: JSON, with zlib for what is large; only WireError comes out of bad bytes."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

from schoolbeat_wire import bounds
from schoolbeat_wire.errors import WireError

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


def to_json(value: object) -> bytes:
    return _encoder.encode(value)


def deflate(plain: bytes) -> bytes:
    return zlib.compress(plain, 6)


def deflate_numbers(plain: bytes) -> bytes:
    """For text that is mostly numbers with little in common: short repetitions are left alone, 8 % are saved."""
    stream = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    return stream.compress(plain) + stream.flush()


def inflate(packed: bytes) -> bytes:
    """At most PLAIN_BYTES come out, whatever went in; a cut, damaged or trailing stream is refused."""
    if len(packed) > bounds.PACKED_BYTES:
        raise WireError("size", f"message of {len(packed)} bytes: at most {bounds.PACKED_BYTES}")
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, bounds.PLAIN_BYTES)
    except zlib.error as error:
        raise WireError("zlib", f"message does not decompress: {error}") from None
    if stream.unconsumed_tail:
        raise WireError("bomb", f"message grows beyond {bounds.PLAIN_BYTES} bytes when decompressed")
    if not stream.eof or stream.unused_data:
        raise WireError("zlib", "message ends too early or has bytes after its end")
    return plain


def parse(decoder: msgspec.json.Decoder[T], plain: bytes, thing: str) -> T:
    try:
        return decoder.decode(plain)
    except msgspec.ValidationError as error:
        raise WireError("shape", f"{thing}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError("json", f"{thing}: {error}") from None
    except RecursionError:
        raise WireError("depth", f"{thing}: nested too deeply") from None


def parse_small(decoder: msgspec.json.Decoder[T], payload: bytes, thing: str, limit: int = bounds.SMALL_BYTES) -> T:
    if len(payload) > limit:
        raise WireError("size", f"{thing} of {len(payload)} bytes: at most {limit}")
    return parse(decoder, payload, thing)
