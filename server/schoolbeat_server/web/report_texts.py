"""The sentences of the page of reports."""

from __future__ import annotations

REPORT_TEXTS: dict[str, tuple[str, str]] = {
    "reports.title": ("Báo cáo", "Reports"),
    "reports.intro": (
        "Báo cáo của địa bàn, trường, nhà mạng và bảng xếp hạng, theo mẫu văn bản hành chính; cùng một số liệu cho "
        "trang, PDF, XLSX, CSV và JSON.",
        "Reports on an area, a school, an ISP, and the league table, laid out as official documents; the same figures "
        "as page, PDF, XLSX, CSV and JSON.",
    ),
    "reports.ask": ("Lập báo cáo", "Make a report"),
    "reports.kind": ("Loại", "Kind"),
    "reports.kind.area": ("Địa bàn (tỉnh, xã, phường)", "Area (province, commune)"),
    "reports.kind.school": ("Trường", "School"),
    "reports.kind.isp": ("Nhà mạng", "ISP"),
    "reports.kind.league": ("Bảng xếp hạng của địa bàn", "League table of an area"),
    "reports.kind.line": ("Phiếu đánh giá một đường truyền", "Conformity sheet of a line"),
    "reports.id": ("Mã (địa bàn, trường) hoặc tên nhà mạng", "Id (area, school) or the ISP's name"),
    "reports.from": ("Từ ngày", "From"),
    "reports.to": ("Đến hết ngày", "To, included"),
    "reports.format": ("Dạng tệp", "Format"),
    "reports.look": ("Xem ngay", "Look at it now"),
    "reports.background": ("Lập ở chế độ nền", "Make it in the background"),
    "reports.jobs": ("Đã yêu cầu", "Asked for"),
    "reports.jobs.note": (
        "Tệp được giữ {days} ngày rồi xóa; lập lại được bất cứ lúc nào.",
        "Files are kept for {days} days and then deleted; they can be made again at any time.",
    ),
    "reports.jobs.none": ("Chưa có báo cáo nào.", "There are none."),
    "reports.what": ("Báo cáo", "Report"),
    "reports.period": ("Kỳ", "Period"),
    "reports.state": ("Tình trạng", "State"),
    "reports.asked": ("Yêu cầu lúc", "Asked at"),
    "reports.step": ("bước {step}/{steps}", "step {step} of {steps}"),
    "reports.busy": (
        "Đang lập một báo cáo khác; xin thử lại sau một phút, hoặc chọn 'Lập ở chế độ nền'.",
        "Another report is being made: try again in a minute, or choose 'Make it in the background'.",
    ),
    "reports.foreign": (
        "Yêu cầu đến từ một trang khác; hãy gửi từ trang Báo cáo của máy chủ này.",
        "The request came from another site's page; send it from this server's page of reports.",
    ),
}
