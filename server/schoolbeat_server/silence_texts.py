"""What people read of a silence: what is known and what is waited for, in Vietnamese and English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.said import Said
from schoolbeat_server.silence import Point

# (Vietnamese, English). {at}: the time of `minute` or `at_ms`; {first}, {end}: of first_minute and end_minute.
KNOWN: dict[str, tuple[str, str]] = {
    "mains_before": (
        "Bộ lưu điện của trường báo mất điện lưới từ {at}, trước khi mất liên lạc",
        "The school's UPS told of lost mains power from {at}, before contact was lost",
    ),
    "mains_down": (
        "Trong lúc mất liên lạc, bộ lưu điện của trường ghi nhận mất điện lưới {minutes} phút, từ {at}",
        "During the silence the school's UPS saw the mains away in {minutes} min, from {at}",
    ),
    "battery_low": (
        "Bản tin cuối ({at}): bộ lưu điện báo pin yếu",
        "The last report ({at}): the UPS said that its battery is low",
    ),
    "on_battery": (
        "Bản tin cuối ({at}): thiết bị cổng đang chạy bằng bộ lưu điện",
        "The last report ({at}): the gateway was running on its UPS",
    ),
    "undervoltage": (
        "Bản tin cuối ({at}): thiết bị cổng báo nguồn cấp thấp điện áp",
        "The last report ({at}): the gateway told of under-voltage at its supply",
    ),
    "witness_down": (
        "Máy {agent} trong trường gửi tin được {minutes} phút ({first} – {end}), thiết bị cổng không trả lời máy này",
        "Computer {agent} in the school reported in {minutes} min ({first} – {end}) and got no answer from the gateway",
    ),
    "witness_up": (
        "Máy {agent} trong trường gửi tin được {minutes} phút ({first} – {end}), thiết bị cổng vẫn trả lời máy này",
        "Computer {agent} in the school reported in {minutes} min ({first} – {end}), and the gateway answered it",
    ),
    "witness": (
        "Máy {agent} trong trường gửi tin được {minutes} phút ({first} – {end}): trường có mạng",
        "Computer {agent} in the school reported in {minutes} min ({first} – {end}): the school had network",
    ),
    "neighbours": (
        "{silent}/{sites} điểm trường của {area} mất liên lạc cùng lúc, {power} điểm trong đó tự có bằng chứng mất "
        "điện; riêng điểm trường này không có nên chưa kết luận là mất điện",
        "{silent} of {sites} sites in {area} fell silent in the same minutes, {power} of them with evidence of "
        "their own of lost power; this site has none, so it is not concluded",
    ),
    "neighbours_too": (
        "{power}/{sites} điểm trường của {area} mất điện cùng lúc, kể cả điểm trường này",
        "{power} of {sites} sites in {area} lost power in the same minutes, this one with them",
    ),
    "server_away": (
        "Máy chủ hoặc broker của SchoolBeat không hoạt động trong {minutes} phút ({first} – {end})",
        "SchoolBeat's own server or broker was not there for {minutes} min ({first} – {end})",
    ),
    "stranger": (
        "Một máy khác ({machine}) dùng tài khoản của tác tử, tin cuối lúc {at}; số liệu của máy ấy được giữ riêng, "
        "không nói gì về đường truyền",
        "Another machine ({machine}) uses the agent's account, last heard {at}; its data is kept apart and says "
        "nothing of the line",
    ),
}
WAITED: dict[str, tuple[str, str]] = {
    "gateway_return": (
        "thiết bị cổng có liên lạc trở lại (mất liên lạc từ {at})",
        "the return of the gateway (contact lost since {at})",
    ),
    "backlog": (
        "số liệu thiết bị cổng còn giữ: {rows} phút chưa tới; chưa rõ các phút {first} – {end}",
        "the backlog of the gateway: {rows} minutes still to come; minutes {first} – {end} are not known yet",
    ),
    "server": (
        "chính máy chủ: vừa hoạt động lại, đến {at} mới kết luận được là có mất liên lạc hay không",
        "our own server: it is only just back, and until {at} silence says nothing",
    ),
    "account": (
        "thiết bị cổng đăng nhập bằng mật khẩu mới (tài khoản được cấp lại lúc {at}, chưa máy nào dùng)",
        "the gateway to connect with its new password (the account was given anew at {at}, nobody has used it yet)",
    ),
    "operator": (
        "người quản trị nói máy nào là thật",
        "an operator to say which machine is the true one",
    ),
    "first_report": (
        "bản tin đầu tiên của tác tử",
        "the agent's first report",
    ),
    "enrolment": (
        "đăng ký và lắp đặt tác tử cho điểm trường",
        "an agent to be enrolled and installed at the site",
    ),
}


def said(point: Point) -> Said:
    vi, en = KNOWN.get(point.name) or WAITED[point.name]
    return Said(vi.format_map(_told(point.values, "vi")), en.format_map(_told(point.values, "en")))


def _told(values: Mapping[str, int | str], language: str) -> dict[str, str]:
    told = {name: str(value) for name, value in values.items()}
    for name, word in (("minute", "at"), ("first_minute", "first"), ("end_minute", "end")):
        if name in values:
            told[word] = _minute(int(values[name]), language)
    if told.get("first", "")[5:] == told.get("end", "")[5:]:
        told["first"] = told.get("first", "")[:5]  # the day is said once
    if "at_ms" in values:
        told["at"] = clock_and_day(int(values["at_ms"]), language)
    return told


def _minute(minute: int, language: str) -> str:
    """Without its seconds."""
    text = clock_and_day(minute * 60_000, language)
    return text[:5] + text[8:]


def as_facts(points: Iterable[Point]) -> list[dict[str, int | str]]:
    """For an incident's facts."""
    return [{"what": point.name, **point.values} for point in points]


def from_facts(facts: Mapping[str, Any], name: str) -> list[Point]:
    """What stands under `name` in an incident's facts; what this version does not know is left out."""
    return [
        Point(entry["what"], {key: value for key, value in entry.items() if key != "what"})
        for entry in facts.get(name) or ()
        if isinstance(entry, dict) and entry.get("what") in KNOWN.keys() | WAITED.keys()
    ]
