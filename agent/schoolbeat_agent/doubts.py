"""What is allowed in the settings and yet cannot work: names that nothing has, and halves without the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from schoolbeat_agent.settings import Device, Settings
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire.catalogue import DEVICE_KINDS

_NO_ENTRY = Text(
    "{key} = {name!r}: secrets.toml không có mục này, nên không hỏi được; thêm mục [[credential]]",
    "{key} = {name!r}: secrets.toml has no such entry, so it cannot be asked; add a [[credential]]",
)
_NO_SNMP = Text(
    "{key}: hỏi bằng SNMP mà không có snmp hay credential; điền tên một mục của secrets.toml",
    "{key}: asked by SNMP, but neither snmp nor credential is set; name an entry of secrets.toml",
)
_NO_PROFILE = Text(
    '{key}: ask = "display" mà không có profile; docs/probes/display.md có danh sách',
    '{key}: ask = "display", but no profile; docs/probes/display.md lists them',
)
_NO_KIND = Text(
    '{key}.kind = {kind!r}: không có loại này, nên được coi là "other"; có: {kinds}',
    '{key}.kind = {kind!r}: there is no such kind, so it counts as "other"; there are: {kinds}',
)
_NO_DEVICE = Text(
    "{key} = {name!r}: không có [[device]] nào mang mã này", "{key} = {name!r}: there is no [[device]] of this id"
)
_NO_READER = Text(
    "{key} = {name!r}: thiết bị này không được đọc bằng SNMP; điền snmp của nó",
    "{key} = {name!r}: this device is not read by SNMP; set its snmp",
)
_NO_PORT = Text(
    "traffic.device mà không có traffic.port: không biết đếm ở cổng nào",
    "traffic.device without traffic.port: which port counts is not known",
)
_NO_SERVER = Text(
    "speed.method = {method!r} cần speed.server; chưa có nên không đo tốc độ",
    "speed.method = {method!r} needs speed.server; without it no speed is tested",
)
_NO_RADIO = Text(
    "wifi.seats cần wifi.radio: tên một cổng Wi-Fi thứ hai", "wifi.seats needs wifi.radio: the name of a second radio"
)


def doubts(settings: Settings, language: Language) -> list[str]:
    """One sentence each, of what names the key and says what to do."""
    parts = (_of_devices(settings, language), _of_sections(settings, language))
    return [sentence for part in parts for sentence in part]


def _of_devices(settings: Settings, language: Language) -> Iterator[str]:
    for device in settings.devices:
        key = f"device {device.id}"
        for part, name in (("credential", device.credential), ("snmp", device.snmp)):
            if name and settings.credential(name) is None:
                yield _NO_ENTRY.say(language, key=f"{key}: {part}", name=name)
        if device.ask == "snmp" and not (device.snmp or device.credential):
            yield _NO_SNMP.say(language, key=key)
        if device.ask == "display" and not device.profile:
            yield _NO_PROFILE.say(language, key=key)
        if device.kind and device.kind not in DEVICE_KINDS:
            yield _NO_KIND.say(language, key=key, kind=device.kind, kinds=", ".join(DEVICE_KINDS))


def _of_sections(settings: Settings, language: Language) -> Iterator[str]:
    devices = {device.id: device for device in settings.devices}
    traffic, wifi = settings.traffic, settings.wifi
    if traffic.device:
        yield from _read_by_snmp("traffic.device", traffic.device, devices, language)
        if not traffic.port:
            yield _NO_PORT.say(language)
    if settings.power.ups and not settings.power.nut:
        yield from _read_by_snmp("power.ups", settings.power.ups, devices, language)
    if settings.speed.method in ("librespeed", "iperf3") and not settings.speed.server:
        yield _NO_SERVER.say(language, method=settings.speed.method)
    if wifi.seats and not wifi.radio:
        yield _NO_RADIO.say(language)
    if wifi.credential and settings.credential(wifi.credential) is None:
        yield _NO_ENTRY.say(language, key="wifi.credential", name=wifi.credential)


def _read_by_snmp(key: str, name: str, devices: dict[str, Device], language: Language) -> Iterator[str]:
    device = devices.get(name)
    if device is None:
        yield _NO_DEVICE.say(language, key=key, name=name)
    elif not device.snmp and device.ask != "snmp":
        yield _NO_READER.say(language, key=key, name=name)
