"""Rooms and devices: boards, projectors, cameras; what answers, how old its lamp is, whether its clock is right."""

from __future__ import annotations

from typing import Final

from dashboards import look
from dashboards.asked import (
    ALWAYS,
    AROUND_THE_CLOCK,
    HOW,
    IN_LESSONS,
    LESSONS,
    TIME_DOWN,
    available,
    down_seconds,
    outages,
    reading,
    rooms_now,
    unknown_share,
)
from dashboards.boards import Board
from dashboards.look import Look
from dashboards.panels import SITE_PAGE, Heading, Panel
from dashboards.queries import PLACE, Of, Over, Query, Where, chosen, is_, like
from dashboards.variables import AREA, ROOM, SCHOOL, SITE
from schoolbeat_server.said import Said

HERE: Final = chosen("room")
DEVICE: Final = ("site", "label")
SHOWS: Final = like("kind", "board|television")
PROJECTORS: Final = is_("kind", "projector")
CAMERAS: Final = like("kind", "camera|recorder")
DISPLAYS: Final = like("kind", "board|projector|television")
THINGS: Final = like("signal", "device\\..+")
THINGS_OF: Final = like("subject", "device\\..+")


def _timeline(title: Said, about: Said, kind: Where) -> Panel:
    up = Query(
        Said("Trả lời", "Answers"),
        "schoolbeat_minute",
        Of("up_seconds", "min"),
        DEVICE,
        (*PLACE, HERE, kind, THINGS),
    )
    return Panel("timeline", title, about, (up,), (look.MINUTE,), 24, 8)


def _last(name: Said, field: str, kind: Where) -> Query:
    return reading(name, field, "last", HERE, kind, by=DEVICE, per="range")


