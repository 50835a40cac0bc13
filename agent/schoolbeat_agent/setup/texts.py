"""What `setup` says."""

from __future__ import annotations

from typing import Final

from schoolbeat_agent.texts import Text

FIRST: Final = Text(
    "Thiết lập điểm trường mới. Chưa ghi gì cho tới bước cuối; Ctrl-C lúc nào cũng được.\nSẽ tạo {config}.",
    "Setting up a new site. Nothing is written before the last step; Ctrl-C at any time.\n{config} will be made.",
)
AGAIN: Final = Text(
    "Điểm trường {site}, tác tử {agent}. Chỉ hỏi những gì đã thay đổi; chưa ghi gì cho tới bước cuối.",
    "Site {site}, agent {agent}. Only what has changed is asked; nothing is written before the last step.",
)
NO_FOLDER: Final = Text(
    "không có thư mục {folder}: tạo trước (docs/setup.md)", "there is no folder {folder}: make it (docs/setup.md)"
)
CLASSROOM: Final = Text(
    "Máy trong phòng học: không dò mạng, chỉ đo chính nó, Wi-Fi và thiết bị cổng.",
    "A classroom's computer: it sweeps nothing, and watches only itself, the Wi-Fi and the gateway.",
)
SITE_KEY: Final = Text(
    "Nếu đây là thẻ mới của một trường cũ, nhập khóa điểm trường (32 chữ số); trường mới: để trống",
    "If this is a new card of a school set up before, type its site key (32 digits); a new school: leave empty",
)
BAD_SITE_KEY: Final = Text(
    "khóa điểm trường: cho phép 32 chữ số 0-9 a-f, có thể có dấu cách",
    "site key: allowed are 32 digits 0-9 a-f, with spaces if you like",
)
NETWORKS: Final = Text("Mạng nào được dò? Chỉ mạng được đánh dấu mới bị hỏi.", "Which networks may be swept?")
OTHER_NETWORK: Final = Text("Mạng khác…", "Another network…")
NETWORK: Final = Text("Mạng, ví dụ 192.168.10.0/24", "The network, such as 192.168.10.0/24")
BAD_NETWORK: Final = Text(
    "{network}: cho phép một mạng IPv4 như 192.168.1.0/24, không lớn hơn /{largest}",
    "{network}: allowed is an IPv4 network like 192.168.1.0/24, no larger than /{largest}",
)
NO_LAN: Final = Text(
    "Máy này không nằm trong mạng LAN nào: xem cáp mạng.", "This machine stands in no LAN: look at the network cable."
)
NOTHING_SWEPT: Final = Text("Không mạng nào được chọn, nên không dò gì.", "No network was chosen: nothing is swept.")
MORE_SECRETS: Final = Text(
    "Đã có các mục {names} trong secrets.toml. Thêm mục nữa?", "secrets.toml has {names}. Add more?"
)
COMMUNITY: Final = Text(
    "Chuỗi cộng đồng SNMP để thử (không hiện khi gõ; để trống: hết)",
    "SNMP community to try (not shown; empty: no more)",
)
CAMERA_PASSWORD: Final = Text(
    "Mật khẩu xem camera (không hiện khi gõ; để trống: không có)", "Password of the cameras (not shown; empty: none)"
)
CAMERA_USER: Final = Text("Tên đăng nhập camera", "User name of the cameras")
SWEEPING: Final = Text("Đang dò {networks}…", "Sweeping {networks}…")
PROGRESS: Final = Text("{step}: {done}/{all}, thấy {found}", "{step}: {done}/{all}, {found} there")
FOUND: Final = Text("Thấy {all} thiết bị, {new} thiết bị mới.", "{all} devices found, {new} of them new.")
MOVED: Final = Text("Đổi địa chỉ: {name}: {before} → {now}.", "Moved: {name}: {before} → {now}.")
MOVED_BY_HAND: Final = Text(
    "  {id} nằm trong agent.toml: hãy tự sửa address thành {now}.",
    "  {id} stands in agent.toml: change its address to {now} there.",
)
GONE: Final = Text(
    "Không thấy {name}: có thể đang tắt. Bỏ khỏi danh sách?", "{name} was not found; it may be off. Remove it?"
)
WOULD: Final = Text("Sẽ thay đổi (chưa ghi gì):", "Would change (nothing is written):")
SAME: Final = Text("Không có gì thay đổi.", "Nothing has changed.")
WROTE: Final = Text("Đã ghi {file}", "Wrote {file}")
MEASURING: Final = Text("Đo thử mọi thứ một lần…", "Measuring everything once…")
KEEP_KEY: Final = Text(
    "Khóa điểm trường: {key}\n"
    "Ghi khóa này vào hồ sơ của trường (và kho mật khẩu của tỉnh). Thẻ nhớ mới dùng lại khóa này thì mọi thiết bị "
    "giữ nguyên mã; đừng gửi qua tin nhắn.",
    "Site key: {key}\n"
    "Put it into the school's file (and the province's password store). A new card with this key finds the same "
    "device ids; do not send it in a message.",
)
NEXT: Final = Text(
    "Xong. Cho tác tử đọc lại: sudo systemctl restart schoolbeat-agent",
    "Done. Let the agent read it: sudo systemctl restart schoolbeat-agent",
)
STOPPED: Final = Text("Đã dừng; không ghi gì cả.", "Stopped; nothing was written.")
