"""agent.toml as frozen settings; every error names file, key, value and what is allowed."""

from __future__ import annotations

import stat
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

from schoolbeat_agent.credentials import CREDENTIAL, Credential
from schoolbeat_agent.settings_keys import DEVICE, SECTIONS, SERVICE, Key
from schoolbeat_agent.texts import Text
from schoolbeat_wire import bounds
from schoolbeat_wire.messages import Ask

T = TypeVar("T")
TEXT: Final = "utf-8-sig"  # editors of Windows begin a file with a mark
SECRETS: Final = "secrets.toml"  # beside agent.toml
DEVICES: Final = "devices.toml"  # what `setup` wrote, beside agent.toml


class SettingsError(ValueError):
    """The text names file, key, value and what is allowed, in both languages."""


@dataclass(frozen=True)
class Broker:
    """How to reach the broker. Certificates are always checked when `tls` is on."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: bool
    ca_file: Path | None
    transport: Literal["tcp", "websockets"]
    websocket_path: str
    keepalive: int
    metered: bool


@dataclass(frozen=True)
class Device:
    """A device on the LAN. ask: what decides its signal; empty: ICMP, or TCP where there is a port.

    credential, snmp: names of entries of secrets.toml; see Settings.credentials.
    """

    id: str
    address: str
    name: str = ""
    kind: str = ""
    room: str = ""
    port: int = 0
    behind: str = "lan.router"
    ask: Ask = ""
    credential: str = ""
    snmp: str = ""
    profile: str = ""
    stream: str = ""
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lessons:
    """week: (weekday 0 Monday, first minute of the day, end) in Viet Nam's time; exam_days: ISO dates."""

    week: tuple[tuple[int, int, int], ...] = ()
    exam_days: tuple[str, ...] = ()


@dataclass(frozen=True)
class Traffic:
    """Where the line's traffic can be counted, and what was contracted. 0: not known."""

    interface: str = ""
    device: str = ""
    port: str = ""
    contract_down_bps: int = 0
    contract_up_bps: int = 0


@dataclass(frozen=True)
class Speed:
    """How speed is tested, if at all."""

    method: Literal["", "ndt7", "librespeed", "iperf3"] = ""
    server: str = ""
    locate: str = "https://locate.measurementlab.net/v2/nearest/ndt/ndt7"
    monthly_bytes: int = 10 * 10**9
    seconds: int = 10
    idle_percent: int = 10
    alone: bool = False


@dataclass(frozen=True)
class Wifi:
    """This machine's radio, the school's networks, and those that are tried as a pupil's seat."""

    radio: str = ""
    ssids: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    credential: str = ""
    url: str = "http://connectivitycheck.gstatic.com/generate_204"
    seat_minutes: int = 15


@dataclass(frozen=True)
class Power:
    """The gateway's UPS: by NUT (ups@host[:port]), or a device's id."""

    nut: str = ""
    ups: str = ""


@dataclass(frozen=True)
class Lan:
    """The interface on which strangers and faults are looked for."""

    watch: str = ""
    minutes: int = 60
    default_passwords: bool = False


@dataclass(frozen=True)
class Page:
    """The page served in the school; port 0: none. networks: who may open it; empty: this machine's own LANs."""

    port: int = 8080
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classroom:
    """Of a classroom's computer: where the site's gateway serves its page. gateway empty: it is not asked."""

    gateway: str = ""
    port: int = 8080


@dataclass(frozen=True)
class Service:
    """A service beyond the line."""

    id: str
    url: str


@dataclass(frozen=True)
class Settings:
    """All of agent.toml."""

    site: str
    agent: str
    role: Literal["gateway", "classroom"]
    server: str
    language: Literal["vi", "en"]
    clock: Literal["kernel", "trust"]
    folder: Path
    report_minutes: int
    probe_seconds: int
    outbox_max_bytes: int
    ca_file: Path | None
    broker: Broker
    router: str
    isp_ttl: int
    domestic: tuple[str, ...]
    international: tuple[str, ...]
    main_edges: tuple[str, ...]
    internet_names: tuple[str, ...]
    internet_targets: tuple[tuple[str, int], ...]
    resolvers: tuple[tuple[str, int], ...]
    known_resolver: tuple[str, int]
    dns_name: str
    services: tuple[Service, ...] = ()
    devices: tuple[Device, ...] = ()
    lessons: Lessons = Lessons()
    traffic: Traffic = Traffic()
    speed: Speed = Speed()
    wifi: Wifi = Wifi()
    power: Power = Power()
    lan: Lan = Lan()
    page: Page = Page()
    classroom: Classroom = Classroom()
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)

    def credential(self, name: str) -> Credential | None:
        """None where the name is empty. ProbeFailed("not_configured") is for the probe to raise when it is unknown."""
        return self.credentials.get(name) if name else None


def load(path: Path) -> Settings:
    """SettingsError for anything that is wrong. Reads the files beside it that it needs; opens no socket."""
    settings = build(_read_toml(path), path, load_secrets(path.with_name(SECRETS)))
    return with_devices(settings, load_devices(path.with_name(DEVICES)), path.with_name(DEVICES))


