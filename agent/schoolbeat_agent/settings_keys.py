"""Every key of agent.toml: its default, what is allowed, what it means. docs/agent.md is checked against it."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from schoolbeat_agent import displays
from schoolbeat_agent.texts import Text
from schoolbeat_wire import bounds, catalogue, hours
from schoolbeat_wire.messages import Ask

HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?"
)
INTERFACE: Final = re.compile(r"[^\s/]{0,15}")
SHORT_ID: Final = re.compile(r"[A-Za-z0-9._%-]{1,64}")


@dataclass(frozen=True)
class Key:
    """parse raises ValueError or TypeError for what is not allowed."""

    name: str
    parse: Callable[[Any], Any]
    default: Any
    allowed: Text
    meaning: Text
    required: bool = False
    secret: bool = False


def _typed(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not pattern.fullmatch(_typed(str, value)):
            raise ValueError
        return str(value)

    return parse


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return parse


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if not low <= _typed(int, value) <= high:
            raise ValueError
        return int(value)

    return parse


def _yes_no(value: Any) -> bool:
    return bool(_typed(bool, value))


def _text(value: Any) -> str:
    return bounds.text(_typed(str, value), "text")


def _some_text(value: Any) -> str:
    if not _text(value):
        raise ValueError
    return str(value)


def _list(parse: Callable[[Any], Any], most: int, least: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    def parse_all(value: Any) -> tuple[Any, ...]:
        if not least <= len(_typed(list, value)) <= most:
            raise ValueError
        return tuple(parse(entry) for entry in value)

    return parse_all


def _ipv4(value: Any) -> str:
    return str(ipaddress.IPv4Address(_typed(str, value)))


def _router(value: Any) -> str:
    return "" if value == "" else _ipv4(value)


def address(value: Any) -> str:
    """An IP address, v4 or v6."""
    return str(ipaddress.ip_address(_typed(str, value)))


def _host(value: Any) -> str:
    if not HOST_NAME.fullmatch(_typed(str, value)):
        return address(value)
    return str(value)


def _split_port(value: Any, standard: int | None) -> tuple[str, int]:
    """ "host:port", "[v6]:port", and "host" where a standard port is given."""
    text = _typed(str, value)
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port or (text.count(":") > 1 and not text.startswith("[")):
        if standard is None:
            raise ValueError
        return text.strip("[]"), standard
    number = int(port)
    if not 1 <= number <= 65_535:
        raise ValueError
    return host.strip("[]"), number


def _host_port(value: Any) -> tuple[str, int]:
    host, port = _split_port(value, None)
    return _host(host), port


def _resolver(value: Any) -> tuple[str, int]:
    host, port = _split_port(value, 53)
    return address(host), port


def url(value: Any) -> str:
    """http or https, ASCII, without a password, at most 200 characters."""
    parts = urlsplit(bounds.text(_typed(str, value), "url"))
    plain = all("!" <= sign <= "~" for sign in value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not plain:
        raise ValueError
    if parts.port == 0:
        raise ValueError
    return str(value)


def _profile(value: Any) -> str:
    """Empty, or a family of displays with an id behind it."""
    family, colon, number = _typed(str, value).partition(":")
    if value and (family not in displays.families() or (colon and not re.fullmatch(r"[0-9]{1,3}", number))):
        raise ValueError
    return str(value)


def behind(value: Any) -> str:
    """A signal that the catalogue knows."""
    try:
        catalogue.kind_of(bounds.matches(bounds.SIGNAL, _typed(str, value), "signal"))
    except KeyError:
        raise ValueError from None
    return str(value)


def lesson(value: Any) -> tuple[int, int, int]:
    """ "2 07:00-11:30" -> (weekday 0 Monday to 6 Sunday, first minute of the day, end)."""
    found = hours.parse(_typed(str, value))
    return found.weekday, found.first, found.end


def _day(value: Any) -> str:
    return datetime.date.fromisoformat(bounds.matches(bounds.DAY, _typed(str, value), "day")).isoformat()


def _ssid(value: Any) -> str:
    text = _typed(str, value)
    if not 1 <= len(text.encode()) <= 32 or bounds.CONTROL.search(text):
        raise ValueError
    return str(text)


def _network(value: Any) -> str:
    return str(ipaddress.ip_network(_typed(str, value)))


def _server(value: Any) -> str:
    return "" if value == "" else bounds.matches(bounds.TOKEN, _typed(str, value), "server id")


_NAME = Text("1–40 ký tự a-z, 0-9 và dấu gạch nối ở giữa", "1-40 of a-z, 0-9 and inner hyphens")
_ID = Text("1–64 ký tự A-Z, a-z, 0-9 và . _ % -", "1-64 of A-Z, a-z, 0-9 and . _ % -")
_ANY_TEXT = Text("chữ, nhiều nhất 200 ký tự", "text, at most 200 characters")
_YES_NO = Text("true hoặc false", "true or false")
_PEM = Text("một tệp PEM; để trống: của hệ thống", "a PEM file; empty: the system's")
_HOST = Text("tên máy hoặc địa chỉ IP", "a host name or IP address")
_IPV4_LIST = Text("nhiều nhất 8 địa chỉ IPv4", "at most 8 IPv4 addresses")


def _between(low: int, high: int, unit: Text) -> Text:
    return Text(f"số nguyên {low}–{high} {unit.vi}".strip(), f"a whole number {low}-{high} {unit.en}".strip())


_MINUTES, _SECONDS, _BYTES, _NOTHING = (
    Text("phút", "minutes"),
    Text("giây", "seconds"),
    Text("byte", "bytes"),
    Text("", ""),
)

SECTIONS: Final[dict[str, tuple[Key, ...]]] = {
    "": (
        Key("site", _matching(bounds.NAME), None, _NAME, Text("mã điểm trường", "the site's name"), required=True),
        Key(
            "agent",
            _matching(bounds.NAME),
            "gateway",
            _NAME,
            Text("tên tác tử trong điểm trường", "the agent's name within the site"),
        ),
        Key(
            "role",
            _one_of("gateway", "classroom"),
            "gateway",
            Text('"gateway" hoặc "classroom"', '"gateway" or "classroom"'),
            Text("thiết bị cổng hay máy trong phòng học", "the site's gateway or a computer in a classroom"),
        ),
        Key(
            "server",
            _server,
            "",
            Text(
                "8–32 chữ số thập lục phân; để trống: máy chủ đầu tiên trả lời",
                "8-32 hex digits; empty: the first server that answers",
            ),
            Text("máy chủ mà tác tử nghe theo", "the server that the agent obeys"),
        ),
        Key(
            "language", _one_of("vi", "en"), "vi", Text('"vi" hoặc "en"', '"vi" or "en"'), Text("ngôn ngữ", "language")
        ),
        Key(
            "clock",
            _one_of("kernel", "trust"),
            "kernel",
            Text('"kernel" hoặc "trust"', '"kernel" or "trust"'),
            Text(
                "kernel: chờ đồng hồ được đồng bộ (NTP) hoặc giờ của máy chủ; trust: tin đồng hồ của máy này, chỉ khi "
                "nó có pin đồng hồ",
                "kernel: wait for a synchronised clock (NTP) or the server's time; trust: believe this machine's "
                "clock, only where it has a battery",
            ),
        ),
        Key(
            "folder",
            _some_text,
            "/var/lib/schoolbeat-agent",
            Text("một thư mục", "a folder"),
            Text("nơi cất sổ gửi và cấu hình", "where outbox and configuration are kept"),
        ),
        Key(
            "report_minutes",
            _whole(1, 60),
            1,
            _between(1, 60, _MINUTES),
            Text("bao lâu gửi một bản tin", "how often a report is sent"),
        ),
        Key(
            "probe_seconds",
            _whole(5, 20),
            10,
            _between(5, 20, _SECONDS),
            Text("bao lâu đo một lần", "how often each probe runs"),
        ),
        Key(
            "outbox_max_bytes",
            _whole(4 * 1024 * 1024, 2**40),
            64 * 1024 * 1024,
            _between(4 * 1024 * 1024, 2**40, _BYTES),
            Text("sổ gửi lớn nhất trên đĩa", "the most that the outbox takes on disk"),
        ),
        Key(
            "ca_file",
            _text,
            "",
            _PEM,
            Text("chứng thư gốc để kiểm tra các dịch vụ", "certificate authorities to check services with"),
        ),
    ),
    "broker": (
        Key("host", _host, None, _HOST, Text("máy môi giới MQTT", "the MQTT broker"), required=True),
        Key(
            "port",
            _whole(1, 65_535),
            0,
            _between(1, 65_535, _NOTHING),
            Text(
                "cổng; mặc định 8883, qua websockets 443; không TLS: 1883, 80",
                "port; by default 8883, by websockets 443; without TLS 1883, 80",
            ),
        ),
        Key(
            "username",
            _text,
            "",
            _ANY_TEXT,
            Text("tên đăng nhập; mặc định SITE.AGENT", "user name; by default SITE.AGENT"),
        ),
        Key(
            "password",
            _text,
            "",
            _ANY_TEXT,
            Text("mật khẩu; nên dùng password_file", "password; better use password_file"),
            secret=True,
        ),
        Key(
            "password_file",
            _text,
            "",
            Text("một tệp quyền 0600", "a file of mode 0600"),
            Text("tệp chứa mật khẩu trên một dòng", "file with the password on one line"),
        ),
        Key(
            "tls",
            _yes_no,
            True,
            _YES_NO,
            Text("mã hóa và kiểm tra chứng thư của máy môi giới", "encrypt, and check the broker's certificate"),
        ),
        Key("ca_file", _text, "", _PEM, Text("chứng thư gốc của máy môi giới", "the broker's certificate authority")),
        Key(
            "transport",
            _one_of("tcp", "websockets"),
            "tcp",
            Text('"tcp" hoặc "websockets"', '"tcp" or "websockets"'),
            Text("websockets đi qua được cổng 443", "websockets pass through port 443"),
        ),
        Key(
            "websocket_path",
            _matching(re.compile(r"/[!-~]{0,199}")),
            "/mqtt",
            Text("bắt đầu bằng /", "begins with /"),
            Text("đường dẫn websockets", "path of the websockets"),
        ),
        Key(
            "keepalive",
            _whole(5, 600),
            0,
            _between(5, 600, _SECONDS),
            Text(
                "nhịp giữ kết nối; mặc định 10, đường trả theo dung lượng 60",
                "keepalive; by default 10, on metered lines 60",
            ),
        ),
        Key(
            "metered",
            _yes_no,
            False,
            _YES_NO,
            Text("đường truyền trả tiền theo dung lượng", "the line is paid by volume"),
        ),
    ),
    "path": (
        Key(
            "router",
            _router,
            "",
            Text("địa chỉ IPv4; để trống: tự tìm", "an IPv4 address; empty: found by itself"),
            Text("bộ định tuyến của trường", "the school's router"),
        ),
        Key(
            "isp_ttl",
            _whole(2, 8),
            2,
            _between(2, 8, _NOTHING),
            Text(
                "nhà mạng bắt đầu ở chặng thứ mấy; 3 nếu trong trường có hai bộ định tuyến nối tiếp",
                "at how many hops the ISP begins; 3 where two routers stand in a row in the school",
            ),
        ),
        Key("domestic", _list(_ipv4, 8), (), _IPV4_LIST, Text("đích trong nước (ICMP)", "domestic targets (ICMP)")),
        Key(
            "international",
            _list(_ipv4, 8),
            ("1.1.1.1", "8.8.8.8", "9.9.9.9"),
            _IPV4_LIST,
            Text("đích quốc tế (ICMP)", "international targets (ICMP)"),
        ),
        Key(
            "main_edges",
            _list(_ipv4, 8),
            (),
            _IPV4_LIST,
            Text(
                "biên nhà mạng của đường truyền chính; có thì mới theo dõi trường đang dùng đường chính hay dự phòng",
                "the ISP's edges on the main line; with them it is watched whether the main line or another is in use",
            ),
        ),
    ),
    "internet": (
        Key(
            "names",
            _list(_matching(HOST_NAME), 8, 1),
            ("moet.gov.vn", "chinhphu.vn", "vnexpress.net"),
            Text("1–8 tên miền", "1-8 host names"),
            Text("một trong các tên này phải phân giải được", "one of these names must resolve"),
        ),
        Key(
            "targets",
            _list(_host_port, 3, 1),
            (("vnexpress.net", 443), ("moet.gov.vn", 443), ("chinhphu.vn", 443)),
            Text('1–3 đích trong nước "máy:cổng"', '1-3 domestic targets "host:port"'),
            Text("một trong các đích này phải mở được kết nối TCP", "a TCP connection to one of these must open"),
        ),
    ),
    "dns": (
        Key(
            "resolvers",
            _list(_resolver, 3),
            (),
            Text('nhiều nhất 3 địa chỉ IP, có thể thêm ":cổng"', 'at most 3 IP addresses, with ":port" if need be'),
            Text(
                "máy phân giải của trường; mặc định theo resolv.conf",
                "the school's resolvers; by default those of resolv.conf",
            ),
        ),
        Key(
            "known",
            _resolver,
            ("1.1.1.1", 53),
            Text('địa chỉ IP, có thể thêm ":cổng"', 'an IP address, with ":port" if need be'),
            Text("máy phân giải để đối chiếu", "the resolver to compare with"),
        ),
        Key(
            "name",
            _matching(HOST_NAME),
            "moet.gov.vn",
            Text("tên miền", "a host name"),
            Text("tên miền dùng để hỏi cả hai", "the name that both are asked for"),
        ),
    ),
    "lessons": (
        Key(
            "week",
            _list(lesson, bounds.LESSONS),
            (),
            Text(
                '"2 07:00-11:30": thứ 2–7 hoặc CN, giờ Việt Nam',
                '"2 07:00-11:30": day 2-7 (Monday 2) or CN, in Viet Nam\'s time',
            ),
            Text(
                "giờ học trong tuần; máy chủ gửi thì theo máy chủ",
                "the week's lesson hours; the server's word goes before",
            ),
        ),
        Key(
            "exam_days",
            _list(_day, bounds.EXAM_DAYS),
            (),
            Text("ngày dạng 2026-12-20", "days like 2026-12-20"),
            Text("ngày thi: không đo nặng", "exam days: no heavy test"),
        ),
    ),
    "traffic": (
        Key(
            "interface",
            _matching(INTERFACE),
            "",
            Text(
                "tên cổng mạng của máy này; để trống: không xem",
                "a network interface of this machine; empty: not looked at",
            ),
            Text(
                "cổng mạng mà mọi lưu lượng của đường truyền đi qua (thiết bị cổng là bộ định tuyến)",
                "the interface that all of the line's traffic passes (where the gateway is the router)",
            ),
        ),
        Key(
            "device",
            _matching(re.compile("|" + SHORT_ID.pattern)),
            "",
            Text("mã một thiết bị có snmp", "the id of a device with snmp"),
            Text("thiết bị mà cổng WAN của nó cho biết lưu lượng", "the device whose WAN port tells the traffic"),
        ),
        Key("port", _text, "", _ANY_TEXT, Text("tên cổng WAN trên thiết bị đó", "the name of that device's WAN port")),
        Key(
            "contract_down_bps",
            _whole(0, 10**12),
            0,
            _between(0, 10**12, Text("bit/s", "bit/s")),
            Text("tốc độ tải xuống theo hợp đồng; 0: chưa biết", "contracted download speed; 0: not known"),
        ),
        Key(
            "contract_up_bps",
            _whole(0, 10**12),
            0,
            _between(0, 10**12, Text("bit/s", "bit/s")),
            Text("tốc độ tải lên theo hợp đồng; 0: chưa biết", "contracted upload speed; 0: not known"),
        ),
    ),
    "speed": (
        Key(
            "method",
            _one_of("", "ndt7", "librespeed", "iperf3"),
            "",
            Text(
                '"ndt7", "librespeed", "iperf3" hoặc để trống: không đo',
                '"ndt7", "librespeed", "iperf3" or empty: none',
            ),
            Text("cách đo tốc độ", "how speed is tested"),
        ),
        Key(
            "server",
            _text,
            "",
            Text(
                "ndt7: wss://… hoặc ws://…, để trống: hỏi Locate; librespeed: http(s)://…; iperf3: máy:cổng",
                "ndt7: wss://… or ws://…, empty: ask Locate; librespeed: http(s)://…; iperf3: host:port",
            ),
            Text("máy đo tốc độ", "the speed server"),
        ),
        Key(
            "locate",
            url,
            "https://locate.measurementlab.net/v2/nearest/ndt/ndt7",
            Text("http(s)://…", "http(s)://…"),
            Text("nơi hỏi máy ndt7 gần nhất", "where the nearest ndt7 server is asked for"),
        ),
        Key(
            "monthly_bytes",
            _whole(0, 10**12),
            10 * 10**9,
            _between(0, 10**12, _BYTES),
            Text("dung lượng dành cho đo tốc độ mỗi tháng", "data that speed tests may use in a month"),
        ),
        Key(
            "seconds",
            _whole(3, 15),
            10,
            _between(3, 15, _SECONDS),
            Text("mỗi chiều đo bao lâu", "how long each direction is tested"),
        ),
        Key(
            "idle_percent",
            _whole(1, 50),
            10,
            _between(1, 50, Text("%", "%")),
            Text(
                "đường rảnh là khi dùng dưới mức này của hợp đồng", "the line is idle below this share of the contract"
            ),
        ),
        Key(
            "alone",
            _yes_no,
            False,
            _YES_NO,
            Text(
                "tự đo mỗi đêm (02:00–05:00) khi máy chủ không cấp lượt",
                "test by itself each night (02:00-05:00) when the server grants none",
            ),
        ),
    ),
    "wifi": (
        Key(
            "radio",
            _matching(INTERFACE),
            "",
            Text(
                "tên cổng Wi-Fi của máy này; để trống: không nghe",
                "this machine's Wi-Fi interface; empty: not listened with",
            ),
            Text("cổng Wi-Fi dùng để nghe và thử chỗ ngồi", "the Wi-Fi interface to listen and try a seat with"),
        ),
        Key(
            "ssids",
            _list(_ssid, 16),
            (),
            Text("nhiều nhất 16 tên mạng", "at most 16 network names"),
            Text("các mạng Wi-Fi của trường", "the school's Wi-Fi networks"),
        ),
        Key(
            "seats",
            _list(_ssid, 4),
            (),
            Text("nhiều nhất 4 tên mạng", "at most 4 network names"),
            Text(
                "các mạng được thử như chỗ ngồi của học sinh (radio phải là cổng thứ hai, không phải đường về máy chủ)",
                "networks tried as a pupil's seat (the radio must be a second one, not the way to the server)",
            ),
        ),
        Key(
            "credential",
            _text,
            "",
            _ANY_TEXT,
            Text("tên mục trong secrets.toml có mật khẩu Wi-Fi", "entry of secrets.toml with the Wi-Fi password"),
        ),
        Key(
            "url",
            url,
            "http://connectivitycheck.gstatic.com/generate_204",
            Text("http(s)://…", "http(s)://…"),
            Text("trang thử của chỗ ngồi", "what a seat fetches"),
        ),
        Key(
            "seat_minutes",
            _whole(5, 240),
            15,
            _between(5, 240, _MINUTES),
            Text("bao lâu thử chỗ ngồi một lần", "how often a seat is tried"),
        ),
    ),
    "power": (
        Key(
            "nut",
            _matching(re.compile(r"|[A-Za-z0-9._-]{1,64}@[A-Za-z0-9.:\[\]_-]{1,255}")),
            "",
            Text("ups@máy hoặc ups@máy:3493; để trống: không hỏi", "ups@host or ups@host:3493; empty: not asked"),
            Text("bộ lưu điện qua NUT", "a UPS by NUT"),
        ),
        Key(
            "ups",
            _matching(re.compile("|" + SHORT_ID.pattern)),
            "",
            Text("mã một thiết bị có snmp", "the id of a device with snmp"),
            Text("bộ lưu điện của thiết bị cổng, hỏi bằng SNMP", "the gateway's UPS, asked by SNMP"),
        ),
    ),
    "lan": (
        Key(
            "watch",
            _matching(INTERFACE),
            "",
            Text("tên cổng mạng; để trống: không xem", "a network interface; empty: not watched"),
            Text(
                "xem máy lạ và lỗi trong mạng LAN (cần gói [discover] và quyền CAP_NET_RAW)",
                "watch the LAN for strangers and faults (needs [discover] and CAP_NET_RAW)",
            ),
        ),
        Key("minutes", _whole(5, 1_440), 60, _between(5, 1_440, _MINUTES), Text("bao lâu xem một lần", "how often")),
        Key(
            "default_passwords",
            _yes_no,
            False,
            _YES_NO,
            Text(
                "thử mật khẩu mặc định trên camera (chỉ khi được phép)",
                "try default passwords on cameras (only with permission)",
            ),
        ),
    ),
    "page": (
        Key(
            "port",
            _whole(0, 65_535),
            8080,
            _between(0, 65_535, _NOTHING),
            Text("cổng của trang tại trường; 0: tắt", "port of the page in the school; 0: none"),
        ),
        Key(
            "networks",
            _list(_network, 16),
            (),
            Text("nhiều nhất 16 mạng như 192.168.1.0/24", "at most 16 networks like 192.168.1.0/24"),
            Text(
                "ai được mở trang; để trống: các mạng LAN của máy này",
                "who may open it; empty: this machine's own LANs",
            ),
        ),
    ),
    "classroom": (
        Key(
            "gateway",
            _router,
            "",
            Text("địa chỉ IPv4; để trống: không hỏi", "an IPv4 address; empty: not asked"),
            Text(
                "thiết bị cổng của điểm trường, nhìn từ máy này (vai trò classroom)",
                "the site's gateway, seen from this computer (role classroom)",
            ),
        ),
        Key(
            "port",
            _whole(1, 65_535),
            8080,
            _between(1, 65_535, _NOTHING),
            Text("cổng của trang tại trường trên thiết bị cổng", "port of the gateway's page in the school"),
        ),
    ),
}

SERVICE: Final[tuple[Key, ...]] = (
    Key("id", _matching(SHORT_ID), None, _ID, Text("mã dịch vụ", "the service's id"), required=True),
    Key(
        "url",
        url,
        None,
        Text("http(s)://máy/đường-dẫn, nhiều nhất 200 ký tự", "http(s)://host/path, at most 200 characters"),
        Text("trang thử", "the page that is fetched"),
        required=True,
    ),
)

DEVICE: Final[tuple[Key, ...]] = (
    Key("id", _matching(SHORT_ID), None, _ID, Text("mã thiết bị", "the device's id"), required=True),
    Key(
        "address",
        address,
        None,
        Text("địa chỉ IP", "an IP address"),
        Text("địa chỉ trong mạng LAN", "its address on the LAN"),
        required=True,
    ),
    Key("name", _text, "", _ANY_TEXT, Text("tên gọi", "its name")),
    Key(
        "kind",
        _text,
        "",
        _ANY_TEXT,
        Text("loại: board, camera, access_point…", "its kind: board, camera, access_point…"),
    ),
    Key("room", _text, "", _ANY_TEXT, Text("phòng học", "its room")),
    Key(
        "port",
        _whole(0, 65_535),
        0,
        _between(0, 65_535, _NOTHING),
        Text("0: cổng chuẩn của `ask`", "0: the standard port of `ask`"),
    ),
    Key(
        "ask",
        _one_of(*get_args(Ask)),
        "",
        Text(
            "icmp, tcp, snmp, pjlink, display, rtsp, onvif hoặc để trống",
            "icmp, tcp, snmp, pjlink, display, rtsp, onvif or empty",
        ),
        Text(
            "cách hỏi xem thiết bị có chạy tốt không; để trống: ICMP, hoặc TCP nếu có port",
            "what decides that it is well; empty: ICMP, or TCP where there is a port",
        ),
    ),
    Key(
        "credential",
        _text,
        "",
        _ANY_TEXT,
        Text("tên mục trong secrets.toml cho `ask`", "entry of secrets.toml for `ask`"),
    ),
    Key(
        "snmp",
        _text,
        "",
        _ANY_TEXT,
        Text("tên mục trong secrets.toml để đọc SNMP", "entry of secrets.toml to read SNMP with"),
    ),
    Key(
        "profile",
        _profile,
        "",
        Text(
            f"một trong {', '.join(displays.families())}, thêm ':số' nếu màn hình có số riêng; hoặc để trống",
            f"one of {', '.join(displays.families())}, with ':id' where the display has one of its own; or empty",
        ),
        Text("giao thức của bảng, màn hình", "how a board or display talks"),
    ),
    Key("stream", _text, "", _ANY_TEXT, Text("đường dẫn hình của camera", "path of the camera's video")),
    Key(
        "interfaces",
        _list(_text, bounds.INTERFACES),
        (),
        Text("nhiều nhất 16 tên cổng", "at most 16 names of ports"),
        Text("các cổng được báo lưu lượng", "the ports whose rates are reported"),
    ),
    Key(
        "behind",
        behind,
        "lan.router",
        Text("tên một tín hiệu, ví dụ device.sw-1", "a signal's name, such as device.sw-1"),
        Text("thiết bị này nối sau gì", "what it hangs on"),
    ),
)


def table() -> list[str]:
    """The rows of docs/agent.md: a test keeps them there."""
    lists = {"[[service]]": SERVICE, "[[device]]": DEVICE}
    named = {f"[{section}]" if section else "": keys for section, keys in SECTIONS.items()} | lists
    return rows(named)


def rows(named: Mapping[str, Sequence[Key]]) -> list[str]:
    """Rows of a table of keys, by the heading that they stand under in the file."""
    return [
        f"| {section} | `{key.name}` | {_default(key)} | {key.meaning.vi}. *{key.allowed.vi}* "
        f"| {key.meaning.en}. *{key.allowed.en}* |"
        for section, keys in named.items()
        for key in keys
    ]


def _default(key: Key) -> str:
    if key.required:
        return "—"
    if isinstance(key.default, bool):
        return str(key.default).lower()
    if isinstance(key.default, tuple):
        parts = [f"{part[0]}:{part[1]}" if isinstance(part, tuple) else str(part) for part in key.default]
        return ":".join(parts) if key.name == "known" else ", ".join(parts)
    return "" if key.default in ("", 0) else f"{key.default}"
