"""`once`: every probe one time, as a table that a technician can act on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TextIO
from urllib.parse import unquote

from schoolbeat_agent import clock, inventory
from schoolbeat_agent.observation import Run, State
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import measure
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.texts import Language, Text
from schoolbeat_agent.watch import Watch
from schoolbeat_wire import catalogue, codes

TIMEOUT_SECONDS: Final = 15.0
PROGRESS_SECONDS: Final = 2.0

PROBE_NAMES: Final = {
    "host": Text("Máy chạy tác tử", "This machine"),
    "path": Text("Đường đi từng chặng", "The path, rung by rung"),
    "internet": Text("Internet của trường", "The school's Internet"),
    "icmp": Text("Thiết bị (ICMP)", "Device (ICMP)"),
    "tcp": Text("Thiết bị (TCP)", "Device (TCP)"),
    "dns": Text("Phân giải tên miền", "Name resolution"),
    "http": Text("Dịch vụ", "Service"),
    "snmp": Text("Thiết bị (SNMP)", "Device (SNMP)"),
    "pjlink": Text("Máy chiếu (PJLink)", "Projector (PJLink)"),
    "display": Text("Bảng, màn hình", "Board or display"),
    "rtsp": Text("Hình của camera (RTSP)", "Camera's video (RTSP)"),
    "onvif": Text("Camera, đầu ghi (ONVIF)", "Camera or recorder (ONVIF)"),
    "wifi_heard": Text("Sóng Wi-Fi nghe được", "Wi-Fi heard"),
    "wifi_seat": Text("Chỗ ngồi dùng Wi-Fi", "A seat on the Wi-Fi"),
    "ups": Text("Bộ lưu điện", "UPS"),
    "traffic": Text("Lưu lượng đường truyền", "The line's traffic"),
    "speed": Text("Đo tốc độ", "Speed test"),
    "lan": Text("Máy lạ và lỗi trong mạng LAN", "Strangers and faults on the LAN"),
    "witness": Text("Thiết bị cổng, nhìn từ đây", "The gateway, seen from here"),
}

SIGNAL_NAMES: Final = {
    "lan.router": Text("Bộ định tuyến của trường", "The school's router"),
    "line.isp": Text("Biên nhà mạng", "The ISP's edge"),
    "line.domestic": Text("Mạng trong nước", "Domestic network"),
    "line.international": Text("Mạng quốc tế", "International network"),
    "line.main": Text("Đang dùng đường truyền chính", "The main line is in use"),
    "lesson.video": Text("Học được qua video", "Good enough for a video lesson"),
    "line.internet": Text("Internet dùng được", "Usable Internet"),
    "power.mains": Text("Điện lưới", "Mains power"),
}

# What to do, by cause.
REMEDIES: Final = {
    "other_line": Text(
        "đường truyền chính hỏng hoặc bị rút: gọi nhà mạng", "the main line is broken or unplugged: call the ISP"
    ),
    "timeout": Text("xem thiết bị có bật và cắm cáp không", "see whether it is switched on and plugged in"),
    "refused": Text(
        "máy sống nhưng cổng đóng: kiểm tra cổng trong cấu hình",
        "the machine lives, the port is closed: check the port",
    ),
    "unreachable": Text("kiểm tra địa chỉ và cáp", "check address and cable"),
    "no_permission": Text(
        "cài deploy/60-schoolbeat-ping.conf vào /etc/sysctl.d rồi `sysctl --system`, hoặc cấp CAP_NET_RAW",
        "put deploy/60-schoolbeat-ping.conf into /etc/sysctl.d and run `sysctl --system`, or grant CAP_NET_RAW",
    ),
    "no_router": Text(
        "kiểm tra cáp tới bộ định tuyến và DHCP, hoặc điền path.router",
        "check the cable to the router and DHCP, or set path.router",
    ),
    "not_configured": Text("điền khóa còn thiếu trong agent.toml", "set the missing key in agent.toml"),
    "name_unknown": Text("kiểm tra tên miền trong cấu hình", "check the name in the configuration"),
    "resolver_failed": Text("kiểm tra máy phân giải của bộ định tuyến", "check the router's resolver"),
    "tls_invalid": Text(
        "kiểm tra giờ của máy này và chứng thư của dịch vụ", "check this machine's clock and the service's certificate"
    ),
    "http_status": Text("báo cho bên quản lý dịch vụ", "tell those who run the service"),
    "bad_answer": Text(
        "khởi động lại thiết bị; nếu vẫn vậy, xem `ask` và cổng của nó trong cấu hình",
        "restart the device; if it goes on, look at its `ask` and port in the configuration",
    ),
    "hung": Text(
        "chạy lại; nếu vẫn treo, gửi nhật ký cho tỉnh", "run again; if it still hangs, send the log to the province"
    ),
    "internal": Text("gửi dòng này cho tỉnh", "send this line to the province"),
    "no_carrier": Text("cắm lại cáp mạng", "plug the network cable in again"),
    "auth_failed": Text("sửa mục của thiết bị này trong secrets.toml", "correct this device's entry in secrets.toml"),
    "no_video": Text(
        "mở hình bằng phần mềm của camera; nếu cũng không có, khởi động lại camera",
        "open the video with the camera's own program; if there is none either, restart the camera",
    ),
    "no_lease": Text(
        "xem bộ định tuyến còn địa chỉ để cấp không (DHCP)", "see whether the router has addresses left (DHCP)"
    ),
    "not_heard": Text("xem điểm phát gần nhất có điện không", "see whether the nearest access point has power"),
    "join_failed": Text("kiểm tra mật khẩu Wi-Fi trong secrets.toml", "check the Wi-Fi password in secrets.toml"),
    "no_radio": Text("cắm thêm một USB Wi-Fi, hoặc bỏ mục [wifi]", "plug in a USB Wi-Fi stick, or remove [wifi]"),
    "device_error": Text("xem màn hình hoặc đèn báo của thiết bị", "look at the device's own screen or lights"),
    "too_much": Text("gửi dòng này cho tỉnh", "send this line to the province"),
    "mains_lost": Text("xem cầu dao và ổ cắm của bộ lưu điện", "look at the fuse and the socket of the UPS"),
    "busy": Text("không cần làm gì: sẽ đo khi đường rảnh", "nothing: it is measured when the line is idle"),
    "over_budget": Text("không cần làm gì: tháng sau đo tiếp", "nothing: it goes on next month"),
    "not_now": Text("không cần làm gì: sẽ đo ngoài giờ học", "nothing: it is measured outside lessons"),
    "aborted": Text("không cần làm gì: sẽ đo lại", "nothing: it is measured again"),
    "no_capacity": Text("không cần làm gì: sẽ đo lại", "nothing: it is measured again"),
    "radio_busy": Text("không cần làm gì: sẽ đo lại", "nothing: it is measured again"),
    "not_installed": Text("cài chương trình nêu trên bằng apt", "install the named program with apt"),
}
# Where what does not answer is no device of the school's.
REMEDIES_BEYOND: Final = {
    "timeout": Text(
        "xem modem quang: có điện không, đèn LOS có đỏ không; nếu tốt cả, gọi nhà mạng",
        "look at the optical modem: its power, a red LOS light; if all is well, call the provider",
    ),
    "refused": Text(
        "xem tường lửa của trường và máy chủ ghi trong cấu hình",
        "look at the school's firewall and at the server that the configuration names",
    ),
}
REMEDIES_BEYOND["bad_answer"] = Text(
    "có thể một trang chặn (captive portal) trả lời thay", "maybe a captive portal answers in its place"
)
REMEDIES_BEYOND["unreachable"] = REMEDIES_BEYOND["timeout"]
BEYOND: Final = ("internet", "dns", "http")  # probes; and of "path" all but the router
# What one run alone cannot tell.
_NOT_AT_ONCE: Final = {
    "speed": Text(
        "không đo bây giờ: chỉ khi tới lượt, ngoài giờ học và lúc đường rảnh",
        "not now: only when it is this school's turn, outside lessons, on an idle line",
    ),
    "traffic": Text(
        "cần đếm hai lần: tác tử đang chạy sẽ báo", "this takes two counts: the agent tells it when it runs"
    ),
}
_NOTHING: Final = Text("chưa có gì để báo", "nothing to tell yet")
CHECK_NAMES: Final = {
    State.UP: "✓",
    State.DOWN: "✗",
    State.UNSEEN: "?",
}
_UNSEEN = Text(
    "không tự lộ diện từ đây: không tính lên, không tính xuống", "does not show itself from here: neither up nor down"
)
_WHAT, _VALUE = Text("Đo gì", "What"), Text("Giá trị", "Value")
_CAUSE, _REMEDY = Text("Nguyên nhân", "Cause"), Text("Cần làm", "What to do")
WHAT_LETTERS: Final = 34  # a name longer than this pushes its value to the right; nothing is cut
_PROGRESS = Text("đang đo… {seconds} s, còn {left} phép đo", "measuring… {seconds} s, {left} probes to go")
_ALL_WELL = Text("Mọi thứ đều trả lời.", "Everything answers.")
_SOME_NOT = Text("{count} mục cần xem lại.", "To look at: {count}.")


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    mark: str
    what: str
    value: str = ""
    cause: str = ""
    remedy: str = ""


def lines_of(watch: Watch, run: Run, names: dict[str, str], language: Language) -> list[Line]:
    """What a run says, in words."""
    title = PROBE_NAMES[watch.probe].say(language)
    if run.observation is None:
        what, of = title, watch.signals[0] if len(watch.signals) == 1 else watch.about
        if of.startswith(("device.", "service.", "wifi.")):
            what = f"{title}: {_named(of, names, language)}"
        return [Line("✗", what, run.detail, *_why(run.failure or "internal", language, watch.probe in BEYOND))]
    seen = run.observation
    out = []
    for signal in watch.signals:
        state = seen.states.get(signal, State.UNSEEN)
        value = _values(signal, seen.readings, seen.notes.get(signal, ""), language)
        cause, remedy = "", ""
        if state is State.DOWN:
            is_beyond = watch.probe in BEYOND or signal.startswith("line.")
            cause, remedy = _why(seen.causes.get(signal, "timeout"), language, is_beyond)
        if state is State.UNSEEN:
            cause = _UNSEEN.say(language)
        out.append(Line(CHECK_NAMES[state], _named(signal, names, language), value, cause, remedy))
    subjects = dict.fromkeys(subject for subject, _ in seen.readings if subject not in watch.signals)
    out += [
        Line(
            "✓", _titled(title, subject, names), _values(subject, seen.readings, seen.notes.get(subject, ""), language)
        )
        for subject in subjects
    ]
    return out or [Line("–", title, _NOT_AT_ONCE.get(watch.probe, _NOTHING).say(language))]


def _titled(title: str, subject: str, names: dict[str, str]) -> str:
    """With the device's name, and that of its part: a port, a radio."""
    if "." not in subject:
        return title
    owners = [owner for owner in names if names[owner] and f"{subject}.".startswith(f"{owner}.")]
    if not owners:
        return f"{title}: {unquote(subject.partition('.')[2])}"
    owner = max(owners, key=len)
    return f"{title}: {' '.join(filter(None, (names[owner], unquote(subject[len(owner) + 1 :]))))}"


