"""server.toml -> frozen settings; errors name file, key, value and what is allowed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_wire import bounds, hours
from schoolbeat_wire.messages import Lesson


class SettingsError(ValueError):
    """The settings cannot be used; the text says which file, key, value, and what is allowed."""


@dataclass(frozen=True)
class Web:
    """Where pages and API listen. Without a login, loopback only."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True)
class Broker:
    """mode "managed": Mosquitto as our child. "outside": another one by `url` (or a 0600 `url_file`)."""

    mode: str = "managed"
    bind: str = "127.0.0.1"
    port: int = 1883
    websocket_port: int = 0  # 0: none
    url: str = field(default="", repr=False)  # mqtt|mqtts|ws|wss://user:password@host:port
    ca_file: Path | None = None  # verifies an outside broker; also given to agents of the managed one
    cert_file: Path | None = None  # TLS of the managed broker
    key_file: Path | None = None
    max_queued_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True)
class Channel:
    """One way to people. `url` as apprise writes it (mailto://…, json://…); secret, so better in a 0600 `url_file`."""

    name: str
    url: str = field(default="", repr=False)
    language: str = "vi"


@dataclass(frozen=True)
class Incidents:
    contact_seconds: int = 8  # contact lost so long opens an incident
    hold_seconds: int = 120  # an outage so long opens one
    backlog_wait_seconds: int = 900  # after contact is back, wait so long for what the agent kept


@dataclass(frozen=True)
class SpeedTests:
    days: int = 7  # between two of a site; 0: the server grants none
    at_once: int = 8
    at_once_isp: int = 4
    at_once_area: int = 2


@dataclass(frozen=True)
class Office:
    """Who reports, as it stands on official documents; empty: left blank there, to be filled in by hand."""

    governing: str = ""  # the body above it
    name: str = ""
    symbol: str = ""  # after the number: BC-SGDĐT
    place: str = ""  # before the date
    signer: str = ""  # the title of who signs; no name
    addressed: tuple[str, ...] = ()  # Kính gửi: who is to act on it, when it goes to a higher body
    recipients: tuple[str, ...] = ()


STORES = ("influxdb1", "influxdb2", "influxdb3", "victoriametrics")


@dataclass(frozen=True)
class Series:
    """The time-series store; kind "": there is none."""

    kind: str = ""  # one of STORES
    url: str = ""
    database: str = ""  # InfluxDB 1: database; 2 and 3: bucket; VictoriaMetrics needs none
    org: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    retention_days: int = 0  # what is older is not sent; 0: as the store itself says
    backlog_bytes: int = 8 << 30  # reports kept longer than report_days because the store has not answered
    batch_bytes: int = 1 << 20
    gzip: bool = True


GRAFANA_BY = ("commune", "school")


@dataclass(frozen=True)
class Grafana:
    """Where `grafana sync` makes folders, teams and rights; url "": nowhere."""

    url: str = ""
    token: str = field(default="", repr=False)  # a service account's
    ca_file: Path | None = None
    by: str = "commune"  # one of GRAFANA_BY
    dashboards: Path | None = None  # a folder of dashboards/, copied for each; none: folders and teams alone


@dataclass(frozen=True)
class Settings:
    folder: Path
    language: str = "vi"
    plans: Path | None = None  # further plan files
    follow: tuple[str, ...] = ("lao-cai-2022-2025",)  # shipped plans that are judged, by id; "*": all
    report_days: int = 14
    demo: bool = False  # pages say that most schools are simulated
    web: Web = Web()
    broker: Broker = Broker()
    incidents: Incidents = Incidents()
    lessons: LessonHours = field(default_factory=LessonHours)
    speed: SpeedTests = SpeedTests()
    office: Office = Office()
    series: Series = Series()
    grafana: Grafana = Grafana()
    channels: tuple[Channel, ...] = ()

    @property
    def database(self) -> Path:
        return self.folder / "schoolbeat.db"


LANGUAGES = ("vi", "en")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Check = Callable[[str, Any], Any]


