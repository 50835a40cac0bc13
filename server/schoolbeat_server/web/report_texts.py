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
    "reports.kind.evidence": ("Gói minh chứng của một chỉ tiêu", "Evidence pack of a target"),
    "reports.id.area": ("Địa bàn", "Area"),
    "reports.id.league": ("Địa bàn", "Area"),
    "reports.id.school": ("Trường", "School"),
    "reports.id.isp": ("Nhà mạng", "ISP"),
    "reports.id.line": ("Đường truyền", "Line"),
    "reports.id.evidence": ("Chỉ tiêu", "Target"),
    "reports.typed": ("gõ một phần tên, không cần dấu", "type part of its name"),
    "reports.none_found": (
        "Không thấy tên hay mã nào khớp với “{typed}”; hãy gõ ít chữ hơn.",
        "No name or id matches “{typed}”; try fewer words.",
    ),
    "reports.several": (
        "{count} tên khớp với “{typed}”: hãy chọn một.",
        "{count} names match “{typed}”: choose one.",
    ),
    "reports.several.first": ("Chỉ nêu {count} tên đầu.", "Only the first {count} are offered."),
    "reports.by_day": ("Danh sách theo địa giới của ngày này", "List the areas of that day"),
    "reports.again": ("Tìm tên khác", "Look for another name"),
    "reports.evidence": (
        "Gói gồm kết luận của kỳ xét kết thúc bằng ngày đã chọn, báo cáo PDF, danh sách, sổ phút, mã băm và chương "
        "trình tính lại (ZIP).",
        "The pack has the verdict on the window that ends with the chosen day, the report as PDF, lists, ledger "
        "minutes, digests and a program that recomputes it (ZIP).",
    ),
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