def load_devices(path: Path) -> tuple[Device, ...]:
    """The [[device]] tables of devices.toml; none where there is no such file."""
    if not path.exists():
        return ()
    return devices_of(_read_toml(path), path)


def devices_of(found: dict[str, Any], path: Path) -> tuple[Device, ...]:
    """From parsed TOML that holds [[device]] tables; `path` stands in errors. left_out is for `setup` alone."""
    _only_known(found, {"device", "left_out"}, "", path)
    return _entries(found, "device", DEVICE, Device, path)


def with_devices(settings: Settings, devices: tuple[Device, ...], path: Path) -> Settings:
    """Those of agent.toml and of devices.toml, which is `path`; an id stands in one of them."""
    taken = {device.id for device in settings.devices}
    for index, device in enumerate(devices, 1):
        if device.id in taken:
            twice = Text("mã chưa có trong agent.toml", "an id that agent.toml does not have")
            raise _wrong(path, f"device[{index}].id", device.id, twice)
    return replace(settings, devices=settings.devices + devices) if devices else settings


def load_secrets(path: Path) -> dict[str, Credential]:
    """The entries of secrets.toml by name; none where there is no such file. SettingsError names no secret."""
    if not path.exists():
        return {}
    found = _read_toml(path)
    _only_known(found, {"credential"}, "", path)
    _refuse_readable_by_all(path, path, "credential")
    return _table_of(found, "credential", CREDENTIAL, "name", Credential, path)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding=TEXT))
    except FileNotFoundError:
        missing = Text(
            "không có tệp {path}; chép mẫu trong docs/agent.md hoặc dùng --config TỆP",
            "there is no file {path}; copy the sample in docs/agent.md or give --config FILE",
        )
        raise SettingsError(missing.both(path=path)) from None
    except (OSError, UnicodeDecodeError) as error:
        unreadable = Text("không đọc được tệp {path}: {error}", "cannot read file {path}: {error}")
        raise SettingsError(unreadable.both(path=path, error=error)) from None
    except tomllib.TOMLDecodeError as error:
        bad = Text("{path}: không phải TOML đúng cú pháp: {error}", "{path}: not valid TOML: {error}")
        raise SettingsError(bad.both(path=path, error=error)) from None


def build(found: dict[str, Any], path: Path, credentials: Mapping[str, Credential] = MappingProxyType({})) -> Settings:
    """Settings from parsed TOML; `path` stands in errors, and relative files are beside it."""
    _only_known(found, {key.name for key in SECTIONS[""]} | set(SECTIONS) - {""} | {"service", "device"}, "", path)
    read = {section: _section(found, section, path) for section in SECTIONS}
    top, broker = read[""], read["broker"]
    return Settings(
        site=top["site"],
        agent=top["agent"],
        role=top["role"],
        server=top["server"],
        language=top["language"],
        clock=top["clock"],
        folder=_beside(path, top["folder"]),
        report_minutes=top["report_minutes"],
        probe_seconds=top["probe_seconds"],
        outbox_max_bytes=top["outbox_max_bytes"],
        ca_file=_file(path, "ca_file", top["ca_file"]),
        broker=_broker(broker, top, path),
        router=read["path"]["router"],
        isp_ttl=read["path"]["isp_ttl"],
        domestic=read["path"]["domestic"],
        international=read["path"]["international"],
        main_edges=read["path"]["main_edges"],
        internet_names=read["internet"]["names"],
        internet_targets=read["internet"]["targets"],
        resolvers=read["dns"]["resolvers"],
        known_resolver=read["dns"]["known"],
        dns_name=read["dns"]["name"],
        services=_entries(found, "service", SERVICE, Service, path),
        devices=_entries(found, "device", DEVICE, Device, path),
        lessons=Lessons(**read["lessons"]),
        traffic=Traffic(**read["traffic"]),
        speed=Speed(**read["speed"]),
        wifi=Wifi(**read["wifi"]),
        power=Power(**read["power"]),
        lan=Lan(**read["lan"]),
        page=Page(**read["page"]),
        classroom=Classroom(**read["classroom"]),
        credentials=credentials,
    )


def _section(found: dict[str, Any], section: str, path: Path) -> dict[str, Any]:
    table = found.get(section, {}) if section else found
    if not isinstance(table, dict):
        raise _wrong(
            path, section, _shown(table, SECTIONS[section]), Text(f"một bảng [{section}]", f"a table [{section}]")
        )
    if section:
        _only_known(table, {key.name for key in SECTIONS[section]}, section, path)
    return {key.name: _value(key, table, section, path) for key in SECTIONS[section]}


def _value(key: Key, table: Mapping[str, Any], section: str, path: Path) -> Any:
    full = f"{section}.{key.name}" if section else key.name
    if key.name not in table:
        if key.required:
            missing = Text("{path}: thiếu khóa {key}: {allowed}", "{path}: key {key} is missing: {allowed}")
            raise SettingsError(
                f"{missing.vi.format(path=path, key=full, allowed=key.allowed.vi)} / "
                f"{missing.en.format(path=path, key=full, allowed=key.allowed.en)}"
            )
        return key.default
    try:
        return key.parse(table[key.name])
    except (ValueError, TypeError):
        shown = "…" if key.secret else table[key.name]
        raise _wrong(path, full, shown, key.allowed) from None


