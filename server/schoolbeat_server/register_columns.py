"""What each column of the register may hold: one table, used to check, to load and to document."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, get_args
from urllib.parse import urlsplit

from schoolbeat_server.said import Said
from schoolbeat_wire import bounds
from schoolbeat_wire.messages import Ask

ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")
LADDER = ("lan.router", "line.isp", "line.domestic", "line.international")

Check = Callable[[str], Any]


class Refused(ValueError):
    """A value is not allowed; `said` tells what is."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi, en)
        self.said = Said(vi, en)


class Column(NamedTuple):
    """check: text -> value, raises Refused. default: for an empty or absent cell; None with required: there is none.
    refers: the section whose ids it names. stored: the table's column, if its name is another."""

    check: Check
    default: Any = None
    required: bool = False
    refers: str = ""
    stored: str = ""

    @property
    def exact(self) -> bool:
        """A code of which every sign counts, leading zeros too."""
        return self.check in _EXACT

    @property
    def words(self) -> dict[str, str]:
        """The only ones allowed, with the Vietnamese of each; empty: any text or number."""
        return self.check.vietnamese if isinstance(self.check, OneOf) else {}

    @property
    def day(self) -> bool:
        return self.check is _date


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise Refused(
            "cần mã 1-40 ký tự gồm A-Z, a-z, 0-9 và . _ - ở giữa",
            "allowed is an id of 1-40 of A-Z, a-z, 0-9 and inner . _ -",
        )
    return text


def _wire_name(text: str) -> str:
    if not bounds.NAME.fullmatch(text):
        raise Refused(
            "cần tên 1-40 ký tự gồm a-z, 0-9 và - ở giữa (chữ thường, không dấu)",
            "allowed is a name of 1-40 of a-z, 0-9 and inner hyphens (lower case)",
        )
    return text


def _name(text: str) -> str:
    if len(text) > bounds.TEXT or bounds.CONTROL.search(text):
        raise Refused(f"tối đa {bounds.TEXT} ký tự, trên một dòng", f"at most {bounds.TEXT} characters, on one line")
    return text


def _code(length: int) -> Check:
    check = _at_most(length)

    def code(text: str) -> str:
        if re.fullmatch(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+", text):
            raise Refused(
                "Excel đã đổi mã thành số dạng 1,23E+11: hãy định dạng Text và gõ lại",
                "Excel has made a number such as 1.23E+11 of it: format the cell as Text and type it again",
            )
        return str(check(text))

    return code


def _at_most(length: int) -> Check:
    def check(text: str) -> str:
        if len(text) > length or bounds.CONTROL.search(text):
            raise Refused(f"tối đa {length} ký tự, trên một dòng", f"at most {length} characters, on one line")
        return text

    return check


class OneOf:
    """Canonical words, each with what Vietnamese registers write for it: the first of these is the one we write."""

    def __init__(self, allowed: Mapping[str, tuple[str, ...]]) -> None:
        self.vietnamese = {name: others[0] if others else name for name, others in allowed.items()}
        self._words = {word.casefold(): name for name, others in allowed.items() for word in (name, *others)}
        self._vi = " | ".join(f"{name} ({others[0]})" if others else name for name, others in allowed.items())

    def __call__(self, text: str) -> str:
        found = self._words.get(text.casefold())
        if found is None:
            raise Refused(f"cần một trong: {self._vi}", f"allowed is {' | '.join(self.vietnamese)}")
        return found


def _whole(low: int, high: int, scale: int = 1) -> Check:
    def check(text: str) -> int:
        whole = re.fullmatch(r"(-?[0-9]{1,15})(?:[.,]0{1,2})?", text)  # 150,00 too, but never 1.000
        if whole is None or not low <= int(whole[1]) <= high:
            raise Refused(f"cần số nguyên từ {low} đến {high}", f"allowed is a whole number from {low} to {high}")
        return int(whole[1]) * scale

    return check


def _degrees(most: int) -> Check:
    def check(text: str) -> float:
        point = text.replace(",", ".")
        if not re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,20})?([eE]-[0-9]{1,2})?", point) or abs(float(point)) > most:
            raise Refused(
                f"cần độ thập phân từ -{most} đến {most}, ví dụ 22,4856 hoặc 22.4856",
                f"allowed are decimal degrees from -{most} to {most}, such as 22.4856",
            )
        return float(point)

    return check


