"""Lines and ISPs: who keeps what the contract says, where it is slow, and every cut."""

from __future__ import annotations

from typing import Final

from dashboards import look
from dashboards.asked import (
    ALWAYS,
    AROUND_THE_CLOCK,
    EDGE,
    HOW,
    IN_LESSONS,
    INTERNET,
    LESSONS,
    available,
    down_seconds,
    outages,
    reading,
    sites,
    unknown_share,
)
from dashboards.boards import Board
from dashboards.panels import SCHOOL_BOARD, SITE_PAGE, Heading, Panel
from dashboards.queries import PLACE, Across, Over, Per, Query, Where, chosen, is_, like
from dashboards.variables import AREA, ISP, SCHOOL, SITE
from schoolbeat_server.said import Said

OF_ISP: Final = chosen("isp")
BY_ISP: Final = ("isp",)
EACH_LINE: Final = Said(
    "Mỗi điểm trường tính một lần, bằng trung vị của chính nó, nên nơi đo nhiều không lấn nơi đo ít.",
    "Each site counts once, by its own median, so that who measures more does not outweigh who measures less.",
)
TENTHS: Final = Said(
    "InfluxDB chỉ nói mức 9/10 và 1/10 khi có từ 5 điểm trường đo trong ngày.",
    "InfluxDB tells 9 of 10 and 1 of 10 only where 5 sites or more measured that day.",
)
TESTS: Final = is_("kind", "speed")
TERMINALS: Final = like("kind", "ont|router|switch")


def _over(name: Said, field: str, across: Across, *where: Where, per: Per = "interval") -> Query:
    each = Over(field, "median", across, ("site",))
    return Query(name, "schoolbeat_reading", each, BY_ISP, (*PLACE, OF_ISP, *where), per)


