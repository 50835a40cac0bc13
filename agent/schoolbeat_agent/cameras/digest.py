"""Basic (RFC 7617) and Digest (RFC 7616, RFC 2617) authentication, as RTSP and HTTP share it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

CHALLENGE_BYTES: Final = 4_096
REFRESHES: Final = 6  # nonces that one conversation takes
_PART = re.compile(r'\s*,?\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?')

# Strongest first; a "-sess" of each is known too.
HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


@dataclass(frozen=True)
class Challenge:
    """One scheme that a server offers; `scheme` in lower case."""

    scheme: str
    parameters: dict[str, str]

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "MD5")

    @property
    def is_stale(self) -> bool:
        return self.parameters.get("stale", "").lower() == "true"


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """All schemes of WWW-Authenticate fields, in their order; several may stand in one field."""
    out: list[Challenge] = []
    for value in values:
        for name, text in _PART.findall(value[:CHALLENGE_BYTES]):
            if text and out:
                out[-1].parameters.setdefault(name.lower(), _unquoted(text))
            elif not text:
                out.append(Challenge(name.lower(), {}))
    return out


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' else text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def best(challenges: Iterable[Challenge]) -> Challenge | None:
    """Digest before Basic, the stronger hash before the weaker; None where none of them can be answered."""

    def rank(challenge: Challenge) -> int:
        if challenge.scheme == "basic":
            return len(HASHES)
        name = challenge.algorithm.upper().removesuffix("-SESS")
        qops = [word.strip() for word in challenge.parameters.get("qop", "auth").split(",")]
        known = challenge.scheme == "digest" and name in HASHES and "auth" in qops and "nonce" in challenge.parameters
        return list(HASHES).index(name) if known else len(HASHES) + 1

    answerable = [challenge for challenge in challenges if rank(challenge) <= len(HASHES)]
    return min(answerable, key=rank, default=None)


def digest_response(
    challenge: Challenge, username: str, password: str, method: str, uri: str, cnonce: str, count: int
) -> str:
    """The Authorization field's value for one request (RFC 7616, 3.4; without qop as RFC 2069)."""
    told = challenge.parameters
    algorithm = challenge.algorithm
    hashed = HASHES[algorithm.upper().removesuffix("-SESS")]

    def h(*parts: str) -> str:
        return hashed(":".join(parts).encode())

    realm, nonce, counted = told.get("realm", ""), told["nonce"], f"{count:08x}"
    secret = h(username, realm, password)
    if algorithm.upper().endswith("-SESS"):
        secret = h(secret, nonce, cnonce)
    with_qop = "qop" in told
    middle = (nonce, counted, cnonce, "auth") if with_qop else (nonce,)
    fields = {
        "username": _quoted(username),
        "realm": _quoted(realm),
        "nonce": _quoted(nonce),
        "uri": _quoted(uri),
        "response": _quoted(h(secret, *middle, h(method, uri))),
    }
    if "algorithm" in told:
        fields["algorithm"] = algorithm
    if with_qop:
        fields |= {"qop": "auth", "nc": counted, "cnonce": _quoted(cnonce)}
    if "opaque" in told:
        fields["opaque"] = _quoted(told["opaque"])
    return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())


@dataclass
class Login:
    """What one conversation knows of the server's challenge. `random(n)` gives n bytes."""

    username: str
    password: str = field(repr=False)
    random: Callable[[int], bytes] = field(repr=False)
    challenge: Challenge | None = None
    _uses: int = 0
    _refreshes: int = 0

    def header(self, method: str, uri: str) -> str:
        """The value of Authorization for the next request; empty while nothing was asked for."""
        if self.challenge is None:
            return ""
        self._uses += 1
        if self.challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")
        cnonce = self.random(8).hex()
        return digest_response(self.challenge, self.username, self.password, method, uri, cnonce, self._uses)

    def take(self, challenges: Iterable[Challenge]) -> bool:
        """Whether it is worth asking again: the server had not been answered, or wants a newer nonce.

        A fresh nonce that is refused is a refused password: it is not tried again, for cameras lock accounts.
        """
        offered = best(challenges)
        if offered is None or not self.username:
            return False
        before, self.challenge = self.challenge, offered
        if before is not None:
            aged = before.scheme == "digest" and (offered.is_stale or self._uses > 1)
            if not aged or self._refreshes >= REFRESHES:
                return False
            self._refreshes += 1
        self._uses = 0
        return True
