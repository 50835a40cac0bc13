"""The catalogue: every kind of signal, every reading, every cause and off-reason, with unit and meaning (vi, en)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Clock = Literal["always", "lessons"]


class SignalKind(NamedTuple):
    """A kind of signal. A signal's name is the kind itself or, for an open kind ("device."), kind + id.

    hold_seconds: how long a run's word holds when no newer run comes.
    clock: when its absence matters. rung: place on the ladder, lowest first; None if it is not on it.
    """

    hold_seconds: int
    clock: Clock
    rung: int | None
    vi: str
    en: str


SIGNAL_KINDS: dict[str, SignalKind] = {
    "lan.router": SignalKind(25, "always", 1, "Bộ định tuyến của trường trả lời", "The school's router answers"),
    "line.isp": SignalKind(25, "always", 2, "Biên mạng của nhà mạng trả lời", "The ISP's edge answers"),
    "line.domestic": SignalKind(25, "always", 3, "Đích trong nước trả lời", "A domestic target answers"),
    "line.international": SignalKind(25, "always", 4, "Đích quốc tế trả lời", "An international target answers"),
    "line.internet": SignalKind(
        25,
        "always",
        None,
        "Trường có Internet: phân giải được tên miền và mở được kết nối tới đích trong nước",
        "The school has Internet: a name resolves and a connection to a domestic target opens",
    ),
    "line.main": SignalKind(
        25,
        "always",
        None,
        "Đang đi ra bằng đường truyền chính, không phải đường dự phòng",
        "What leaves the school goes by its main line, not by one that stands by",
    ),
    "lesson.video": SignalKind(
        25,
        "lessons",
        None,
        "Đường truyền mang được bài giảng video trong phút ấy (video.py nói thế nào là được)",
        "The line would carry a video lesson in that minute (video.py says what that takes)",
    ),
    "service.": SignalKind(25, "always", 5, "Dịch vụ trả lời qua TLS hợp lệ", "The service answers over valid TLS"),
    "device.": SignalKind(25, "always", None, "Thiết bị trả lời", "The device answers"),
    "wifi.": SignalKind(900, "lessons", None, "Một chỗ ngồi dùng được mạng Wi-Fi này", "A seat could use this Wi-Fi"),
    "power.mains": SignalKind(150, "always", None, "Có điện lưới (theo UPS)", "Mains power is there (the UPS says so)"),
    "site.contact": SignalKind(
        90, "always", None, "Máy chủ nghe được tin của điểm trường", "The server hears from the site"
    ),
}


class DeviceKind(NamedTuple):
    """What a device on the LAN is. hold_seconds: as of a signal, for devices that are asked less often than each round.

    clock: when its absence matters; a board that does not answer at night is not asked for.
    """

    hold_seconds: int
    clock: Clock
    vi: str
    en: str


DEVICE_KINDS: dict[str, DeviceKind] = {
    "router": DeviceKind(150, "always", "Bộ định tuyến", "Router"),
    "ont": DeviceKind(150, "always", "Thiết bị quang của nhà mạng (ONT)", "ISP's optical terminal (ONT)"),
    "switch": DeviceKind(150, "always", "Bộ chuyển mạch", "Switch"),
    "access_point": DeviceKind(150, "always", "Điểm phát Wi-Fi", "Wi-Fi access point"),
    "board": DeviceKind(300, "lessons", "Bảng tương tác", "Interactive board"),
    "projector": DeviceKind(300, "lessons", "Máy chiếu", "Projector"),
    "television": DeviceKind(300, "lessons", "Ti vi", "Television"),
    "camera": DeviceKind(400, "always", "Camera", "Camera"),
    "recorder": DeviceKind(400, "always", "Đầu ghi hình", "Video recorder"),
    "ups": DeviceKind(150, "always", "Bộ lưu điện (UPS)", "UPS"),
    "printer": DeviceKind(300, "lessons", "Máy in", "Printer"),
    "computer": DeviceKind(300, "lessons", "Máy tính", "Computer"),
    "server": DeviceKind(150, "always", "Máy chủ", "Server"),
    "sensor": DeviceKind(300, "always", "Cảm biến", "Sensor"),
    "phone": DeviceKind(300, "lessons", "Điện thoại", "Phone"),
    "other": DeviceKind(150, "always", "Thiết bị khác", "Other device"),
}

# The ladder, lowest rung first. A failed rung hides what is beyond it.
RUNGS: tuple[str, ...] = ("lan.router", "line.isp", "line.domestic", "line.international")


class Reading(NamedTuple):
    """A number. On the wire it is an integer: value x 10**decimals. Low and high bound the value (inclusive)."""

    unit: str
    decimals: int
    low: float
    high: float
    kept: bool
    vi: str
    en: str


READINGS: dict[str, Reading] = {
    "rtt_ms": Reading("ms", 2, 0, 60_000, True, "Độ trễ khứ hồi (trung vị)", "Round-trip time (median)"),
    "loss_percent": Reading("%", 1, 0, 100, True, "Tỷ lệ mất gói", "Packet loss"),
    "connect_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian mở kết nối TCP", "TCP connection time"),
    "dns_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian phân giải tên miền", "Name resolution time"),
    "dns_agree": Reading(
        "1", 0, 0, 1, False, "Hai máy phân giải trả lời giống nhau", "Both resolvers give the same answer"
    ),
    "http_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian tải trang thử", "Time of the test fetch"),
    "http_status": Reading("code", 0, 0, 599, False, "Mã trạng thái HTTP", "HTTP status code"),
    "tls_days_left": Reading(
        "d", 0, -36_500, 36_500, False, "Số ngày còn hạn của chứng thư", "Days the certificate is still valid"
    ),
    "load1": Reading("1", 2, 0, 10_000, False, "Tải trung bình 1 phút", "Load average of 1 minute"),
    "cpu_percent": Reading("%", 1, 0, 100, False, "Mức dùng bộ xử lý", "Processor in use"),
    "memory_used_percent": Reading("%", 1, 0, 100, False, "Bộ nhớ đã dùng", "Memory in use"),
    "disk_used_percent": Reading("%", 1, 0, 100, False, "Đĩa đã dùng", "Disk in use"),
    "disk_free_bytes": Reading("B", 0, 0, 2**53, False, "Đĩa còn trống", "Disk free"),
    "temperature_celsius": Reading("°C", 1, -60, 200, False, "Nhiệt độ bộ xử lý", "Processor temperature"),
    "undervoltage": Reading("1", 0, 0, 1, False, "Máy Pi báo điện áp thấp", "The Pi tells of under-voltage"),
    "uptime_seconds": Reading("s", 0, 0, 2**40, False, "Thời gian từ lúc khởi động", "Time since boot"),
    "clients": Reading("1", 0, 0, 100_000, True, "Số máy đang kết nối", "Clients connected"),
    "rx_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ nhận", "Receive rate"),
    "tx_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ gửi", "Send rate"),
    "download_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ tải xuống đo được", "Measured download speed"),
    "upload_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ tải lên đo được", "Measured upload speed"),
    "utilisation_percent": Reading(
        "%", 1, 0, 100, True, "Mức dùng so với tốc độ hợp đồng", "Use of the contracted speed"
    ),
    "rx_quarter_bps": Reading(
        "bit/s", 0, 0, 10**12, True, "Tốc độ nhận trung bình 15 phút", "Receive rate, mean of a quarter-hour"
    ),
    "tx_quarter_bps": Reading(
        "bit/s", 0, 0, 10**12, True, "Tốc độ gửi trung bình 15 phút", "Send rate, mean of a quarter-hour"
    ),
    "port_speed_bps": Reading("bit/s", 0, 0, 10**12, False, "Tốc độ cổng mạng", "Speed of the port"),
    "ports_up": Reading("1", 0, 0, 100_000, False, "Số cổng có tín hiệu", "Ports that are up"),
    "port_errors": Reading("1", 0, 0, 2**53, False, "Số gói lỗi trong phút", "Packets in error, of the minute"),
    "port_discards": Reading("1", 0, 0, 2**53, False, "Số gói bị bỏ trong phút", "Packets discarded, of the minute"),
    "optical_rx_dbm": Reading("dBm", 2, -60, 20, True, "Công suất quang thu", "Optical power received"),
    "optical_tx_dbm": Reading("dBm", 2, -60, 20, False, "Công suất quang phát", "Optical power sent"),
    "storage_used_percent": Reading("%", 1, 0, 100, False, "Bộ nhớ lưu trữ đã dùng", "Storage in use"),
    "disks_total": Reading("1", 0, 0, 1_000, False, "Số ổ đĩa", "Disks"),
    "disks_faulty": Reading("1", 0, 0, 1_000, True, "Số ổ đĩa hỏng", "Disks at fault"),
    "recording": Reading("1", 0, 0, 1, True, "Đang ghi hình", "Recording"),
    "battery_percent": Reading("%", 1, 0, 100, False, "Pin còn", "Battery charge"),
    "battery_runtime_seconds": Reading("s", 0, 0, 2**31, False, "Pin còn đủ cho", "Battery lasts for"),
    "battery_volts": Reading("V", 2, 0, 1_000, False, "Điện áp pin", "Battery voltage"),
    "battery_low": Reading("1", 0, 0, 1, False, "Pin yếu", "Battery low"),
    "battery_replace": Reading("1", 0, 0, 1, True, "Cần thay pin", "Battery needs replacement"),
    "on_battery": Reading("1", 0, 0, 1, True, "Đang chạy bằng pin", "On battery"),
    "on_battery_seconds": Reading("s", 0, 0, 2**31, True, "Đã chạy bằng pin", "Time on battery"),
    "input_volts": Reading("V", 1, 0, 1_000, True, "Điện áp vào", "Input voltage"),
    "load_percent": Reading("%", 1, 0, 1_000, False, "Tải của bộ lưu điện", "Load of the UPS"),
    "power_state": Reading(
        "code",
        0,
        0,
        3,
        True,
        "Nguồn: 0 chờ, 1 bật, 2 đang nguội, 3 đang khởi động",
        "Power: 0 standby, 1 on, 2 cooling, 3 warming up",
    ),
    "input_source": Reading("code", 0, 0, 10_000, False, "Ngõ vào đang chọn", "Input selected"),
    "on_hours": Reading("h", 0, 0, 10**7, True, "Số giờ đã bật", "Hours switched on"),
    "lamp_hours": Reading("h", 0, 0, 10**6, True, "Số giờ đèn", "Lamp hours"),
    "filter_hours": Reading("h", 0, 0, 10**6, False, "Số giờ lưới lọc", "Filter hours"),
    "error_flags": Reading(
        "code",
        0,
        0,
        2**31,
        True,
        "Lỗi thiết bị báo: hai bit mỗi phần, từ thấp lên: quạt, đèn, nhiệt độ, nắp, lưới lọc, khác (cảnh báo 1, lỗi 2)",
        "Faults the device reports: two bits a part, lowest first: fan, lamp, temperature, cover, filter, other "
        "(warning 1, error 2)",
    ),
    "supply_percent": Reading("%", 1, 0, 100, False, "Mực còn (thấp nhất)", "Supplies left (lowest)"),
    "pages_printed": Reading("1", 0, 0, 2**40, False, "Số trang đã in", "Pages printed"),
    "video_ms": Reading(
        "ms", 1, 0, 60_000, True, "Thời gian tới gói hình đầu tiên", "Time to the first packet of video"
    ),
    "clock_offset_seconds": Reading("s", 1, -4e9, 4e9, True, "Đồng hồ lệch", "Clock is off by"),
    "firmware_age_days": Reading("d", 0, 0, 36_500, False, "Tuổi phần sụn", "Age of the firmware"),
    "open_stream": Reading("1", 0, 0, 1, True, "Xem được hình không cần mật khẩu", "Video needs no password"),
    "default_password": Reading("1", 0, 0, 1, True, "Còn mật khẩu mặc định", "Default password accepted"),
    "telnet_open": Reading("1", 0, 0, 1, True, "Cổng telnet mở", "Telnet is open"),
    "signal_dbm": Reading("dBm", 0, -120, 20, True, "Cường độ sóng", "Signal strength"),
    "noise_dbm": Reading("dBm", 0, -120, 20, False, "Nhiễu nền", "Noise floor"),
    "channel": Reading("1", 0, 1, 300, False, "Kênh", "Channel"),
    "channel_busy_percent": Reading("%", 1, 0, 100, True, "Kênh bận", "Channel in use"),
    "bitrate_bps": Reading("bit/s", 0, 0, 10**12, False, "Tốc độ liên kết Wi-Fi", "Wi-Fi link rate"),
    "networks_heard": Reading(
        "1", 0, 0, 10_000, False, "Số điểm phát nghe được của mạng này", "Access points heard of it"
    ),
    "networks_strange": Reading("1", 0, 0, 10_000, False, "Số mạng Wi-Fi lạ nghe được", "Other Wi-Fi networks heard"),
    "join_ms": Reading("ms", 0, 0, 120_000, True, "Thời gian vào mạng Wi-Fi", "Time to join the Wi-Fi"),
    "dhcp_ms": Reading("ms", 0, 0, 120_000, True, "Thời gian được cấp địa chỉ", "Time to get an address"),
    "speed_rtt_ms": Reading(
        "ms", 2, 0, 60_000, True, "Độ trễ tới máy đo tốc độ", "Round-trip time to the speed server"
    ),
    "speed_bytes": Reading("B", 0, 0, 2**53, True, "Dung lượng dùng để đo tốc độ", "Data used by the speed test"),
    "speed_seconds": Reading("s", 1, 0, 3_600, False, "Thời gian đo tốc độ", "Time of the speed test"),
    "speed_method": Reading(
        "code", 0, 1, 3, True, "Cách đo: 1 ndt7, 2 LibreSpeed, 3 iperf3", "Method: 1 ndt7, 2 LibreSpeed, 3 iperf3"
    ),
    "speed_ceiling": Reading(
        "code",
        0,
        0,
        3,
        True,
        "Trần do thiết bị cổng: 0 không, 1 cổng mạng, 2 bộ xử lý, 3 Wi-Fi",
        "Ceiling of the gateway itself: 0 none, 1 port, 2 processor, 3 Wi-Fi",
    ),
    "speed_failure": Reading(
        "code", 0, 1, 1_000, True, "Đo tốc độ không thành: mã nguyên nhân", "Speed test failed: code of the cause"
    ),
    "dhcp_servers": Reading("1", 0, 0, 1_000, False, "Số máy cấp địa chỉ (DHCP)", "DHCP servers"),
    "addresses_duplicate": Reading("1", 0, 0, 100_000, False, "Số địa chỉ IP bị trùng", "Duplicate IP addresses"),
    "gateway_changed": Reading(
        "1", 0, 0, 1, False, "Bộ định tuyến đổi địa chỉ MAC", "The router's MAC address changed"
    ),
    "devices_seen": Reading("1", 0, 0, 100_000, False, "Số thiết bị thấy trong mạng", "Devices seen on the LAN"),
    "devices_new": Reading("1", 0, 0, 100_000, False, "Số thiết bị mới thấy", "New devices seen"),
    "run_count": Reading("1", 0, 0, 100_000, False, "Số lần đo trong phút", "Runs in the minute"),
    "run_failures": Reading(
        "1",
        0,
        0,
        100_000,
        False,
        "Số lần không đo được trong phút",
        "Runs that could not measure in the minute",
    ),
    "run_seconds": Reading("s", 3, 0, 3_600, False, "Lần đo lâu nhất trong phút", "Longest run in the minute"),
    "counter": Reading("1", 0, 0, 2**53, False, "Bộ đếm tăng dần để kiểm thử", "A counter that only rises, for tests"),
}

# Why a run says down, or why it could not measure. The code is what travels.
CAUSES: dict[str, tuple[int, str, str]] = {
    "timeout": (1, "không trả lời trong thời gian chờ", "no answer in time"),
    "refused": (2, "từ chối kết nối", "connection refused"),
    "unreachable": (3, "không có đường tới", "no route to it"),
    "no_permission": (4, "tác tử không được phép đo", "the agent may not measure this"),
    "no_router": (5, "không tìm thấy bộ định tuyến", "no router found"),
    "not_configured": (6, "chưa cấu hình", "not configured"),
    "name_unknown": (7, "tên miền không tồn tại", "the name does not exist"),
    "resolver_failed": (8, "máy phân giải tên miền báo lỗi", "the resolver answered with an error"),
    "tls_invalid": (9, "chứng thư TLS không hợp lệ", "the TLS certificate is not valid"),
    "http_status": (10, "máy chủ trả mã lỗi HTTP", "the server answered with an HTTP error"),
    "bad_answer": (11, "câu trả lời không đọc được", "the answer cannot be read"),
    "hung": (12, "phép đo bị treo và đã bị dừng", "the probe hung and was stopped"),
    "internal": (13, "lỗi trong phép đo", "an error inside the probe"),
    "no_carrier": (14, "cáp mạng không có tín hiệu", "the network cable has no carrier"),
    "auth_failed": (15, "tên đăng nhập hoặc mật khẩu không đúng", "user name or password refused"),
    "no_video": (16, "kết nối được nhưng không có hình", "it connects, but no video arrives"),
    "no_lease": (17, "không được cấp địa chỉ (DHCP)", "no address was given (DHCP)"),
    "not_heard": (18, "không bắt được sóng mạng này", "this network is not heard"),
    "join_failed": (19, "không vào được mạng Wi-Fi", "the Wi-Fi cannot be joined"),
    "no_radio": (20, "máy này không có Wi-Fi", "this machine has no Wi-Fi"),
    "busy": (21, "đường truyền đang bận nên không đo", "the line is in use, so it was not measured"),
    "over_budget": (22, "hết dung lượng dành cho đo trong tháng", "this month's data for tests is used up"),
    "not_now": (23, "đang giờ học hoặc thi nên không đo", "not measured in lessons or exams"),
    "aborted": (24, "dừng đo để nhường lưu lượng thật", "stopped to make way for real traffic"),
    "too_much": (25, "câu trả lời quá dài hoặc không kết thúc", "the answer is too long or never ends"),
    "device_error": (26, "thiết bị báo lỗi", "the device reports an error"),
    "no_capacity": (27, "máy đo tốc độ đang đầy tải", "the speed server has no capacity"),
    "mains_lost": (28, "mất điện lưới, đang chạy bằng pin", "mains power is lost, running on battery"),
    "not_installed": (29, "thiếu chương trình cần để đo", "a program needed to measure is not installed"),
    "radio_busy": (
        30,
        "Wi-Fi của máy này đang bận nên không đo",
        "this machine's Wi-Fi is in use, so it was not measured",
    ),
    "other_line": (31, "đang đi ra bằng đường truyền khác", "what leaves the school goes by another line"),
}
CAUSE_NAMES: dict[int, str] = {code: name for name, (code, _, _) in CAUSES.items()}

# What an agent can say of minutes in which it did not observe. 'interrupted' minutes stay unknown: the agent was
# there for a part of them. The others are minutes through which it is known to have been off.
OFF_REASONS: dict[str, tuple[int, str, str]] = {
    "interrupted": (1, "phút đang đo thì bị ngắt", "the minute being measured when it was interrupted"),
    "clean_stop": (2, "tác tử được dừng chủ động", "the agent was stopped on purpose"),
    "crash": (3, "tác tử bị dừng đột ngột, máy vẫn chạy", "the agent died while the machine stayed on"),
    "power": (4, "máy mất điện hoặc bị khởi động lại đột ngột", "the machine lost power or was reset"),
}
OFF_NAMES: dict[int, str] = {code: name for name, (code, _, _) in OFF_REASONS.items()}

UP_FULL = 60  # a minute fully up; 0..60 are seconds up of a minute observed from end to end
DISPUTED, OFF, UNKNOWN = 253, 254, 255  # the other codes of a ledger byte


def kind_of(signal: str) -> SignalKind:
    """The catalogue's entry for a signal's name. KeyError if the catalogue does not know it."""
    head, _, rest = signal.partition(".")
    if not rest:
        raise KeyError(signal)
    return SIGNAL_KINDS.get(signal) or SIGNAL_KINDS[head + "."]


def device_kind(kind: str) -> DeviceKind:
    """The catalogue's entry for a device's kind; that of "other" for a kind it does not know."""
    return DEVICE_KINDS.get(kind, DEVICE_KINDS["other"])
