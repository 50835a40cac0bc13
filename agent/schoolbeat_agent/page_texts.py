"""The sentences of the page in the school, for the teacher standing there."""

from __future__ import annotations

from typing import Final

from schoolbeat_agent.texts import Text

# --- headlines -----------------------------------------------------------------------------------------------------

ALL_WELL: Final = Text("Mọi thứ đang chạy.", "Everything is working.")
INTERNET_WELL: Final = Text("Internet của trường vẫn tốt.", "The school's Internet is fine.")
NOT_YET: Final = Text("Đang đo lần đầu.", "Measuring for the first time.")
NOT_KNOWN: Final = Text(
    "Chưa biết Internet có dùng được không: lúc này không đo được.",
    "Whether the Internet works is not known: it cannot be measured just now.",
)
MAINS_LOST: Final = Text(
    "Trường đang mất điện lưới; mạng chạy bằng bộ lưu điện.",
    "The school has no mains power; the network runs on its UPS.",
)
NO_CABLE: Final = Text(
    "Thiết bị SchoolBeat bị tuột cáp mạng.", "The network cable of the SchoolBeat device is unplugged."
)
ROUTER_DOWN: Final = Text(
    "Bộ định tuyến của trường không trả lời, nên cả trường mất Internet.",
    "The school's router does not answer, so nobody has Internet.",
)
ROUTER_SILENT: Final = Text(
    "Bộ định tuyến không trả lời phép đo, nhưng Internet vẫn dùng được.",
    "The router does not answer our question, but the Internet works.",
)
NOTHING_ANSWERS: Final = Text(
    "Không thiết bị nào trong mạng của trường trả lời, kể cả bộ định tuyến.",
    "Nothing on the school's network answers, not even the router.",
)
LINE_DOWN: Final = Text("Đường truyền của nhà mạng đang hỏng.", "The provider's line is down.")
ISP_NETWORK_DOWN: Final = Text(
    "Nhà mạng đang có sự cố ở xa trường.", "The provider has a fault far away from the school."
)
BEYOND_ROUTER_DOWN: Final = Text(
    "Internet đang hỏng ở phía ngoài bộ định tuyến của trường.",
    "The Internet is down, beyond the school's router.",
)
NO_INTERNET: Final = Text(
    "Trường đang mất Internet; chưa biết hỏng ở chặng nào.",
    "The school has no Internet; where it breaks is not known yet.",
)
SCHOOL_DNS_DOWN: Final = Text(
    "Không mở được trang nào: máy phân giải tên miền (DNS) của trường đang hỏng.",
    "No page opens: the school's name resolver (DNS) is at fault.",
)
NO_NAMES: Final = Text(
    "Không mở được trang nào: không tên miền nào phân giải được (DNS).",
    "No page opens: no name resolves (DNS).",
)
NO_CONNECTION: Final = Text(
    "Đường truyền có tín hiệu nhưng không mở được trang nào.", "The line is there, but no page opens."
)
ABROAD_DOWN: Final = Text(
    "Mạng trong nước vẫn tốt; đường đi quốc tế đang hỏng.",
    "The domestic network is fine; the way abroad is down.",
)
PINGS_LOST: Final = Text(
    "Vài đích đo không trả lời, nhưng Internet vẫn dùng được.",
    "Some measuring targets do not answer, but the Internet works.",
)
WIFI_DOWN: Final = Text("Wi-Fi {names} không dùng được.", "The Wi-Fi {names} cannot be used.")
DEVICE_DOWN: Final = Text("{name}: {vi}.", "{name}: {en}.")
DEVICES_DOWN: Final = Text("{count} thiết bị không trả lời: {names}.", "{count} devices do not answer: {names}.")
SERVICE_DOWN: Final = Text("Dịch vụ {names} đang hỏng.", "The service {names} is down.")
DHCP_STRANGER: Final = Text(
    "{count} máy cùng cấp địa chỉ (DHCP) trong mạng của trường: máy này vào được, máy kia không.",
    "{count} machines give out addresses (DHCP) in the school: some computers get on, others do not.",
)
ADDRESS_TWICE: Final = Text(
    "{count} địa chỉ IP bị hai máy cùng dùng.", "{count} IP addresses are used by two machines each."
)
ROUTER_CHANGED: Final = Text(
    "Một máy khác đang trả lời thay bộ định tuyến của trường.",
    "Another machine answers in the place of the school's router.",
)
UPS: Final = Text("Bộ lưu điện", "UPS")
BATTERY_WORN: Final = Text("{name}: cần thay pin.", "{name}: the battery has to be replaced.")
DISKS_FAULTY: Final = Text("{name}: {count} ổ đĩa hỏng.", "{name}: {count} disks at fault.")
LOW_VOLTAGE: Final = Text(
    "Nguồn điện của thiết bị SchoolBeat yếu (điện áp thấp).",
    "The power supply of the SchoolBeat device is too weak (low voltage).",
)

