"""SOAP 1.2 as ONVIF speaks it: small requests, and answers read without entities, bounded in bytes, depth and parts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from schoolbeat_agent.probes.no_answer import NoAnswer

BODY_BYTES: Final = 256 * 1024
DEPTH: Final = 32
PARTS: Final = 10_000
ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"


@dataclass(slots=True)
class Node:
    """An element by its local name: cameras agree on those, less so on prefixes."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def at(self, *path: str) -> Node | None:
        """The first element down this path."""
        node: Node | None = self
        for name in path:
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node

    def every(self, name: str) -> list[Node]:
        return [child for child in self.children if child.name == name]

    def within(self, name: str) -> Iterator[Node]:
        """All of the name, at any depth."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.within(name)

    def text_at(self, *path: str) -> str:
        found = self.at(*path)
        return found.text.strip() if found else ""


def parse(body: bytes) -> Node:
    """The root element. NoAnswer("bad_answer") for what is not well-formed, has a DTD, or is beyond the bounds."""
    if len(body) > BODY_BYTES:
        raise NoAnswer("bad_answer", f"an answer of more than {BODY_BYTES >> 10} KiB")
    from xml.parsers import expat  # only where there are cameras

    reader = _Reader()
    parser = expat.ParserCreate(_encoding_of(body))  # without namespaces: some cameras use prefixes they never bound
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(body.strip(b" \t\r\n\0"), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise NoAnswer("bad_answer", f"the answer is not XML: {error}") from error
    if reader.root is None:
        raise NoAnswer("bad_answer", "the answer is empty")
    return reader.root


def _encoding_of(body: bytes) -> str | None:
    """What it is, whatever it declares: captured answers say UTF-16 and are not. None: a byte order mark tells."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "utf-8"


class _Reader:
    """Builds the tree; what is too deep, too many or of a DTD ends it."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._parts = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        node = Node(_local(name), {_local(key): value for key, value in attributes.items()})
        self._parts += 1 + len(attributes)
        if self._parts > PARTS or len(self._open) >= DEPTH:
            raise NoAnswer("bad_answer", f"an answer with more than {PARTS} parts or {DEPTH} levels")
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        if self._open and (self._open[-1].text or not text.isspace()):
            self._open[-1].text += text

    def refuse(self, *_: Any) -> None:
        raise NoAnswer("bad_answer", "an answer with a document type declaration is not read")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def answer(body: bytes) -> Node:
    """The element in the Body. Fault where the device says no."""
    root = parse(body)
    inside = root.at("Body")
    if root.name != "Envelope" or inside is None or not inside.children:
        raise NoAnswer("bad_answer", "the answer is no SOAP envelope")
    found = inside.children[0]
    if found.name == "Fault":
        raise Fault(found)
    return found


class Fault(NoAnswer):
    """The device refuses; `codes` are its codes from outside in, without prefixes."""

    def __init__(self, node: Node) -> None:
        values = [value.text.strip().rpartition(":")[2] for value in node.within("Value")]
        values += [code.text.strip().rpartition(":")[2] for code in node.every("faultcode")]
        self.codes = tuple(value[:60] for value in values[:4])
        denied = {"NotAuthorized", "SenderNotAuthorized", "FailedAuthentication", "InvalidSecurity"} & set(self.codes)
        super().__init__("auth_failed" if denied else "device_error", f"it refuses: {' '.join(self.codes)}")


def request(body: str, security: str = "") -> bytes:
    """An envelope around one operation."""
    head = f"<s:Header>{security}</s:Header>" if security else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}">'
        f"{head}<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def escaped(text: str) -> str:
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text


def username_token(username: str, password: str, nonce: bytes, created_unix: float) -> str:
    """WS-UsernameToken with a digest (OASIS UsernameToken Profile 1.0; ONVIF Core, 5.9.4).

    created_unix: by the camera's clock, for it refuses what its own clock calls old.
    """
    created = datetime.fromtimestamp(created_unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    proof = base64.b64encode(digest).decode("ascii")
    return (
        f'<Security s:mustUnderstand="1" xmlns="{_WSS}wssecurity-secext-1.0.xsd"><UsernameToken>'
        f"<Username>{escaped(username)}</Username>"
        f'<Password Type="{_WSS}username-token-profile-1.0#PasswordDigest">{proof}</Password>'
        f'<Nonce EncodingType="{_WSS}soap-message-security-1.0#Base64Binary">{base64.b64encode(nonce).decode()}</Nonce>'
        f'<Created xmlns="{_WSS}wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security>'
    )