def _date(text: str) -> str:
    try:
        if len(text) != 10:
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Refused("cần ngày dạng NĂM-THÁNG-NGÀY, ví dụ 2025-07-01", "allowed is a date as 2025-07-01") from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Refused("cần địa chỉ IP", "allowed is an IP address") from None


def _url(text: str) -> str:
    """What an agent takes: one that it refuses would leave it with its former config."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or "@" in parts.netloc:
        raise Refused(
            "cần địa chỉ http:// hoặc https:// không kèm mật khẩu", "allowed is an http(s) address without a password"
        )
    if len(text) > bounds.TEXT or not all("!" <= sign <= "~" for sign in text):
        raise Refused(
            f"tối đa {bounds.TEXT} ký tự, không dấu, không khoảng trắng",
            f"at most {bounds.TEXT} characters, ASCII without spaces",
        )
    return text


def _behind(text: str) -> str:
    if text not in LADDER and not re.fullmatch(r"device\.[A-Za-z0-9._-]{1,40}", text):
        raise Refused(
            f"cần {' | '.join(LADDER)} | device.MÃ của thiết bị đứng trước",
            f"allowed is {' | '.join(LADDER)} | device.ID of the device before it",
        )
    return text


_AREA_KINDS = OneOf(
    {
        "province": ("tỉnh", "thành phố"),
        "district": ("huyện", "quận", "thị xã"),
        "commune": ("xã", "phường", "đặc khu", "thị trấn"),
    }
)
_MANAGERS = OneOf({"commune": ("xã", "phường", "ubnd xã", "ubnd phường"), "province": ("tỉnh", "sở", "sở gd&đt")})
_LEVELS = OneOf(
    {
        "preschool": ("mầm non", "mn"),
        "primary": ("tiểu học", "th"),
        "lower_secondary": ("THCS", "trung học cơ sở"),
        "primary_lower_secondary": ("TH&THCS", "tiểu học và thcs"),
        "upper_secondary": ("THPT", "trung học phổ thông"),
        "lower_upper_secondary": ("THCS&THPT", "thcs và thpt"),
        "continuing": ("GDTX", "giáo dục thường xuyên"),
        "boarding": ("nội trú hoặc bán trú", "ptdtnt", "ptdtbt", "nội trú", "bán trú"),
    }
)
_SITE_KINDS = OneOf({"main": ("chính", "điểm chính"), "satellite": ("lẻ", "điểm lẻ")})
_TECHNOLOGIES = OneOf(
    {
        "fibre": ("cáp quang", "fiber", "ftth", "gpon"),
        "copper": ("cáp đồng", "adsl"),
        "mobile": ("di động", "4g", "5g", "sim"),
        "satellite": ("vệ tinh",),
        "other": ("khác",),
        "unknown": ("chưa rõ",),
    }
)
ROOM_KINDS = {
    "classroom": ("phòng học",),
    "smart": ("phòng học thông minh",),
    "computer": ("phòng máy tính", "phòng tin học"),
    "online": ("phòng học trực tuyến", "phòng họp trực tuyến"),
    "office": ("văn phòng",),
    "other": ("khác",),
}
_ROOM_KINDS = OneOf(ROOM_KINDS)
_NEED_KINDS = OneOf(ROOM_KINDS | {"any": ("mọi loại",)})
_DEVICE_KINDS = OneOf(
    {
        "board": ("bảng tương tác", "màn hình tương tác"),
        "projector": ("máy chiếu",),
        "television": ("tivi",),
        "camera": (),
        "recorder": ("đầu ghi",),
        "access_point": ("điểm phát wi-fi", "access point", "ap"),
        "switch": ("bộ chuyển mạch",),
        "router": ("bộ định tuyến",),
        "ont": ("modem quang",),
        "ups": ("bộ lưu điện",),
        "computer": ("máy tính",),
        "printer": ("máy in",),
        "server": ("máy chủ",),
        "sensor": ("cảm biến",),
        "phone": ("điện thoại",),
        "other": ("khác",),
    }
)
_ASKS = OneOf({ask: () for ask in get_args(Ask) if ask})
_SHIFTS = OneOf({"morning": ("sáng",), "afternoon": ("chiều",), "evening": ("tối",)})
_ROLES = OneOf({"main": ("chính",), "backup": ("dự phòng", "phụ")})
_STATES = OneOf(
    {
        "in_use": ("đang dùng", "đang sử dụng", "tốt"),
        "broken": ("hỏng", "chờ sửa"),
        "disposed": ("đã thanh lý", "thanh lý"),
        "lent": ("cho mượn", "điều chuyển tạm"),
    }
)
_YES_NO = OneOf({"yes": ("có", "x", "1", "true"), "no": ("không", "0", "false")})
# What documents of the mountain and island areas tell sites apart by.
TAGS = {
    "border": ("biên giới", "xã biên giới"),
    "ethnic_minority": ("dân tộc thiểu số", "dtts"),
    "extreme_hardship": ("đặc biệt khó khăn", "đbkk"),
    "island": ("hải đảo", "đảo"),
    "mountain": ("miền núi", "vùng cao"),
    "pilot": ("thí điểm", "trường thí điểm", "trường điểm"),
}
_TAG = OneOf(TAGS)


def tags_in_vietnamese(tags: str) -> str:
    return ", ".join(_TAG.vietnamese[tag] for tag in tags.split(",")) if tags else ""


def _tags(text: str) -> str:
    """Sorted, each once, whatever stands between them."""
    return ",".join(sorted({_TAG(part.strip()) for part in re.split("[,;|]", text) if part.strip()}))


def _yes(text: str) -> bool:
    return bool(_YES_NO(text) == "yes")


_SCHOOL_CODE, _ASSET_CODE, _LONG_CODE = _code(40), _code(60), _code(80)
_EXACT = (_id, _wire_name, _SCHOOL_CODE, _ASSET_CODE, _LONG_CODE)

_SPEED_MOST_MBPS = 1_000_000

# In the order in which they are loaded: what is named comes before what names it.
COLUMNS: dict[str, dict[str, Column]] = {
    "areas": {
        "id": Column(_id, required=True),
        "name": Column(_name, required=True),
        "kind": Column(_AREA_KINDS, required=True),
        "parent": Column(_id, refers="areas"),
        "valid_from": Column(_date, "0001-01-01"),
        "valid_to": Column(_date, "9999-12-31"),
    },
    "schools": {
        "id": Column(_id, required=True),
        "name": Column(_name, required=True),
        "area": Column(_id, required=True, refers="areas"),
        "level": Column(_LEVELS, ""),
        "manager": Column(_MANAGERS, "commune"),
        "code": Column(_SCHOOL_CODE, ""),
        "cluster": Column(_name, ""),
        "founded": Column(_date),
        "closed": Column(_date),
    },
    "school_areas": {
        "school": Column(_id, required=True, refers="schools"),
        "area": Column(_id, required=True, refers="areas"),
        "valid_from": Column(_date, "0001-01-01"),
        "valid_to": Column(_date, "9999-12-31"),
    },
    "sites": {
        "id": Column(_wire_name, required=True),
        "school": Column(_id, required=True, refers="schools"),
        "name": Column(_name, required=True),
        "kind": Column(_SITE_KINDS, "main"),
        "latitude": Column(_degrees(90)),
        "longitude": Column(_degrees(180)),
        "tags": Column(_tags, ""),
        "valid_from": Column(_date, "0001-01-01"),
        "valid_to": Column(_date, "9999-12-31"),
    },
    "shifts": {
        "site": Column(_wire_name, required=True, refers="sites"),
        "shift": Column(_SHIFTS, required=True),
        "valid_from": Column(_date, "0001-01-01"),
        "pupils": Column(_whole(0, 10_000), required=True),
        "teachers": Column(_whole(0, 1_000), 0),
    },
    "lines": {
        "id": Column(_id, required=True),
        "site": Column(_wire_name, required=True, refers="sites"),
        "isp": Column(_at_most(60), ""),
        "technology": Column(_TECHNOLOGIES, "unknown"),
        "contract_down_bps": Column(_whole(1, _SPEED_MOST_MBPS * 1_000_000)),
        "contract_up_bps": Column(_whole(1, _SPEED_MOST_MBPS * 1_000_000)),
        "contract_down_mbps": Column(_whole(1, _SPEED_MOST_MBPS, 1_000_000), stored="contract_down_bps"),
        "contract_up_mbps": Column(_whole(1, _SPEED_MOST_MBPS, 1_000_000), stored="contract_up_bps"),
        "role": Column(_ROLES, "main"),
        "contract": Column(_LONG_CODE, ""),
        "contract_from": Column(_date),
        "contract_to": Column(_date),
        "contract_min_bps": Column(_whole(1, _SPEED_MOST_MBPS * 1_000_000)),
        "contract_min_mbps": Column(_whole(1, _SPEED_MOST_MBPS, 1_000_000), stored="contract_min_bps"),
        "universal_service": Column(_yes, False),
        "ont": Column(_id, ""),
    },
    "rooms": {
        "id": Column(_id, required=True),
        "site": Column(_wire_name, required=True, refers="sites"),
        "name": Column(_name, required=True),
        "kind": Column(_ROOM_KINDS, "classroom"),
        "smart_level": Column(_whole(0, 2), 0),
    },
    "room_needs": {
        "kind": Column(_NEED_KINDS, "any"),
        "smart_level": Column(_whole(0, 2), required=True),
        "device_kind": Column(_DEVICE_KINDS, required=True),
        "count": Column(_whole(1, 100), 1),
    },
    "devices": {
        "site": Column(_wire_name, required=True, refers="sites"),
        "id": Column(_id, required=True),
        "name": Column(_name, ""),
        "kind": Column(_DEVICE_KINDS, ""),
        "room": Column(_id, refers="rooms"),
        "address": Column(_address, ""),
        "port": Column(_whole(0, 65_535), 0),
        "behind": Column(_behind, "lan.router"),
        "ask": Column(_ASKS, ""),
        "credential": Column(_at_most(40), ""),
        "snmp": Column(_at_most(40), ""),
        "profile": Column(_at_most(40), ""),
        "stream": Column(_at_most(200), ""),
        "serial": Column(_LONG_CODE, ""),
        "model": Column(_at_most(80), ""),
        "vendor": Column(_at_most(80), ""),
    },
    "assets": {
        "site": Column(_wire_name, required=True, refers="sites"),
        "code": Column(_ASSET_CODE, required=True),
        "name": Column(_name, required=True),
        "room": Column(_id, refers="rooms"),
        "kind": Column(_DEVICE_KINDS, ""),
        "serial": Column(_LONG_CODE, ""),
        "model": Column(_at_most(80), ""),
        "year": Column(_whole(1945, 2100)),
        "funding": Column(_name, ""),
        "warranty_to": Column(_date),
        "quantity": Column(_whole(1, 10_000), 1),
        "status": Column(_STATES, "in_use"),
        "device": Column(_id),
    },
    "services": {
        "id": Column(_id, required=True),
        "name": Column(_name, required=True),
        "url": Column(_url, required=True),
    },
}

KEYS: dict[str, tuple[str, ...]] = dict.fromkeys(COLUMNS, ("id",)) | {
    "school_areas": ("school", "valid_from"),
    "shifts": ("site", "shift", "valid_from"),
    "room_needs": ("kind", "smart_level", "device_kind"),
    "devices": ("site", "id"),
    "assets": ("site", "code"),
}


def defaults(section: str) -> dict[str, Any]:
    return {name: column.default for name, column in COLUMNS[section].items() if not column.stored}