# --- whose fault it is not -----------------------------------------------------------------------------------------

NOT_YOUR_MACHINE: Final = Text(
    "Không phải do máy tính hay điện thoại của thầy cô.", "It is not your computer or phone."
)
ROUTER_WELL: Final = Text("Bộ định tuyến của trường vẫn tốt.", "The school's router is fine.")
WIFI_WELL: Final = Text("Wi-Fi {names} vẫn tốt.", "The Wi-Fi {names} is fine.")
DEVICES_WELL: Final = Text(
    "{well} trên {known} thiết bị trong trường vẫn chạy.", "{well} of {known} devices in the school are working."
)
LINE_NOT_SEEN: Final = Text(
    "Chưa thể nói đường truyền của nhà mạng tốt hay hỏng: từ đây chưa nhìn tới đó.",
    "Nothing can be said of the provider's line: it cannot be seen from here.",
)
LAN_ANSWERS: Final = Text(
    "Mạng trong trường vẫn chạy: {count} thiết bị trả lời.",
    "The school's own network works: {count} devices answer.",
)
LINE_WELL: Final = Text("Đường truyền của nhà mạng vẫn thông.", "The provider's line is there.")
NOT_THE_LINE: Final = Text("Không phải lỗi đường truyền của nhà mạng.", "It is not the fault of the provider's line.")
NOT_THE_SCHOOL: Final = Text(
    "Không phải lỗi của trường, cũng không phải của đường truyền vào trường.",
    "It is neither the school's fault nor that of the line into the school.",
)
NOT_THE_NETWORK: Final = Text(
    "Không phải lỗi của mạng hay của nhà mạng.", "It is not the fault of the network or the provider."
)

# --- what to try ---------------------------------------------------------------------------------------------------