def _why(cause: str, language: Language, is_beyond: bool) -> tuple[str, str]:
    _, vi, en = catalogue.CAUSES.get(cause, catalogue.CAUSES["internal"])
    remedies = REMEDIES | REMEDIES_BEYOND if is_beyond else REMEDIES
    return (vi if language == "vi" else en), remedies[cause].say(language) if cause in remedies else ""


def _named(signal: str, names: dict[str, str], language: Language) -> str:
    if signal in SIGNAL_NAMES:
        return SIGNAL_NAMES[signal].say(language)
    return names.get(signal) or unquote(signal.partition(".")[2])  # a Wi-Fi's name may hold any sign


def _values(subject: str, readings: dict[tuple[str, str], float], note: str, language: Language) -> str:
    parts = [note] if note else []
    for (owner, reading), value in readings.items():
        if owner == subject:
            name = codes.title(reading, language)
            word = codes.word(reading, value, language)
            said = f": {word}" if word else f" {shown(value, catalogue.READINGS[reading], language)}"
            parts.append(f"{_within(name)}{said}")
    return " · ".join(parts)


def _within(name: str) -> str:
    """A title inside a sentence; CPU, DHCP and the like stay as they are."""
    return name if name[1:2].isupper() else f"{name[0].lower()}{name[1:]}"