def _wrong(path: Path, key: str, value: object, allowed: Text) -> SettingsError:
    shown = repr(value)[:80]
    return SettingsError(
        f"{path}: {key} = {shown}: cho phép {allowed.vi} / {path}: {key} = {shown}: allowed is {allowed.en}"
    )


def _shown(value: object, keys: Iterable[Key]) -> object:
    """What stands in the place of a table or list of tables: a password may be anywhere in it."""
    return "…" if isinstance(value, dict | list) or any(key.secret for key in keys) else value


def _only_known(table: Mapping[str, Any], known: set[str], section: str, path: Path) -> None:
    for name in table:
        if name not in known:
            from difflib import get_close_matches  # only needed to word an error

            full = f"{section}.{name}" if section else name
            near = get_close_matches(name, known, 1, 0.4)
            vi = f"; có phải {near[0]}?" if near else f"; các khóa có: {', '.join(sorted(known))}"
            en = f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(sorted(known))}"
            raise SettingsError(f"{path}: không có khóa {full}{vi} / {path}: unknown key {full}{en}")


def _entries(
    found: dict[str, Any], section: str, keys: tuple[Key, ...], make: Callable[..., T], path: Path
) -> tuple[T, ...]:
    return tuple(_table_of(found, section, keys, "id", make, path).values())


def _table_of(
    found: dict[str, Any], section: str, keys: tuple[Key, ...], key: str, make: Callable[..., T], path: Path
) -> dict[str, T]:
    tables = found.get(section, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _wrong(path, section, _shown(tables, keys), Text(f"các bảng [[{section}]]", f"tables [[{section}]]"))
    out: dict[str, T] = {}
    for index, table in enumerate(tables, 1):
        _only_known(table, {key.name for key in keys}, f"{section}[{index}]", path)
        values = {key.name: _value(key, table, f"{section}[{index}]", path) for key in keys}
        if values[key] in out:
            twice = Text(
                f"mỗi {key} một lần; {key} này đã có ở trên", f"each {key} once; this one stands above already"
            )
            raise _wrong(path, f"{section}[{index}].{key}", values[key], twice)
        out[values[key]] = make(**values)
    if len(out) > bounds.DEVICES // 2:
        raise _wrong(
            path, section, len(out), Text(f"nhiều nhất {bounds.DEVICES // 2}", f"at most {bounds.DEVICES // 2}")
        )
    return out


def _broker(read: dict[str, Any], top: dict[str, Any], path: Path) -> Broker:
    if read["password"] and read["password_file"]:
        one = Text("chỉ một trong password và password_file", "only one of password and password_file")
        raise _wrong(path, "broker.password_file", read["password_file"], one)
    password = read["password"]
    if password:
        _refuse_readable_by_all(path, path, "broker.password")
    elif read["password_file"]:
        password = _password(_beside(path, read["password_file"]), path)
    websockets, tls = read["transport"] == "websockets", read["tls"]
    standard_port = (443 if tls else 80) if websockets else (8883 if tls else 1883)
    return Broker(
        host=read["host"],
        port=read["port"] or standard_port,
        username=read["username"] or f"{top['site']}.{top['agent']}",
        password=password,
        tls=tls,
        ca_file=_file(path, "broker.ca_file", read["ca_file"]),
        transport=read["transport"],
        websocket_path=read["websocket_path"],
        keepalive=read["keepalive"] or (60 if read["metered"] else 10),
        metered=read["metered"],
    )


def _password(file: Path, path: Path) -> str:
    try:
        text = file.read_text(encoding=TEXT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            path, "broker.password_file", str(file), Text(f"tệp đọc được ({error})", f"a readable file ({error})")
        ) from None
    _refuse_readable_by_all(file, path, "broker.password_file")
    if not text or len(text) > 200 or bounds.CONTROL.search(text):
        raise _wrong(
            path, "broker.password_file", str(file), Text("một dòng 1–200 ký tự", "one line of 1-200 characters")
        )
    return text


def _refuse_readable_by_all(file: Path, path: Path, key: str) -> None:
    if sys.platform != "win32" and file.exists() and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        private = Text(f"tệp chỉ chủ đọc được: chmod 600 {file}", f"a file that only its owner reads: chmod 600 {file}")
        raise _wrong(path, key, str(file), private)


def _beside(path: Path, name: str) -> Path:
    return path.parent.resolve() / Path(name).expanduser()


def _file(path: Path, key: str, name: str) -> Path | None:
    if not name:
        return None
    file = _beside(path, name)
    if not file.is_file():
        raise _wrong(path, key, str(file), Text("một tệp PEM có thật", "a PEM file that exists"))
    return file


def effective_keepalive(settings: Settings, configured: int | None) -> int:
    """The server's wish, except that a metered line stays slow."""
    if configured is None:
        return settings.broker.keepalive
    return max(configured, settings.broker.keepalive) if settings.broker.metered else configured