NOT_YET_STEPS: Final = (Text("Chờ khoảng nửa phút; trang này tự cập nhật.", "Wait half a minute; this page updates."),)
NOT_KNOWN_STEPS: Final = (
    Text("Chờ một phút; trang này tự cập nhật.", "Wait a minute; this page updates."),
    Text(
        "Thử mở một trang bằng điện thoại dùng Wi-Fi của trường.",
        "Try to open a page with a phone on the school's Wi-Fi.",
    ),
)
BATTERY_LASTS: Final = Text(
    "Pin còn khoảng {minutes} phút: lưu bài đang làm.", "The battery lasts about {minutes} minutes: save your work."
)
MAINS_STEPS: Final = (
    Text(
        "Xem cả trường mất điện, hay chỉ tủ mạng mất điện (cầu dao, ổ cắm).",
        "See whether the whole school is dark or only the network cabinet's fuse or socket.",
    ),
)
NO_CABLE_STEPS: Final = (
    Text(
        "Cắm lại cáp mạng của thiết bị SchoolBeat tới khi đèn ở ổ cắm sáng.",
        "Plug the cable of the SchoolBeat device in again until the light at the socket is on.",
    ),
    Text(
        "Nếu đèn không sáng: thử cổng khác của switch, hoặc dây khác.",
        "If there is no light: try another port of the switch, or another cable.",
    ),
)
ROUTER_STEPS: Final = (
    Text("Xem bộ định tuyến có đèn không.", "See whether the router's lights are on."),
    Text(
        "Rút nguồn bộ định tuyến 30 giây rồi cắm lại, chờ 3 phút.",
        "Take the router's plug out for 30 seconds, plug it in again, wait 3 minutes.",
    ),
)
NOTHING_STEPS: Final = (
    Text(
        "Xem tủ mạng có điện không: switch và bộ định tuyến phải có đèn.",
        "See whether the network cabinet has power: switch and router must have lights.",
    ),
    Text(
        "Kiểm tra dây từ thiết bị SchoolBeat tới switch.",
        "Check the cable from the SchoolBeat device to the switch.",
    ),
)
LINE_STEPS: Final = (
    Text(
        "Xem modem quang của nhà mạng: có điện không, dây có lỏng không, đèn LOS có đỏ không.",
        "Look at the provider's optical modem: power, loose cables, a red LOS light?",
    ),
    Text(
        "LOS không đỏ: rút nguồn modem 30 giây rồi cắm lại, chờ 3 phút. LOS đỏ: gọi nhà mạng ngay.",
        "LOS not red: take its plug out for 30 seconds, wait 3 minutes. LOS red: call the provider at once.",
    ),
)
WAIT_STEPS: Final = (Text("Ở trường không cần làm gì; chờ 15 phút.", "Nothing to do in the school; wait 15 minutes."),)
DNS_STEPS: Final = (
    Text(
        "Rút nguồn bộ định tuyến 30 giây rồi cắm lại, chờ 3 phút.",
        "Take the router's plug out for 30 seconds, plug it in again, wait 3 minutes.",
    ),
    Text(
        "Nếu vẫn hỏng: thầy cô phụ trách CNTT đặt DNS trong bộ định tuyến thành {resolver} (máy này trả lời tốt).",
        "If that does not help: the IT person sets the router's DNS to {resolver} (which answers well).",
    ),
)
NO_CONNECTION_STEPS: Final = (
    Text(
        "Mở vnexpress.net bằng trình duyệt: nếu hiện trang đăng nhập hay báo nợ cước, làm theo trang đó.",
        "Open vnexpress.net in a browser: if a page about signing in or paying appears, do what it says.",
    ),
    Text(
        "Nếu không: xem tường lửa của trường vừa có ai thay đổi không.",
        "If not: see whether somebody has changed the school's firewall.",
    ),
)
ABROAD_STEPS: Final = (
    Text(
        "Dùng các trang trong nước; Google, YouTube, Zoom có thể chậm hoặc không vào được.",
        "Use domestic sites; Google, YouTube, Zoom may be slow or out of reach.",
    ),
)
USE_CABLE: Final = Text(
    "Trong lúc chờ: dùng cáp mạng hoặc Wi-Fi khác của trường.",
    "Until then use a network cable or another Wi-Fi of the school.",
)
LOOK_AT: Final = Text("Tới chỗ {name}{where}.", "Go to {name}{where}.")
HIDDEN: Final = Text(
    "{count} thiết bị nối sau nó vì vậy chưa biết ra sao.", "{count} devices behind it are therefore not known."
)
DHCP_STEPS: Final = (
    Text(
        "Tìm bộ phát Wi-Fi hay bộ định tuyến mới được cắm vào mạng của trường, rút dây mạng của nó ra.",
        "Find the Wi-Fi box or router that was plugged into the school's network lately, and unplug its cable.",
    ),
)
ADDRESS_TWICE_STEPS: Final = (
    Text(
        "Máy nào được đặt địa chỉ cố định gần đây: chuyển lại về tự động (DHCP).",
        "A machine that was given a fixed address lately: set it back to automatic (DHCP).",
    ),
)
ROUTER_CHANGED_STEPS: Final = (
    Text(
        "Nếu bộ định tuyến vừa được thay: không cần làm gì. Nếu không: báo ngay, có thể ai đó đang nghe lén.",
        "If the router was replaced: nothing. If not: tell at once, somebody may be listening in.",
    ),
)
WORN_STEPS: Final = (Text("Vẫn chạy, nhưng hãy đặt thay sớm.", "It still works, but have it replaced soon."),)
VOLTAGE_STEPS: Final = (
    Text(
        "Thay bộ nguồn và dây nguồn bằng loại chính hãng của Raspberry Pi.",
        "Replace power supply and cable by the Raspberry Pi's own.",
    ),
)
TELL_CAUSE: Final = Text("Báo cho người phụ trách: «{cause}».", "Tell the person in charge: “{cause}”.")