def shown(value: float, reading: catalogue.Reading, language: Language) -> str:
    """A number as people read it: 75,9 GiB, 1 giờ 18 phút, 0,7 ms."""
    if reading.unit == "B":
        text, unit = f"{value / 2**30:.1f}", "GiB"
    elif reading.unit == "s" and value >= 3_600:
        hours, minutes = divmod(int(value) // 60, 60)
        return f"{hours} giờ {minutes} phút" if language == "vi" else f"{hours} h {minutes} min"
    elif reading.unit == "d":
        text, unit = f"{value:.0f}", "ngày" if language == "vi" else "days"
    else:
        unit = "" if reading.unit in ("1", "code") else reading.unit
        text = f"{value:.{min(reading.decimals, 1)}f}"
    return f"{text.replace('.', ',') if language == 'vi' else text} {unit}".rstrip()


def drawn(lines: list[Line], language: Language) -> str:
    """Two columns under a heading; cause and remedy below their line, so that it fits a phone's terminal too."""
    width = max((len(line.what) for line in lines if len(line.what) <= WHAT_LETTERS), default=0)
    out = [f"  {_WHAT.say(language):{width}}  {_VALUE.say(language)}"] if lines else []
    for line in lines:
        out.append(f"{line.mark} {line.what:{width}}  {line.value}".rstrip())
        if line.cause:
            out.append(f"    {_CAUSE.say(language)}: {line.cause}")
        if line.remedy:
            out.append(f"    {_REMEDY.say(language)}: {line.remedy}")
    wrong = sum(line.mark == "✗" for line in lines)
    out.append("")
    out.append(_SOME_NOT.say(language, count=wrong) if wrong else _ALL_WELL.say(language))
    return "\n".join(out)


async def measured_once(settings: Settings, language: Language, progress: TextIO) -> tuple[str, bool]:
    """The table, and whether everything was measured and up."""
    watches = inventory.watches(settings)
    world = World(ca_file=settings.ca_file, lessons=settings.lessons)
    tasks = [
        asyncio.create_task(measure(watch, world, watch.timeout_seconds or TIMEOUT_SECONDS, clock.boot_seconds))
        for watch in watches
    ]
    seconds = 0.0
    while left := sum(not task.done() for task in tasks):
        await asyncio.wait([task for task in tasks if not task.done()], timeout=PROGRESS_SECONDS)
        seconds += PROGRESS_SECONDS
        if left := sum(not task.done() for task in tasks):
            print(_PROGRESS.say(language, seconds=int(seconds), left=left), file=progress, flush=True)
    names = {f"device.{device.id}": device.name for device in inventory.devices(settings)}
    lines = list(
        dict.fromkeys(
            line
            for watch, task in zip(watches, tasks, strict=True)
            for line in lines_of(watch, task.result(), names, language)
        )
    )
    return drawn(lines, language), all(line.mark != "✗" for line in lines)