ISPS: Final = Panel(
    "table",
    Said("Nhà mạng, 30 ngày", "ISPs, 30 days"),
    Said(
        "Theo nhà mạng của đường chính: trường có Internet bao nhiêu, biên của nhà mạng trả lời bao nhiêu, mất bao "
        f"lâu. {HOW.vi} Cột 'Biên nhà mạng' gồm cả lúc trường đi bằng đường dự phòng; báo cáo trên máy chủ tách phần "
        "ấy ra. Việc cần làm: xếp hạng chính thức và công văn lấy từ báo cáo của máy chủ.",
        "By the main line's ISP: how much Internet the schools had, how much the ISP's edge answered, how long it was "
        f"down. {HOW.en} 'The ISP's edge' has the time on a line that stands by too; the server's report takes it out. "
        "To do: official rankings and letters come from the server's report.",
    ),
    (
        available(Said("Có Internet", "Internet"), OF_ISP, INTERNET, ALWAYS, by=BY_ISP),
        available(Said("Có Internet giờ học", "Internet in lessons"), OF_ISP, INTERNET, LESSONS, by=BY_ISP),
        available(Said("Biên nhà mạng", "The ISP's edge"), OF_ISP, EDGE, ALWAYS, by=BY_ISP),
        down_seconds(OF_ISP, EDGE, ALWAYS, by=BY_ISP),
        unknown_share(OF_ISP, EDGE, ALWAYS, by=BY_ISP),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.AVAILABILITY, look.LENGTH, look.UNKNOWN_SHARE),
    16,
    sort=("The ISP's edge", False),
    step="1h",
)
DOWN_NOW: Final = Panel(
    "bars",
    Said("Đang mất, theo nhà mạng", "Down now, by ISP"),
    Said(
        "Số điểm trường mất đường truyền lúc này. Việc cần làm: nhiều điểm của một nhà mạng thì gọi một lần, nêu tất "
        "cả.",
        "Sites whose line is down now. To do: many of one ISP is one call that names them all.",
    ),
    (sites(Said("Mất", "Down"), 2, BY_ISP, (OF_ISP,)),),
    (look.COUNT_BAD,),
    8,
    step="5m",
)
DAYS: Final = Panel(
    "daily",
    Said("Biên nhà mạng trả lời, theo ngày", "The ISP's edge, by day"),
    Said(
        f"Từng nhà mạng, từng ngày của 30 ngày qua. {HOW.vi} Việc cần làm: ngày một nhà mạng sụt còn nhà mạng khác "
        "không là sự cố của nhà mạng ấy; tất cả cùng sụt thì xem điện.",
        f"Each ISP, each of the last 30 days. {HOW.en} To do: one ISP's drop alone is its own fault; all at once is "
        "rather power.",
    ),
    (available(AROUND_THE_CLOCK, OF_ISP, EDGE, ALWAYS, by=BY_ISP, per="day"),),
    (look.SHARE,),
    step="1d",
)
UNKNOWN_DAYS: Final = Panel(
    "daily",
    Said("Phần chưa biết, theo ngày", "The share unknown, by day"),
    Said(
        "Phần thời gian không biết gì về biên nhà mạng, theo nhà mạng. Việc cần làm: phần này lớn thì chưa kết luận "
        "được gì về nhà mạng; sửa thiết bị cổng trước.",
        "The share of time in which nothing is known of the ISP's edge. To do: where it is large nothing can be said "
        "of the ISP; mend the gateways first.",
    ),
    (unknown_share(OF_ISP, EDGE, ALWAYS, by=BY_ISP, per="day"),),
    (look.UNKNOWN_SHARE,),
    step="1d",
)
DOMESTIC: Final = Panel(
    "chart",
    Said("Độ trễ trong nước", "Latency, domestic"),
    Said(
        f"Độ trễ tới các đích trong nước: trung vị, và mức mà 95 % điểm trường không vượt. {EACH_LINE.vi} Việc cần "
        "làm: trên 200 ms thì lớp học trực tuyến khó dùng.",
        f"Latency to domestic targets: the median, and what 95 % of sites stay under. {EACH_LINE.en} To do: over 200 "
        "ms online lessons are hard to use.",
    ),
    (
        _over(Said("Trung vị", "Median"), "rtt_ms", "p50", is_("subject", "line.domestic")),
        _over(Said("95 % dưới mức này", "95 % are under"), "rtt_ms", "p95", is_("subject", "line.domestic")),
    ),
    (look.LATENCY,),
    step="5m",
)
INTERNATIONAL: Final = Panel(
    "chart",
    Said("Độ trễ quốc tế", "Latency, international"),
    Said(
        f"Như bên cạnh, tới các đích quốc tế. {EACH_LINE.vi} Việc cần làm: mọi nhà mạng cùng tăng là cáp biển; báo "
        "giáo viên dùng dịch vụ trong nước.",
        f"As beside, to international targets. {EACH_LINE.en} To do: all ISPs rising together is a submarine cable; "
        "tell teachers to use domestic services.",
    ),
    (
        _over(Said("Trung vị", "Median"), "rtt_ms", "p50", is_("subject", "line.international")),
        _over(Said("95 % dưới mức này", "95 % are under"), "rtt_ms", "p95", is_("subject", "line.international")),
    ),
    (look.LATENCY,),
    step="5m",
)
LOSS: Final = Panel(
    "chart",
    Said("Mất gói tới nhà mạng", "Packet loss to the ISP"),
    Said(
        f"Trung vị tỷ lệ mất gói tới biên nhà mạng và mức mà 95 % điểm trường không vượt. {EACH_LINE.vi} Việc cần làm: "
        "trên 1 % kéo dài thì phản ánh nhà mạng.",
        f"The median of packet loss to the ISP's edge, and what 95 % of sites stay under. {EACH_LINE.en} To do: over 1 "
        "% for long is to be complained of.",
    ),
    (
        _over(Said("Trung vị", "Median"), "loss_percent", "p50", is_("subject", "line.isp")),
        _over(Said("95 % dưới mức này", "95 % are under"), "loss_percent", "p95", is_("subject", "line.isp")),
    ),
    (look.LOSS,),
    step="5m",
)
SPEEDS: Final = Panel(
    "daily",
    Said("Tốc độ tải xuống đo được", "Measured download speed"),
    Said(
        f"Mỗi ngày: trung vị, và mức mà 9/10 điểm trường đạt. {EACH_LINE.vi} Báo cáo của máy chủ tính trên từng lần đo "
        f"và bỏ lần bị thiết bị cổng giới hạn, nên có thể khác. {TENTHS.vi} Việc cần làm: mức 9/10 thấp xa trung vị là "
        "có nơi bị bỏ lại.",
        f"Each day: the median, and what 9 of 10 sites reach. {EACH_LINE.en} The server's report counts tests and "
        f"leaves out those that the gateway held down, so it may differ. {TENTHS.en} To do: 9 of 10 far below the "
        "median means some sites are left behind.",
    ),
    (
        _over(Said("Trung vị", "Median"), "download_bps", "p50", TESTS, per="day"),
        _over(Said("9/10 đạt", "9 of 10 reach"), "download_bps", "p10", TESTS, per="day"),
        _over(Said("1/10 đạt", "1 of 10 reaches"), "download_bps", "p90", TESTS, per="day"),
    ),
    (look.SPEED,),
    step="1d",
)
UPLOADS: Final = Panel(
    "daily",
    Said("Tốc độ tải lên đo được", "Measured upload speed"),
    Said(
        f"Mỗi ngày: trung vị, và mức mà 9/10 điểm trường đạt. {EACH_LINE.vi} {TENTHS.vi} Việc cần làm: dạy trực tuyến "
        "cần tải lên; thấp hơn vài Mbit/s thì không dạy được từ trường.",
        f"Each day: the median, and what 9 of 10 sites reach. {EACH_LINE.en} {TENTHS.en} To do: teaching online needs "
        "upload; under a few Mbit/s no lesson can be given from the school.",
    ),
    (
        _over(Said("Trung vị", "Median"), "upload_bps", "p50", TESTS, per="day"),
        _over(Said("9/10 đạt", "9 of 10 reach"), "upload_bps", "p10", TESTS, per="day"),
    ),
    (look.SPEED,),
    step="1d",
)
WORST: Final = Panel(
    "table",
    Said("Điểm trường kém nhất, 30 ngày", "Worst sites, 30 days"),
    Said(
        f"Từng điểm trường, biên nhà mạng trả lời ít nhất ở trên. {HOW.vi} Việc cần làm: mở trang điểm trường, lập "
        "phiếu đường truyền và gửi nhà mạng.",
        f"Each site, whose ISP's edge answered least first. {HOW.en} To do: open the site's page, make the line's "
        "sheet and send it to the ISP.",
    ),
    (
        available(Said("Biên nhà mạng", "The ISP's edge"), OF_ISP, EDGE, ALWAYS, by=("school", "site", "isp")),
        available(IN_LESSONS, OF_ISP, EDGE, LESSONS, by=("school", "site", "isp")),
        down_seconds(OF_ISP, EDGE, ALWAYS, by=("school", "site", "isp")),
        unknown_share(OF_ISP, EDGE, ALWAYS, by=("school", "site", "isp")),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.LENGTH, look.UNKNOWN_SHARE),
    links=(SITE_PAGE, SCHOOL_BOARD),
    sort=("The ISP's edge", False),
    step="1h",
)
OPTICAL: Final = Panel(
    "table",
    Said("Công suất quang", "Optical power"),
    Said(
        "Công suất quang thu thấp nhất và gần nhất của từng thiết bị quang trong thời gian đang chọn. Ngưỡng màu là "
        "giả định chung của mạng GPON (−27 dBm). Việc cần làm: dưới −27 dBm hoặc tụt dần là đầu nối bẩn, cáp gập: báo "
        "nhà mạng trước khi đứt.",
        "The lowest and the newest optical power received of each terminal in the chosen time. The colours' thresholds "
        "are a common assumption of GPON (−27 dBm). To do: under −27 dBm or sinking is a dirty connector or a bent "
        "fibre: tell the ISP before it breaks.",
    ),
    (
        reading(Said("Gần nhất", "Newest"), "optical_rx_dbm", "last", TERMINALS, by=("site", "label"), per="range"),
        reading(Said("Thấp nhất", "Lowest"), "optical_rx_dbm", "min", TERMINALS, by=("site", "label"), per="range"),
    ),
    (look.OPTICAL,),
    links=(SITE_PAGE,),
    sort=("Newest", False),
)
CUTS: Final = outages(
    Said("Các lần mất mạng trong thời gian đang chọn", "Outages of lines in the chosen time"),
    Said(
        "Mỗi lần mất Internet hoặc mất biên nhà mạng: bắt đầu, kết thúc, tổng số giây mất, nguyên nhân, số tiết bị ảnh "
        "hưởng. Việc cần làm: lọc theo nhà mạng rồi gửi kèm khi phản ánh; bằng chứng có dấu ở trang điểm trường.",
        "Each time the Internet or the ISP's edge was gone: beginning, end, seconds down, cause, lessons affected. To "
        "do: filter by ISP and attach it to a complaint; sealed evidence is on the site's page.",
    ),
    ("isp", "site", "signal"),
    OF_ISP,
    like("signal", "line\\.internet|line\\.isp"),
)

BOARD: Final = Board(
    "lines",
    Said("Đường truyền và nhà mạng", "Lines and ISPs"),
    Said(
        "Nhà mạng nào giữ lời, ở đâu chậm, mất những lúc nào.",
        "Which ISP keeps its word, where it is slow, when it was down.",
    ),
    (AREA, SCHOOL, SITE, ISP),
    (
        Heading(Said("Nhà mạng", "ISPs")),
        ISPS,
        DOWN_NOW,
        DAYS,
        UNKNOWN_DAYS,
        Heading(Said("Chất lượng", "Quality")),
        DOMESTIC,
        INTERNATIONAL,
        LOSS,
        SPEEDS,
        UPLOADS,
        OPTICAL,
        Heading(Said("Các lần mất mạng", "Outages")),
        WORST,
        CUTS,
    ),
    "now-7d",
    page="/sites",
)
