"""What a table's columns and sheets are called in Vietnamese, and which column a heading in a file means."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from schoolbeat_server.register_columns import COLUMNS

SHEETS: dict[str, str] = {
    "areas": "Địa bàn",
    "schools": "Trường",
    "school_areas": "Địa bàn của trường",
    "sites": "Điểm trường",
    "shifts": "Buổi học",
    "lines": "Đường truyền",
    "rooms": "Phòng",
    "room_needs": "Phòng cần gì",
    "devices": "Thiết bị",
    "assets": "Sổ tài sản",
    "services": "Dịch vụ",
}
GUIDE = "Hướng dẫn"

HEADINGS: dict[str, dict[str, str]] = {
    "areas": {
        "id": "Mã địa bàn",
        "name": "Tên địa bàn",
        "kind": "Cấp",
        "parent": "Thuộc địa bàn",
        "valid_from": "Hiệu lực từ",
        "valid_to": "Hiệu lực đến",
    },
    "schools": {
        "id": "Mã trường",
        "name": "Tên trường",
        "area": "Địa bàn",
        "level": "Cấp học",
        "manager": "Cấp quản lý",
        "code": "Mã của Bộ",
        "cluster": "Cụm trường",
        "founded": "Ngày thành lập",
        "closed": "Ngày giải thể",
    },
    "school_areas": {
        "school": "Mã trường",
        "area": "Địa bàn",
        "valid_from": "Từ ngày",
        "valid_to": "Đến ngày",
    },
    "sites": {
        "id": "Mã điểm trường",
        "school": "Mã trường",
        "name": "Tên điểm trường",
        "kind": "Loại điểm",
        "latitude": "Vĩ độ",
        "longitude": "Kinh độ",
        "tags": "Đặc điểm",
        "valid_from": "Ngày mở",
        "valid_to": "Ngày đóng",
    },
    "shifts": {
        "site": "Mã điểm trường",
        "shift": "Buổi",
        "valid_from": "Từ ngày",
        "pupils": "Số học sinh",
        "teachers": "Số giáo viên",
    },
    "lines": {
        "id": "Mã đường truyền",
        "site": "Mã điểm trường",
        "isp": "Nhà mạng",
        "technology": "Công nghệ",
        "contract_down_bps": "Tải xuống theo hợp đồng (bit/s)",
        "contract_up_bps": "Tải lên theo hợp đồng (bit/s)",
        "contract_down_mbps": "Tải xuống theo hợp đồng (Mbit/s)",
        "contract_up_mbps": "Tải lên theo hợp đồng (Mbit/s)",
        "role": "Vai trò",
        "contract": "Số hợp đồng",
        "contract_from": "Hợp đồng từ ngày",
        "contract_to": "Hợp đồng đến ngày",
        "contract_min_bps": "Tải xuống tối thiểu cam kết (bit/s)",
        "contract_min_mbps": "Tải xuống tối thiểu cam kết (Mbit/s)",
        "universal_service": "Viễn thông công ích",
        "ont": "Mã thiết bị ONT",
    },
    "rooms": {
        "id": "Mã phòng",
        "site": "Mã điểm trường",
        "name": "Tên phòng",
        "kind": "Loại phòng",
        "smart_level": "Cấp độ thông minh",
    },
    "room_needs": {
        "kind": "Loại phòng",
        "smart_level": "Cấp độ thông minh",
        "device_kind": "Loại thiết bị",
        "count": "Số lượng",
    },
    "devices": {
        "site": "Mã điểm trường",
        "id": "Mã thiết bị",
        "name": "Tên thiết bị",
        "kind": "Loại thiết bị",
        "room": "Mã phòng",
        "address": "Địa chỉ IP",
        "port": "Cổng",
        "behind": "Nối qua",
        "ask": "Cách hỏi",
        "credential": "Tên mục mật khẩu",
        "snmp": "Tên mục SNMP",
        "profile": "Kiểu điều khiển",
        "stream": "Đường dẫn hình",
        "serial": "Số sê-ri",
        "model": "Kiểu máy",
        "vendor": "Hãng",
    },
    "assets": {
        "site": "Mã điểm trường",
        "code": "Mã tài sản",
        "name": "Tên tài sản",
        "room": "Mã phòng",
        "kind": "Loại thiết bị",
        "serial": "Số sê-ri",
        "model": "Kiểu máy",
        "year": "Năm sử dụng",
        "funding": "Nguồn kinh phí",
        "warranty_to": "Hết bảo hành",
        "quantity": "Số lượng",
        "status": "Tình trạng",
        "device": "Mã thiết bị",
    },
    "services": {
        "id": "Mã dịch vụ",
        "name": "Tên dịch vụ",
        "url": "Địa chỉ",
    },
}

MOST_ROWS_ABOVE = 20  # a title, the office's name and the like may stand above the headings


def bare(text: str) -> str:
    """Letters and digits only, without marks and case: 'Mã trường *' and 'ma truong' are the same heading."""
    pieces = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(sign for sign in pieces if sign.isalnum())


_COLUMN_OF = {
    section: {bare(word): name for name in COLUMNS[section] for word in (name, HEADINGS[section][name])}
    for section in COLUMNS
}
_SECTION_OF = {bare(word): section for section, sheet in SHEETS.items() for word in (section, sheet)}


def column_of(section: str, heading: str) -> str | None:
    """The column's id; None: no column is called so."""
    return _COLUMN_OF[section].get(bare(heading))


def section_of(sheet: str) -> str | None:
    return _SECTION_OF.get(bare(sheet))


def is_guide(sheet: str) -> bool:
    return bare(sheet) in (bare(GUIDE), "guide", "huongdan")


def header_at(section: str, rows: Sequence[Sequence[str]]) -> int:
    """Which of the first rows holds the headings: the first in which most filled cells are some; else the first one."""
    for number, cells in enumerate(rows):
        filled = [cell for cell in cells if cell.strip()]
        if filled and 2 * sum(column_of(section, cell) is not None for cell in filled) > len(filled):
            return number
    return next((number for number, cells in enumerate(rows) if any(cell.strip() for cell in cells)), 0)