READY: Final = rooms_now(
    Said("Phòng lúc này", "Rooms now"),
    Said(
        "Từng phòng: sẵn sàng cho tiết học hay không, cần mấy thiết bị, mấy thiết bị trả lời. Ô trống là chưa biết, "
        "không phải là hỏng. Việc cần làm: phòng chưa sẵn sàng thì xem các dải bên dưới để biết thiết bị nào im.",
        "Each room: ready for a lesson or not, how many items it needs, how many answer. Blank is unknown, not broken. "
        "To do: for a room that is not ready the strips below show which device is silent.",
    ),
    HERE,
)
LEVELS: Final = Panel(
    "bars",
    Said("Phòng sẵn sàng theo mức", "Rooms ready, by level"),
    Said(
        "Số phòng sẵn sàng của từng mức phòng thông minh. Việc cần làm: so với số phòng kế hoạch hứa; phòng chưa biết "
        "không tính là sẵn sàng cũng không tính là hỏng.",
        "Rooms ready of each smart level. To do: compare with what the plan promises; rooms unknown are neither ready "
        "nor broken.",
    ),
    (
        Query(
            Said("Sẵn sàng", "Ready"),
            "schoolbeat_room",
            Over("ready", "last", "sum", ("site", "room")),
            ("level",),
            (*PLACE, HERE),
            "now",
        ),
    ),
    (look.COUNT,),
    8,
    step="5m",
)
BOARDS: Final = _timeline(
    Said("Bảng tương tác, ti vi", "Interactive boards, televisions"),
    Said(
        "Từng bảng và ti vi có trả lời hay không; mỗi ô là phút kém nhất. Chỗ trống là chưa biết. Ban đêm im là bình "
        "thường. Việc cần làm: im trong giờ học thì xem nguồn và dây mạng của phòng.",
        "Whether each board and television answers; each cell is its worst minute. Blank is unknown. Silence at night "
        "is normal. To do: silent in lessons means the room's power and network cable.",
    ),
    SHOWS,
)
PROJECTED: Final = _timeline(
    Said("Máy chiếu", "Projectors"),
    Said(
        "Từng máy chiếu có trả lời hay không. Việc cần làm: máy im khi đã bật thì thử mạng của máy; im cả phòng thì là "
        "điện.",
        "Whether each projector answers. To do: silent though switched on is its network; the whole room silent is "
        "power.",
    ),
    PROJECTORS,
)
WATCHED: Final = _timeline(
    Said("Camera, đầu ghi hình", "Cameras, recorders"),
    Said(
        "Từng camera và đầu ghi có trả lời hay không, cả ngày đêm. SchoolBeat không lấy hình nào. Việc cần làm: nhiều "
        "camera cùng im thường là một bộ chuyển mạch.",
        "Whether each camera and recorder answers, day and night. SchoolBeat takes no picture. To do: several silent "
        "together are often one switch.",
    ),
    CAMERAS,
)
POWER: Final = Panel(
    "timeline",
    Said("Nguồn của máy chiếu, bảng", "Power of projectors and boards"),
    Said(
        "Thiết bị tự báo đang bật, chờ, nguội hay khởi động. Việc cần làm: bật suốt đêm thì tắt để giữ bóng đèn.",
        "Whether the device itself says on, standby, cooling or warming up. To do: what is on all night is to be "
        "switched off, for its lamp's sake.",
    ),
    (reading(Said("Nguồn", "Power"), "power_state", "last", HERE, DISPLAYS, by=DEVICE),),
    (look.POWER_STATE,),
    24,
    7,
)
LAMPS: Final = Panel(
    "table",
    Said("Đèn, lưới lọc, giờ bật", "Lamps, filters, hours"),
    Said(
        "Số giờ đèn, lưới lọc và giờ bật mà thiết bị báo gần đây nhất, nhiều nhất ở trên. Ngưỡng màu là giả định chung "
        "(3.000 và 5.000 giờ); đời bóng thật ở sách của máy. Việc cần làm: đặt mua bóng trước khi đến hạn, vệ sinh "
        "lưới lọc.",
        "Hours of lamp, filter and power that the device told last, the most first. The colours' thresholds are a "
        "common assumption (3,000 and 5,000 hours); the manual has the lamp's real life. To do: order lamps in time, "
        "clean filters.",
    ),
    (
        _last(Said("Giờ đèn", "Lamp hours"), "lamp_hours", DISPLAYS),
        _last(Said("Giờ lưới lọc", "Filter hours"), "filter_hours", DISPLAYS),
        _last(Said("Giờ bật", "Hours on"), "on_hours", DISPLAYS),
        _last(Said("Mã lỗi", "Fault code"), "error_flags", DISPLAYS),
    ),
    (look.LAMP, Look("h", 0), Look("h", 0), look.COUNT_BAD),
    links=(SITE_PAGE,),
    sort=("Lamp hours", True),
)
CLOCKS: Final = Panel(
    "chart",
    Said("Đồng hồ camera lệch", "Camera clocks off by"),
    Said(
        "Đồng hồ của camera và đầu ghi lệch bao nhiêu giây so với thiết bị cổng. Việc cần làm: lệch trên một phút thì "
        "bản ghi không dùng làm bằng chứng được; bật đồng bộ giờ (NTP) trong camera.",
        "By how many seconds the clocks of cameras and recorders differ from the gateway's. To do: over a minute their "
        "recordings prove nothing; switch on NTP in the camera.",
    ),
    (reading(Said("Lệch", "Off by"), "clock_offset_seconds", "mean", HERE, CAMERAS, by=DEVICE),),
    (look.CLOCK,),
)
CAMERA_STATE: Final = Panel(
    "table",
    Said("Camera, đầu ghi: điều cần biết", "Cameras and recorders: what to know"),
    Said(
        "Lần đo gần nhất: đồng hồ lệch, đang ghi, dung lượng đã dùng, ổ đĩa hỏng, thời gian tới hình đầu tiên. Việc "
        "cần làm: không ghi hoặc có ổ hỏng thì sửa ngay; ổ đầy thì xem lại số ngày lưu.",
        "As last measured: clock, recording, storage used, faulty disks, time to the first picture. To do: not "
        "recording or a faulty disk is to be mended now; a full disk means the days kept.",
    ),
    (
        _last(Said("Đồng hồ lệch", "Clock off by"), "clock_offset_seconds", CAMERAS),
        _last(Said("Đang ghi", "Recording"), "recording", CAMERAS),
        _last(Said("Lưu trữ đã dùng", "Storage used"), "storage_used_percent", CAMERAS),
        _last(Said("Ổ đĩa hỏng", "Faulty disks"), "disks_faulty", CAMERAS),
        _last(Said("Tới hình đầu tiên", "To the first picture"), "video_ms", CAMERAS),
    ),
    (look.CLOCK, look.RECORDING, look.USED, look.COUNT_BAD, look.AS_TOLD),
    links=(SITE_PAGE,),
)
SAFETY: Final = Panel(
    "table",
    Said("An toàn thiết bị", "Safety of devices"),
    Said(
        "Thiết bị xem được hình không cần mật khẩu, còn mật khẩu mặc định, mở cổng telnet, phần sụn đã bao nhiêu ngày. "
        "Việc cần làm: đổi mật khẩu và tắt telnet trước; cập nhật phần sụn khi nghỉ.",
        "Devices whose video needs no password, that still take the default password, have telnet open, and how old "
        "their firmware is. To do: passwords and telnet first; firmware in the holidays.",
    ),
    (
        _last(Said("Hình không cần mật khẩu", "Video without password"), "open_stream", THINGS_OF),
        _last(Said("Mật khẩu mặc định", "Default password"), "default_password", THINGS_OF),
        _last(Said("Telnet mở", "Telnet open"), "telnet_open", THINGS_OF),
        _last(Said("Tuổi phần sụn", "Firmware age"), "firmware_age_days", THINGS_OF),
    ),
    (look.FOUND, look.FOUND, look.FOUND, look.AGE_DAYS),
    links=(SITE_PAGE,),
)
MONTH: Final = Panel(
    "table",
    Said("Thiết bị kém nhất, 30 ngày", "Worst devices, 30 days"),
    Said(
        f"Từng thiết bị trong 30 ngày qua, kém nhất trong giờ học ở trên. {HOW.vi} Việc cần làm: thiết bị thường xuyên "
        "hỏng thì thay, kèm số liệu này.",
        f"Each device over the last 30 days, the worst in lessons first. {HOW.en} To do: replace what fails again and "
        "again, with these figures attached.",
    ),
    (
        available(IN_LESSONS, HERE, THINGS, LESSONS, by=("site", "label", "kind")),
        available(AROUND_THE_CLOCK, HERE, THINGS, ALWAYS, by=("site", "label", "kind")),
        down_seconds(HERE, THINGS, LESSONS, by=("site", "label", "kind"), name=TIME_DOWN),
        unknown_share(HERE, THINGS, LESSONS, by=("site", "label", "kind")),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.LENGTH, look.UNKNOWN_SHARE),
    links=(SITE_PAGE,),
    sort=("In lessons", False),
    step="1h",
)
CUTS: Final = outages(
    Said("Các lần thiết bị hỏng", "Outages of devices"),
    Said(
        "Mỗi lần thiết bị không trả lời vào lúc cần nó, trong thời gian đang chọn. Việc cần làm: nhiều lần ngắn thường "
        "là dây hoặc nguồn chập chờn.",
        "Each time a device did not answer when it was needed, in the chosen time. To do: many short ones are often a "
        "loose cable or supply.",
    ),
    ("site", "label", "kind"),
    HERE,
    THINGS,
)

BOARD: Final = Board(
    "rooms",
    Said("Phòng và thiết bị", "Rooms and devices"),
    Said(
        "Bảng, máy chiếu, camera: cái gì trả lời, cái gì sắp hết đời.",
        "Boards, projectors, cameras: what answers, and what nears the end of its life.",
    ),
    (AREA, SCHOOL, SITE, ROOM),
    (
        Heading(Said("Lúc này", "Now")),
        READY,
        LEVELS,
        Heading(Said("Từng thiết bị", "Each device")),
        BOARDS,
        PROJECTED,
        WATCHED,
        POWER,
        Heading(Said("Hao mòn, đồng hồ, an toàn", "Wear, clocks, safety")),
        LAMPS,
        CLOCKS,
        CAMERA_STATE,
        SAFETY,
        Heading(Said("Các lần hỏng", "Outages")),
        MONTH,
        CUTS,
    ),
    page="/sites",
)