def _number(low: int, high: int) -> Check:
    def check(where: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SettingsError(
                f"{where} = {value!r}: chỉ nhận số nguyên {low}–{high} / allowed is a whole number from {low} to {high}"
            )
        return value

    return check


def _one_of(*allowed: str) -> Check:
    def check(where: str, value: Any) -> str:
        if value not in allowed:
            raise SettingsError(f"{where} = {value!r}: chỉ nhận / allowed is {' | '.join(allowed)}")
        return str(value)

    return check


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 500 or "\n" in value:
        raise SettingsError(
            f"{where} = {str(value)[:80]!r}: chỉ nhận một dòng, nhiều nhất 500 ký tự / "
            "allowed is one line of at most 500 characters"
        )
    return value


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 20:
        raise SettingsError(
            f"{where} = {str(value)[:80]!r}: chỉ nhận danh sách tối đa 20 dòng / allowed is a list of at most 20 lines"
        )
    return tuple(_text(where, one) for one in value)


def _secret(where: str, value: Any) -> str:
    """Like _text, but the value never shows: it holds passwords."""
    if not isinstance(value, str) or len(value) > 500 or "\n" in value:
        raise SettingsError(f"{where}: chỉ nhận một dòng, nhiều nhất 500 ký tự / allowed is one line of at most 500")
    return value


def _loopback(where: str, value: Any) -> str:
    if value not in LOOPBACK:
        raise SettingsError(
            f"{where} = {value!r}: chỉ nhận / allowed is {' | '.join(LOOPBACK)} (chưa có đăng nhập / no login yet)"
        )
    return str(value)


def _http_url(where: str, value: Any) -> str:
    """Without user, password or query: what is secret stands in files of its own."""
    text = _secret(where, value)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query or port == 0:
        raise SettingsError(
            f"{where}: chỉ nhận http(s)://máy[:cổng][/đường-dẫn], không kèm mật khẩu hay ? / allowed is "
            "http(s)://host[:port][/path], without a password or a query (they go into files of their own)"
        )
    return text.rstrip("/")


def _path(where: str, value: Any) -> Path:
    return Path(_text(where, value)).expanduser()


def _yes_no(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{where} = {value!r}: chỉ nhận / allowed is true | false")
    return value


def _any_port(where: str, value: Any) -> int:
    return int(_number(0, 65_535)(where, value))


def _lessons(where: str, value: Any) -> tuple[Lesson, ...]:
    if not isinstance(value, list) or len(value) > bounds.LESSONS:
        raise SettingsError(
            f'{where} = {str(value)[:80]!r}: chỉ nhận danh sách tối đa {bounds.LESSONS} giờ như "2 07:00-11:30" / '
            f"allowed is a list of at most {bounds.LESSONS} such hours"
        )
    out = []
    for entry in value:
        try:
            out.append(hours.parse(str(entry)))
        except ValueError:
            raise SettingsError(
                f'{where}: {str(entry)[:40]!r}: chỉ nhận "2 07:00-11:30" (thứ 2–7 hoặc CN) / '
                'allowed is "2 07:00-11:30" (day 2-7, Monday is 2, or CN for Sunday)'
            ) from None
    return tuple(out)


def _days(where: str, value: Any) -> tuple[str, ...]:
    try:
        if not isinstance(value, list) or len(value) > bounds.EXAM_DAYS:
            raise ValueError
        return tuple(date.fromisoformat(str(entry)).isoformat() for entry in value)
    except ValueError:
        raise SettingsError(
            f'{where} = {str(value)[:80]!r}: chỉ nhận tối đa {bounds.EXAM_DAYS} ngày như "2027-06-11" / '
            f"allowed are at most {bounds.EXAM_DAYS} days like that"
        ) from None


SECTIONS: dict[str, dict[str, Check]] = {
    "": {
        "folder": _path,
        "language": _one_of(*LANGUAGES),
        "plans": _path,
        "follow": _texts,
        "report_days": _number(1, 3_650),
        "demo": _yes_no,
    },
    "web": {"host": _loopback, "port": _any_port},
    "broker": {
        "mode": _one_of("managed", "outside"),
        "bind": _text,
        "port": _number(1, 65_535),
        "websocket_port": _any_port,
        "url": _secret,
        "url_file": _path,
        "ca_file": _path,
        "cert_file": _path,
        "key_file": _path,
        "max_queued_bytes": _number(1_048_576, 2**40),
    },
    "incidents": {
        "contact_seconds": _number(1, 3_600),
        "hold_seconds": _number(0, 86_400),
        "backlog_wait_seconds": _number(1, 86_400),
    },
    "lessons": {"week": _lessons, "exam_days": _days},
    "speed": {
        "days": _number(0, 366),
        "at_once": _number(1, 1_000),
        "at_once_isp": _number(1, 1_000),
        "at_once_area": _number(1, 1_000),
    },
    "office": {
        "governing": _text,
        "name": _text,
        "symbol": _text,
        "place": _text,
        "signer": _text,
        "addressed": _texts,
        "recipients": _texts,
    },
    "series": {
        "kind": _one_of("", *STORES),
        "url": _http_url,
        "database": _text,
        "org": _text,
        "username": _text,
        "password_file": _path,
        "token_file": _path,
        "ca_file": _path,
        "retention_days": _number(0, 36_500),
        "backlog_bytes": _number(16 << 20, 2**44),
        "batch_bytes": _number(16 << 10, 32 << 20),
        "gzip": _yes_no,
    },
    "grafana": {
        "url": _http_url,
        "token_file": _path,
        "ca_file": _path,
        "by": _one_of(*GRAFANA_BY),
        "dashboards": _path,
    },
    "channels": {"url": _secret, "url_file": _path, "language": _one_of(*LANGUAGES)},
}


def load(path: Path) -> Settings:
    """Raises SettingsError. Reads the secret files it names; asks nothing of the network."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: không đọc được / cannot be read: {error}") from None
    try:
        return parse(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: không phải TOML / not TOML: {error}") from None


def parse(raw: dict[str, Any], file: str) -> Settings:
    top = {key: value for key, value in raw.items() if not isinstance(value, dict)}
    values = _checked(file, "", top)
    if "folder" not in values:
        raise SettingsError(
            f"{file}: thiếu folder: nêu thư mục chứa cơ sở dữ liệu / folder is missing: name the folder of the data"
        )
    for section in raw.keys() - top.keys():
        if section not in SECTIONS:
            raise SettingsError(f"{file}: [{section}]: không có mục này / is unknown{_nearest(section, SECTIONS)}")
    channels = raw.get("channels", {})
    return Settings(
        **values,
        web=Web(**_checked(file, "web", raw.get("web", {}))),
        broker=_broker(file, raw.get("broker", {})),
        incidents=Incidents(**_checked(file, "incidents", raw.get("incidents", {}))),
        lessons=LessonHours(**_checked(file, "lessons", raw.get("lessons", {}))),
        speed=SpeedTests(**_checked(file, "speed", raw.get("speed", {}))),
        office=Office(**_checked(file, "office", raw.get("office", {}))),
        series=_series(file, raw.get("series", {})),
        grafana=_grafana(file, raw.get("grafana", {})),
        channels=tuple(_channel(file, name, entry) for name, entry in channels.items()),
    )


def _broker(file: str, raw: dict[str, Any]) -> Broker:
    values = _checked(file, "broker", raw)
    _take_url(values, f"{file}: broker")
    broker = Broker(**values)
    if broker.mode == "outside" and not broker.url:
        raise SettingsError(
            f"{file}: thiếu broker.url hoặc / or broker.url_file is missing: mqtt(s)://user:password@host[:port]"
        )
    if (broker.cert_file is None) != (broker.key_file is None):
        raise SettingsError(f"{file}: broker.cert_file, broker.key_file: phải có cả hai / go together")
    if broker.mode == "managed" and broker.bind not in LOOPBACK and broker.cert_file is None:
        raise SettingsError(
            f"{file}: broker.bind = {broker.bind!r}: chỉ nhận / allowed is {' | '.join(LOOPBACK)}; địa chỉ khác cần "
            "cert_file, key_file (mật khẩu đi qua đó) / any other address needs both (passwords travel on it)"
        )
    return broker


def _series(file: str, raw: dict[str, Any]) -> Series:
    values = _checked(file, "series", raw)
    for key in ("password", "token"):
        _take_secret(values, key, f"{file}: series")
    series = Series(**values)
    needed = {"influxdb1": ("url", "database"), "influxdb2": ("url", "database", "org", "token")}
    needed |= {"influxdb3": ("url", "database", "token"), "victoriametrics": ("url",)}
    for key in needed.get(series.kind, ()):
        if not getattr(series, key):
            shown = f"{key}_file" if key == "token" else key
            raise SettingsError(f"{file}: series.{shown}: {series.kind} cần có / needs it")
    if raw and not series.kind:
        raise SettingsError(f"{file}: series.kind: thiếu / missing: {' | '.join(STORES)}")
    return series


def _grafana(file: str, raw: dict[str, Any]) -> Grafana:
    values = _checked(file, "grafana", raw)
    _take_secret(values, "token", f"{file}: grafana")
    grafana = Grafana(**values)
    for key in ("url", "token") if raw else ():
        if not getattr(grafana, key):
            shown = "token_file" if key == "token" else key
            raise SettingsError(f"{file}: grafana.{shown}: thiếu hoặc rỗng / missing or empty")
    return grafana


def _channel(file: str, name: str, raw: Any) -> Channel:
    if not isinstance(raw, dict):
        raise SettingsError(f"{file}: channels.{name}: phải là một mục / must be a section [channels.{name}], url = …")
    values = _checked(file, "channels", raw, f"channels.{name}")
    _take_url(values, f"{file}: channels.{name}")
    if not values.get("url"):
        raise SettingsError(f"{file}: channels.{name}: thiếu / missing: url | url_file")
    return Channel(name=name, **values)


def _take_secret(values: dict[str, Any], key: str, where: str) -> None:
    """The file is named by `<key>_file` and holds the secret alone."""
    secret = values.pop(f"{key}_file", None)
    if secret is not None:
        try:
            values[key] = _secret(f"{where}.{key}_file", secret.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{where}.{key}_file: {error}") from None


def _take_url(values: dict[str, Any], where: str) -> None:
    secret = values.pop("url_file", None)
    if secret is not None:
        try:
            values["url"] = secret.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{where}.url_file: {error}") from None


def _checked(file: str, section: str, raw: Any, shown: str = "") -> dict[str, Any]:
    shown = shown or section
    if not isinstance(raw, dict):
        raise SettingsError(f"{file}: {shown}: phải là một mục / must be a section [{shown}]")
    known = SECTIONS[section]
    out = {}
    for key, value in raw.items():
        where = f"{file}: {shown + '.' if shown else ''}{key}"
        if key not in known:
            raise SettingsError(f"{where}: không có khóa này / is unknown{_nearest(key, known)}")
        out[key] = known[key](where, value)
    return out


def _nearest(key: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(key, [name for name in known if name], 1)
    return (
        f"; có phải / did you mean {near[0]}?"
        if near
        else f"; chỉ nhận / allowed are {', '.join(name for name in known if name)}"
    )
