"""Texts of the page of comparisons, Vietnamese first: {key: (vi, en)}."""

from __future__ import annotations

COMPARE_TEXTS: dict[str, tuple[str, str]] = {
    "compare.title": ("So sánh", "Compare"),
    "compare.intro": (
        "Các nhà mạng cạnh nhau, một nơi trong hai kỳ, nơi thí điểm với nơi khác, bảng xếp hạng hằng năm. Số nào cũng "
        "dẫn tới các phút của nó. Bảng được tính ở chế độ nền và ghi rõ tính lúc nào.",
        "ISPs side by side, one place in two periods, a pilot against the others, the yearly league table. Every "
        "number leads to its minutes. Tables are made in the background and say as of when they are.",
    ),
    "compare.view": ("So sánh gì", "What to compare"),
    "compare.view.isps": ("Các nhà mạng", "ISPs"),
    "compare.view.periods": ("Một nơi, hai kỳ", "One place, two periods"),
    "compare.view.pilot": ("Thí điểm và nơi khác", "Pilot and others"),
    "compare.view.league": ("Bảng xếp hạng hằng năm", "Yearly league table"),
    "compare.place": ("So sánh nơi nào", "Which place"),
    "compare.place.area": ("Địa bàn", "An area"),
    "compare.place.school": ("Trường", "A school"),
    "compare.place.isp": ("Nhà mạng", "An ISP"),
    "compare.pilot": ("Thí điểm là", "The pilot is"),
    "compare.from": ("Từ ngày", "From"),
    "compare.to": ("Đến hết ngày", "To, included"),
    "compare.from_before": ("Kỳ trước, từ ngày", "Earlier period, from"),
    "compare.to_before": ("Kỳ trước, đến hết ngày", "Earlier period, to"),
    "compare.year": ("Năm học", "School year"),
    "compare.show": ("So sánh", "Compare"),
    "compare.making": (
        "Bảng đang được tính từ sổ phút; trang tự tải lại sau vài giây.",
        "The table is being made from the ledger; this page reloads itself in a few seconds.",
    ),
    "compare.as_of": (
        "Tính lúc {at}, kỳ {first} – {last}.",
        "As of {at}, of {first} – {last}.",
    ),
    "compare.before": ("Kỳ trước: {first} – {last}.", "Before: {first} – {last}."),
    "compare.again": ("Đang tính lại.", "Being made anew."),
    "compare.tables": ("Bảng", "Table"),
    "compare.group": ("Nhóm", "Group"),
    "compare.search": ("Tìm (không cần dấu)", "Search (accents do not matter)"),
    "compare.rows": ("{count} dòng", "{count} rows"),
    "compare.measured": ("đo được {share}", "measured {share}"),
    "compare.nobody": ("Không có dòng nào.", "There are no rows."),
    "compare.method": ("Cách tính", "Method"),
    "compare.official": ("Lập bảng xếp hạng thành văn bản (PDF)", "Make the league table a document (PDF)"),
    "compare.not_ready": (
        "bảng đang được tính; hãy tải lại sau vài giây",
        "the table is being made; ask again in a few seconds",
    ),
    "compare.no_group": (
        "nhóm {id}: không có; có {allowed}",
        "group {id}: there is none; there are {allowed}",
    ),
    "compare.no_table": ("bảng {id}: không có; có {allowed}", "table {id}: there is none; there are {allowed}"),
}
