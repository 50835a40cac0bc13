"""secrets.toml: what devices are asked with. It stays on the agent's disk; only an entry's name is ever sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from schoolbeat_agent.settings_keys import Key
from schoolbeat_agent.texts import Text
from schoolbeat_wire import bounds

SECRET_LETTERS: Final = 200


@dataclass(frozen=True)
class Credential:
    """One entry. community: SNMP v1 and v2c; username and the keys: SNMP v3, cameras, displays, Wi-Fi."""

    name: str
    username: str = ""
    password: str = field(default="", repr=False)
    version: Literal["1", "2c", "3"] = "2c"
    community: str = field(default="", repr=False)
    auth: Literal["", "MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] = ""
    auth_key: str = field(default="", repr=False)
    privacy: Literal["", "DES", "AES128", "AES192", "AES256"] = ""
    privacy_key: str = field(default="", repr=False)


def _secret(value: Any) -> str:
    if type(value) is not str or len(value) > SECRET_LETTERS or bounds.CONTROL.search(value):
        raise ValueError
    return value


def _name(value: Any) -> str:
    if type(value) is not str or not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", value):
        raise ValueError
    return value


def _choice(*allowed: str) -> Any:
    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return parse


_ANY_SECRET = Text("chữ, nhiều nhất 200 ký tự", "text, at most 200 characters")
_AUTHS, _PRIVACIES = (
    ("", "MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"),
    ("", "DES", "AES128", "AES192", "AES256"),
)


def _one_of(*allowed: str) -> Text:
    shown = ", ".join(f'"{value}"' for value in allowed)
    return Text(f"một trong {shown}", f"one of {shown}")


CREDENTIAL: Final[tuple[Key, ...]] = (
    Key(
        "name",
        _name,
        None,
        Text("1–40 ký tự A-Z, a-z, 0-9 . _ -", "1-40 of A-Z, a-z, 0-9 . _ -"),
        Text("tên mục", "the entry's name"),
        required=True,
    ),
    Key("username", _secret, "", _ANY_SECRET, Text("tên đăng nhập", "user name")),
    Key("password", _secret, "", _ANY_SECRET, Text("mật khẩu", "password"), secret=True),
    Key("version", _choice("1", "2c", "3"), "2c", _one_of("1", "2c", "3"), Text("phiên bản SNMP", "SNMP version")),
    Key(
        "community",
        _secret,
        "",
        _ANY_SECRET,
        Text("chuỗi cộng đồng SNMP v1, v2c", "community of SNMP v1, v2c"),
        secret=True,
    ),
    Key("auth", _choice(*_AUTHS), "", _one_of(*_AUTHS), Text("cách xác thực SNMP v3", "authentication of SNMP v3")),
    Key(
        "auth_key",
        _secret,
        "",
        _ANY_SECRET,
        Text("mật khẩu xác thực SNMP v3", "authentication password of SNMP v3"),
        secret=True,
    ),
    Key(
        "privacy", _choice(*_PRIVACIES), "", _one_of(*_PRIVACIES), Text("cách mã hóa SNMP v3", "encryption of SNMP v3")
    ),
    Key(
        "privacy_key",
        _secret,
        "",
        _ANY_SECRET,
        Text("mật khẩu mã hóa SNMP v3", "encryption password of SNMP v3"),
        secret=True,
    ),
)