# What a teacher can do by himself, by cause; the technician's words for every cause stand in `table`.
TEACHERS_REMEDIES: Final = {
    "timeout": Text(
        "Xem nó có bật và có cắm cáp mạng không; tắt rồi bật lại.",
        "See whether it is on and its network cable is in; switch it off and on.",
    ),
    "unreachable": Text(
        "Xem nó có bật và có cắm cáp mạng không; tắt rồi bật lại.",
        "See whether it is on and its network cable is in; switch it off and on.",
    ),
    "no_carrier": Text("Cắm lại cáp mạng.", "Plug the network cable in again."),
    "no_video": Text(
        "Tắt rồi bật lại camera; xem ống kính có bị che không.",
        "Switch the camera off and on; see whether the lens is covered.",
    ),
    "device_error": Text(
        "Xem thông báo hoặc đèn báo lỗi trên thiết bị.", "Look at the message or the error light on the device."
    ),
    "not_heard": Text(
        "Xem điểm phát Wi-Fi gần nhất có đèn không; nếu không, xem nguồn và cáp của nó.",
        "See whether the nearest access point has a light; if not, look at its power and cable.",
    ),
    "no_lease": Text(
        "Bộ định tuyến không cấp địa chỉ: tắt bộ định tuyến 30 giây rồi bật lại.",
        "The router gives no address: switch it off for 30 seconds and on again.",
    ),
    "join_failed": Text("Hỏi xem mật khẩu Wi-Fi có vừa đổi không.", "Ask whether the Wi-Fi password was changed."),
    "http_status": Text(
        "Ở trường không cần làm gì; thử lại sau 15 phút.", "Nothing to do in the school; try again in 15 minutes."
    ),
    "tls_invalid": Text(
        "Xem ngày giờ của máy tính có đúng không; đừng bỏ qua cảnh báo chứng thư.",
        "See whether your computer's date is right; do not click away the certificate warning.",
    ),
}

# --- who to call ---------------------------------------------------------------------------------------------------

CALL_ISP: Final = Text(
    "Tổng đài của nhà mạng (số trên hợp đồng hoặc nhãn dán ở modem quang).",
    "The provider's hotline (its number is on the contract or on the optical modem).",
)
CALL_SCHOOL: Final = Text("Thầy cô phụ trách CNTT của trường.", "The school's IT person.")
CALL_SCHOOL_THEN_ISP: Final = Text(
    "Thầy cô phụ trách CNTT của trường; nếu bộ định tuyến là của nhà mạng thì gọi tổng đài nhà mạng.",
    "The school's IT person; the provider's hotline if the router is theirs.",
)
CALL_SERVICE: Final = Text("Đơn vị quản lý dịch vụ đó.", "Those who run that service.")
CALL_PROVINCE: Final = Text("Đầu mối SchoolBeat của tỉnh.", "The province's SchoolBeat contact.")
CALL_POWER: Final = Text("Điện lực, hoặc người trông coi điện của trường.", "The power company, or the caretaker.")
CALL_NOBODY: Final = Text(
    "Chưa cần gọi ai; quá một ngày thì báo nhà mạng.", "Nobody yet; after a day tell the provider."
)

# --- remarks -------------------------------------------------------------------------------------------------------

SOME_NOT_KNOWN: Final = Text("{count} mục chưa biết ra sao.", "{count} things are not known.")
NOT_CONNECTED: Final = Text(
    "Số liệu chưa gửi được về máy chủ; vẫn được giữ ở đây và gửi sau. Dạy học không bị ảnh hưởng.",
    "The figures have not reached the server; they are kept here and go later. Teaching is not affected.",
)
NO_CLOCK: Final = Text(
    "Thiết bị này chưa biết giờ; số đo vẫn được giữ.",
    "This device does not know the time yet; what it measures is kept.",
)
