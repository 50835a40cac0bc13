"""SchoolBeat itself: whether agents are heard, how late, what waits, and what the ledger does not know."""

from __future__ import annotations

from typing import Final

from dashboards import look
from dashboards.asked import ALWAYS, INTERNET, unknown_share
from dashboards.boards import Board
from dashboards.look import Look
from dashboards.panels import SITE_PAGE, Heading, Panel
from dashboards.queries import PLACE, Of, Only, Over, Query, like
from dashboards.variables import AREA, SCHOOL, SITE
from schoolbeat_server.said import Said

CONNECTED: Final = Said("Đang kết nối", "Connected")


def _now(name: Said, field: str) -> Query:
    return Query(name, "schoolbeat_server", Of(field, "last"), per="now")


def _course(name: Said, field: str) -> Query:
    return Query(name, "schoolbeat_server", Of(field, "max"))


HEALTH: Final = Panel(
    "stat",
    Said("Máy chủ lúc này", "The server now"),
    Said(
        "Máy chủ có tự thấy khỏe không, tác tử trong sổ và đang kết nối, bản tin đến muộn bao lâu (phân vị 95), thông "
        "báo đang đợi, đĩa còn trống. Việc cần làm: không khỏe thì mở /healthz của máy chủ, ở đó có lý do.",
        "Whether the server finds itself healthy, agents in the register and connected, how late reports come (95th "
        "percentile), notices that wait, disk free. To do: when it is not healthy its /healthz has the reasons.",
    ),
    (
        _now(Said("Khỏe", "Healthy"), "ok"),
        _now(Said("Tác tử", "Agents"), "agents"),
        _now(CONNECTED, "agents_connected"),
        _now(Said("Đến muộn (p95)", "Late (p95)"), "late_p95_seconds"),
        _now(Said("Thông báo đang đợi", "Notices waiting"), "notices_waiting"),
        _now(Said("Đĩa còn trống", "Disk free"), "disk_free_bytes"),
    ),
    (look.OK, look.COUNT, look.COUNT, look.WAITS, look.COUNT_WARN, look.FREE),
    24,
    4,
)
STORE: Final = Panel(
    "stat",
    Said("Hàng đợi tới kho chuỗi thời gian", "The queue to the time-series store"),
    Said(
        "Bản tin đang đợi kho, đợi lâu nhất, dung lượng; điểm kho từ chối và điểm quá cũ. Việc cần làm: đợi tăng là "
        "kho không trả lời, chạy `schoolbeat-server series status`; có điểm bị từ chối thì `series aside list`.",
        "Reports that wait for the store, the longest wait, their size; points it refused and points too old. To do: a "
        "growing wait is a store that does not answer, run `schoolbeat-server series status`; refused points are in "
        "`series aside list`.",
    ),
    (
        _now(Said("Bản tin đang đợi", "Reports waiting"), "queue_reports"),
        _now(Said("Đợi lâu nhất", "Longest wait"), "queue_seconds"),
        _now(Said("Dung lượng", "Size"), "queue_bytes"),
        _now(Said("Bị từ chối", "Refused"), "points_aside"),
        _now(Said("Quá cũ", "Too old"), "points_old"),
    ),
    (look.COUNT, look.WAITS, Look("bytes", 1), look.COUNT_BAD, look.COUNT_UNKNOWN),
    24,
    4,
)
AGENTS: Final = Panel(
    "chart",
    Said("Tác tử đang kết nối", "Agents connected"),
    Said(
        "Bao nhiêu tác tử trong sổ và bao nhiêu đang kết nối. Việc cần làm: tụt đột ngột của tất cả là broker hoặc "
        "mạng của máy chủ, không phải của trường.",
        "How many agents are in the register and how many connected. To do: a sudden fall of all is the broker or the "
        "server's own network, not the schools'.",
    ),
    (_course(Said("Trong sổ", "In the register"), "agents"), _course(CONNECTED, "agents_connected")),
    (look.COUNT,),
)
LATE: Final = Panel(
    "chart",
    Said("Bản tin đến muộn", "How late reports come"),
    Said(
        "Phân vị 95 của độ muộn. Muộn vài chục giây là bình thường; cao sau sự cố là số liệu cũ đang về. Việc cần làm: "
        "cao mà không có sự cố nào thì xem tải của máy chủ.",
        "The 95th percentile of lateness. Some tens of seconds are normal; high after an incident is old data coming "
        "in. To do: high without any incident, look at the server's load.",
    ),
    (_course(Said("Muộn (p95)", "Late (p95)"), "late_p95_seconds"),),
    (Look("s", 0, low=0),),
)
FLOW: Final = Panel(
    "chart",
    Said("Bản tin nhận và điểm gửi", "Reports received, points sent"),
    Said(
        "Số bản tin nhận được và số điểm đã gửi vào kho trong mỗi bước. Việc cần làm: nhận mà không gửi là kho không "
        "trả lời; không nhận là broker hoặc mạng.",
        "Reports received and points sent to the store in each step. To do: received but not sent is the store; "
        "nothing received is the broker or the network.",
    ),
    (
        Query(Said("Bản tin nhận", "Reports received"), "schoolbeat_server", Of("reports", "increase")),
        Query(Said("Điểm gửi", "Points sent"), "schoolbeat_server", Of("points_sent", "increase")),
    ),
    (look.COUNT,),
)
QUEUE: Final = Panel(
    "chart",
    Said("Đợi kho", "Waiting for the store"),
    Said(
        "Bản tin lâu nhất đã đợi bao lâu. Việc cần làm: tăng đều là kho đang dừng; máy chủ giữ số liệu trên đĩa và gửi "
        "bù, nhưng đĩa có hạn.",
        "How long the oldest report has waited. To do: a steady rise is a store that is down; the server keeps "
        "everything on disk and sends it later, but the disk has an end.",
    ),
    (_course(Said("Đợi lâu nhất", "Longest wait"), "queue_seconds"),),
    (Look("s", 0, low=0),),
)
DISK: Final = Panel(
    "chart",
    Said("Cơ sở dữ liệu và đĩa", "Database and disk"),
    Said(
        "Cỡ cơ sở dữ liệu và đĩa còn trống của máy chủ. Việc cần làm: khi đường đĩa còn trống đi về phía cơ sở dữ liệu "
        "thì thêm đĩa hoặc giảm số ngày giữ bản tin.",
        "The size of the database and the server's free disk. To do: when the free disk nears the database, add disk "
        "or keep reports for fewer days.",
    ),
    (
        _course(Said("Cơ sở dữ liệu", "Database"), "database_bytes"),
        _course(Said("Đĩa còn trống", "Disk free"), "disk_free_bytes"),
    ),
    (Look("bytes", 1, low=0),),
)
LEDGER: Final = Panel(
    "daily",
    Said("Sổ phút: phần chưa biết", "The ledger: the share unknown"),
    Said(
        "Phần thời gian mà sổ không biết trường có Internet hay không, của nơi đang chọn. Phút bị tranh chấp cũng tính "
        "là chưa biết. Việc cần làm: ngày cao là nơi có thiết bị cổng tắt hoặc số liệu chưa về; xem bảng tác tử.",
        "The share of time for which the ledger does not know whether schools had Internet. Disputed minutes are "
        "unknown too. To do: a high day is gateways that were off or data still to come; see the agents' table.",
    ),
    (unknown_share(INTERNET, ALWAYS, per="day"),),
    (look.UNKNOWN_SHARE,),
    step="1d",
)
SILENT: Final = Panel(
    "table",
    Said("Tác tử không kết nối", "Agents not connected"),
    Said(
        "Tác tử trong sổ mà lúc này không kết nối, lâu nhất ở trên. Việc cần làm: mở trang điểm trường để biết là mất "
        "điện, mất mạng hay tác tử dừng.",
        "Agents in the register that are not connected now, the longest first. To do: the site's page tells whether it "
        "is power, the line or the agent.",
    ),
    tuple(
        Query(
            name,
            "schoolbeat_agent",
            Of(field, "last"),
            ("site", "agent", "role"),
            PLACE,
            "now",
            Only("connected", "=", 0),
        )
        for name, field in (
            (CONNECTED, "connected"),
            (Said("Bản tin gần nhất cách đây", "Newest report ago"), "heard_seconds"),
        )
    ),
    (look.OK, look.AGE),
    links=(SITE_PAGE,),
    sort=("Newest report ago", True),
    step="5m",
)
LATEST: Final = Panel(
    "table",
    Said("Tác tử đến muộn", "Late agents"),
    Said(
        "Bản tin gần nhất của từng tác tử đến muộn bao lâu, muộn nhất ở trên. Việc cần làm: muộn nhiều giờ mà đang kết "
        "nối là đang gửi bù; muộn mãi một mức là đồng hồ hoặc đường truyền của trường.",
        "How late each agent's newest report came, the latest first. To do: hours late while connected is a backlog on "
        "its way; always late by the same is the school's clock or line.",
    ),
    (Query(Said("Đến muộn", "Late"), "schoolbeat_agent", Of("late_seconds", "last"), ("site", "agent"), PLACE, "now"),),
    (look.WAITS,),
    links=(SITE_PAGE,),
    sort=("Late", True),
    step="5m",
)
VERSIONS: Final = Panel(
    "bars",
    Said("Phiên bản tác tử", "Versions of agents"),
    Said(
        "Bao nhiêu tác tử chạy từng phiên bản. Việc cần làm: còn phiên bản cũ thì cập nhật vào kỳ nghỉ.",
        "How many agents run each version. To do: bring the old ones up to date in the holidays.",
    ),
    (
        Query(
            Said("Tác tử", "Agents"),
            "schoolbeat_agent",
            Over("connected", "last", "count", ("site", "agent")),
            ("version",),
            PLACE,
            "now",
        ),
    ),
    (look.COUNT,),
    step="5m",
)
FAILURES: Final = Panel(
    "table",
    Said("Phép đo không đo được", "Probes that could not measure"),
    Said(
        "Số lần từng phép đo không đo được trong thời gian đang chọn (khác với đo được và thấy hỏng). Việc cần làm: "
        "nhiều lần là cấu hình hoặc quyền: chạy `schoolbeat-agent once` tại trường.",
        "How often each probe could not measure in the chosen time (other than measuring and finding it down). To do: "
        "many means settings or rights: run `schoolbeat-agent once` at the school.",
    ),
    (
        Query(
            Said("Không đo được", "Could not measure"),
            "schoolbeat_reading",
            Of("run_failures", "sum"),
            ("site", "agent", "subject"),
            (*PLACE, like("subject", "probe\\..+")),
            "range",
        ),
        Query(
            Said("Số lần", "Runs"),
            "schoolbeat_reading",
            Of("run_count", "sum"),
            ("site", "agent", "subject"),
            (*PLACE, like("subject", "probe\\..+")),
            "range",
        ),
    ),
    (look.COUNT_WARN, look.COUNT),
    links=(SITE_PAGE,),
    sort=("Could not measure", True),
)

BOARD: Final = Board(
    "itself",
    Said("Chính SchoolBeat", "SchoolBeat itself"),
    Said(
        "Cho người vận hành: tác tử, độ muộn, hàng đợi, sổ phút, kho.",
        "For who runs it: agents, lateness, the queue, the ledger, the store.",
    ),
    (AREA, SCHOOL, SITE),
    (
        Heading(Said("Lúc này", "Now")),
        HEALTH,
        STORE,
        Heading(Said("Diễn biến", "Over time")),
        AGENTS,
        LATE,
        FLOW,
        QUEUE,
        DISK,
        LEDGER,
        Heading(Said("Tác tử", "Agents")),
        SILENT,
        LATEST,
        VERSIONS,
        FAILURES,
    ),
    page="/about",
    show_server=True,
)
