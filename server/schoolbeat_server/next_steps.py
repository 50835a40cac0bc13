"""What a school can do about a verdict: a few sentences for each kind of condition, missed or unknown."""

from __future__ import annotations

from collections.abc import Iterator

from schoolbeat_server.said import Said
from schoolbeat_server.targets import Target
from schoolbeat_server.verdicts import UnitVerdict

INSTALL = Said(
    "Chưa nhận được số liệu nào: lắp và đăng ký thiết bị cổng tại điểm trường; có bản tin đầu tiên là trang này đổi",
    "No data has come yet: install and enrol the gateway at the site; this page changes with its first report",
)
WAIT = Said(
    "Giữ thiết bị cổng luôn có điện và cắm vào mạng của trường; đủ số liệu thì có kết luận",
    "Keep the gateway powered and plugged into the school's network; with enough data there will be a verdict",
)
REGISTER = Said(
    "Kiểm tra và bổ sung sổ đăng ký: đường truyền, phòng, thiết bị của trường đã ghi đủ và đúng chưa",
    "Check the register and complete it: are the school's lines, rooms and devices all there and right?",
)

# By the beginning of an indicator's name; the longest that fits is meant.
_MISSED: dict[str, Said] = {
    "line.technology": Said(
        "Hỏi nhà mạng phương án kéo cáp quang tới điểm trường; nếu thực tế đã có, gửi hợp đồng để sửa sổ đăng ký",
        "Ask the ISP how fibre can reach the site; if it is there already, send the contract to mend the register",
    ),
    "line.fibre": Said(
        "Xem những lúc đi đường dự phòng hoặc mất mạng, rồi yêu cầu nhà mạng khắc phục đường cáp quang",
        "See when the fallback carried the school or the line was cut, then ask the ISP to mend the fibre",
    ),
    "line.contract": Said(
        "Đề nghị nâng gói cước: hợp đồng hiện nay thấp hơn mức cần",
        "Ask for a better contract: the present one is below what is needed",
    ),
    "line.backup": Said("Đề nghị trang bị đường dự phòng", "Ask for a backup line"),
    "line.download": Said(
        "Gửi nhà mạng kết quả đo kèm giờ đo; nếu tốc độ đã đúng hợp đồng thì đề nghị nâng gói cước",
        "Send the ISP the tests with their times; if the speed is as contracted, ask for a better contract",
    ),
    "line.upload": Said(
        "Gửi nhà mạng kết quả đo kèm giờ đo; nếu tốc độ đã đúng hợp đồng thì đề nghị nâng gói cước",
        "Send the ISP the tests with their times; if the speed is as contracted, ask for a better contract",
    ),
    "line.": Said(
        "Xem danh sách đoạn gián đoạn: lỗi của nhà mạng thì gửi họ giờ chính xác; lỗi trong trường thì kiểm tra "
        "nguồn điện và bộ định tuyến",
        "See the list of outages: where it was the ISP, send them the exact times; where it was the school, look at "
        "power and router",
    ),
    "lan.router": Said(
        "Kiểm tra nguồn điện và dây của bộ định tuyến; thường bị tắt cuối ngày thì để bật liên tục",
        "Check the router's power and cables; if it is switched off in the evening, leave it on",
    ),
    "lan.devices": Said(
        "Mở trang điểm trường, xem thiết bị nào không trả lời và vì sao",
        "Open the site's page and see which device does not answer, and why",
    ),
    "lesson.video": Said(
        "Xem độ trễ trong giờ học ở trang điểm trường: nếu chỉ chậm lúc đông máy thì hạn chế tải lớn trong giờ học; "
        "nếu chậm cả khi vắng hoặc đường truyền là di động thì hỏi nhà mạng phương án khác",
        "See the latency in lessons on the site's page: if it is high only when many are on, keep heavy downloads out "
        "of lessons; if it is high all the time, or the line is mobile, ask the ISP for another way",
    ),
    "lesson.peak_use": Said(
        "Đường truyền gần đầy trong giờ học: dời việc tải lớn, cập nhật ra ngoài giờ học, hoặc đề nghị nâng gói cước",
        "The line is nearly full in lessons: move downloads and updates out of lessons, or ask for a better contract",
    ),
    "power.": Said(
        "Báo điện lực các giờ mất điện; cân nhắc lắp bộ lưu điện cho thiết bị mạng",
        "Tell the power company the hours without power; consider a UPS for the network",
    ),
    "device.": Said(
        "Bật thiết bị, kiểm tra nguồn và dây mạng của nó; hỏng thì báo sửa hoặc cho ra khỏi sổ",
        "Switch the device on, check its power and cable; if broken, have it mended or taken off the books",
    ),
    "service.": Said(
        "Thử mở dịch vụ bằng máy khác trong trường; nếu cũng không được, gửi đơn vị quản lý dịch vụ giờ ghi trên trang",
        "Try the service from another computer; if that fails too, send those who run it the times on this page",
    ),
    "wifi.": Said(
        "Kiểm tra bộ phát Wi-Fi gần chỗ đo: nguồn, dây, mật khẩu, số người đang dùng",
        "Check the access point near the seat: power, cable, password, how many use it",
    ),
    "data.": Said(
        "Giữ thiết bị cổng luôn có điện và cắm vào mạng của trường, để số liệu đến đủ và kịp",
        "Keep the gateway powered and plugged into the school's network, so that its data comes whole and in time",
    ),
    "room": Said(
        "Xem phòng còn thiếu thiết bị nào theo danh mục, hoặc thiết bị nào không trả lời đầu tiết",
        "See which device of the list the room lacks, or which did not answer at the start of lessons",
    ),
    "holding.": Said(
        "Ghi những thiết bị còn thiếu vào sổ tài sản hoặc sổ đăng ký",
        "Enter the missing devices into the asset book or the register",
    ),
    "inspection.": Said(
        "Lần kiểm tra tới: tiến hành qua môi trường số và lưu biên bản trong hệ thống",
        "Hold the next inspection digitally and keep its record in the system",
    ),
}
_UNKNOWN: dict[str, Said] = {
    "line.technology": REGISTER,
    "line.contract": REGISTER,
    "line.backup": REGISTER,
    "line.download": Said(
        "Chưa đủ lần đo tốc độ: giữ thiết bị cổng bật ngoài giờ học để máy chủ cho đo",
        "Too few speed tests: leave the gateway on outside lessons, so that the server can let it test",
    ),
    "line.upload": Said(
        "Chưa đủ lần đo tốc độ: giữ thiết bị cổng bật ngoài giờ học để máy chủ cho đo",
        "Too few speed tests: leave the gateway on outside lessons, so that the server can let it test",
    ),
    "room": REGISTER,
    "holding.": REGISTER,
    "": WAIT,
}


def next_steps(target: Target, unit: UnitVerdict) -> list[Said]:
    """Nothing for what is met. Of several conditions the reasons say which; here each that may be meant is told."""
    if unit.silent:
        return [INSTALL]
    told = _MISSED if unit.status == "missed" else _UNKNOWN
    return list(dict.fromkeys(_steps(target, told))) if unit.status in ("missed", "unknown") else []


def _steps(target: Target, told: dict[str, Said]) -> Iterator[Said]:
    for condition in target.conditions:
        heads = [head for head in told if condition.indicator.startswith(head)]
        if heads:
            yield told[max(heads, key=len)]
