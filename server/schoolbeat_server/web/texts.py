"""Every text of the pages, Vietnamese first: {key: (vi, en)}."""

from __future__ import annotations

from schoolbeat_server.web.compare_texts import COMPARE_TEXTS
from schoolbeat_server.web.plan_texts import PLAN_TEXTS
from schoolbeat_server.web.report_texts import REPORT_TEXTS

_PAGES: dict[str, tuple[str, str]] = {
    # ---- every page ------------------------------------------------------------------------------------------
    "brand": ("SchoolBeat", "SchoolBeat"),
    "skip": ("Đến nội dung chính", "Skip to the content"),
    "nav": ("Các trang", "Pages"),
    "nav.province": ("Toàn tỉnh", "Province"),
    "nav.sites": ("Điểm trường", "Sites"),
    "nav.plans": ("Kế hoạch", "Plans"),
    "nav.notices": ("Thông báo", "Notices"),
    "nav.about": ("Giải thích", "What it means"),
    "nav.other_language": ("English", "Tiếng Việt"),
    "live.on": ("Trang tự cập nhật", "This page updates itself"),
    "live.off": (
        "Mất kết nối với máy chủ, đang thử lại. Số liệu dưới đây là của {at}.",
        "No connection to the server, trying again. What you see is from {at}.",
    ),
    "footer.made": ("Trang lập lúc {at} (giờ Việt Nam).", "Page made at {at} (Viet Nam time)."),
    "footer.no_login": (
        "Chưa có đăng nhập: trang này chỉ mở được trên chính máy chủ.",
        "There is no login yet: this page opens only on the server itself.",
    ),
    "footer.api": ("Dữ liệu cho phần mềm khác (API)", "Data for other programs (API)"),
    "yes": ("có", "yes"),
    "no": ("không", "no"),
    "days": ("ngày", "days"),
    "hours": ("giờ", "h"),
    "none": ("Không có.", "None."),
    # ---- states of a site ------------------------------------------------------------------------------------
    "state.silent": ("Chưa từng gửi số liệu", "Never reported"),
    "state.lost": ("Mất liên lạc", "Contact lost"),
    "state.down": ("Sự cố mạng", "Network incident"),
    "state.faulty": ("Có thiết bị không trả lời", "A device is not answering"),
    "state.ok": ("Bình thường", "All well"),
    # ---- the province ----------------------------------------------------------------------------------------
    "province.title": ("Toàn tỉnh", "The province"),
    "province.heading": (
        "{province}: trường nào chưa đạt, từ bao giờ, vì sao",
        "{province}: which schools miss their targets, since when, and why",
    ),
    "province.intro": (
        "Thiết bị đặt tại từng điểm trường tự đo đường truyền, mạng nội bộ và thiết bị dạy học mỗi phút rồi gửi về "
        "đây. "
        "Trang này đối chiếu số đo với chỉ tiêu của kế hoạch. Phần chưa đo được ghi là “chưa đủ dữ liệu”: không tính "
        "là đạt, cũng không tính là chưa đạt.",
        "A device at every site measures the line, the local network and the classroom equipment each minute and sends "
        "what it saw. This page compares it with what the plan promises. What was not measured is shown as “not enough "
        "data”: it counts neither as met nor as missed.",
    ),
    "province.live": (
        "Số liệu mới nhất lúc {at}; {count} điểm trường gửi trong 3 phút qua.",
        "Latest data at {at}; {count} sites reported in the last 3 minutes.",
    ),
    "province.live_none": ("Chưa nhận được số liệu nào.", "No data has arrived yet."),
    "province.states": ("{count} điểm trường lúc này", "{count} sites right now"),
    "province.targets": ("Chỉ tiêu của kế hoạch", "The plan's targets"),
    "province.no_targets": (
        "Chưa có kết luận: máy chủ vừa khởi động hoặc chưa nạp kế hoạch nào.",
        "No verdict yet: the server has just started, or no plan is loaded.",
    ),
    "province.incidents": ("Sự cố đang diễn ra", "Open incidents"),
    "province.no_incidents": ("Không có sự cố nào đang diễn ra.", "No incident is open."),
    "province.more_incidents": ("và {count} sự cố khác", "and {count} more"),
    "province.notices": ("Thông báo vừa gửi", "Latest notices"),
    "province.no_notices": ("Chưa có thông báo nào.", "No notice yet."),
    "province.all_notices": ("Xem tất cả thông báo", "See all notices"),
    "exceptions": ("Ai chưa đạt", "Who misses"),
    "exceptions.caption": (
        "Điểm trường chưa từng gửi số liệu và đơn vị chưa đạt chỉ tiêu: {count} dòng",
        "Sites that never reported and units that miss a target: {count} rows",
    ),
    "exceptions.who": ("Trường, điểm trường", "School, site"),
    "exceptions.target": ("Chỉ tiêu", "Target"),
    "exceptions.since": ("Từ khi", "Since"),
    "exceptions.why": ("Vì sao", "Why"),
    "exceptions.none": ("Không có đơn vị nào chưa đạt.", "No unit misses a target."),
    "exceptions.silent": (
        "Chưa từng gửi số liệu: thiết bị cổng chưa lắp, chưa bật hoặc chưa nối mạng. Chưa kết luận được.",
        "Has never reported: the gateway is not installed, not switched on or not connected. No verdict is possible.",
    ),
    "unknown": ("Chưa đủ dữ liệu để kết luận", "Not enough data for a verdict"),
    "unknown.caption": (
        "Đơn vị chưa kết luận được: {count} dòng. Không tính là đạt hay chưa đạt.",
        "Units without a verdict: {count} rows. They count neither as met nor as missed.",
    ),
    "unknown.show": ("Xem danh sách {count} đơn vị chưa kết luận được", "Show the {count} units without a verdict"),
    "unknown.more": ("và {count} đơn vị khác", "and {count} more"),
    "filter": ("Lọc", "Filter"),
    "filter.commune": ("Địa bàn", "Area"),
    "filter.isp": ("Nhà mạng", "ISP"),
    "filter.state": ("Tình trạng", "State"),
    "filter.all": ("Tất cả", "All"),
    "filter.apply": ("Xem", "Show"),
    "filter.clear": ("Bỏ lọc", "Clear"),
    "filter.note": (
        "Đang lọc: chỉ các danh sách dưới đây thay đổi; kết luận về chỉ tiêu vẫn tính trên toàn tỉnh.",
        "Filtered: only the lists below change; the verdicts are still those of the whole province.",
    ),
    "page.previous": ("Trang trước", "Previous page"),
    "page.next": ("Trang sau", "Next page"),
    "page.of": ("Trang {page}/{pages}", "Page {page} of {pages}"),
    # ---- a target --------------------------------------------------------------------------------------------
    "target.met": ("Đạt", "Met"),
    "target.missed": ("Chưa đạt", "Missed"),
    "target.unknown": ("Chưa đủ dữ liệu", "Not enough data"),
    "target.not_applicable": ("Không áp dụng", "Not applicable"),
    "target.reached": ("{met}/{count} {unit} đạt", "{met} of {count} {unit} met"),
    "target.count.met": ("đạt {count}", "met {count}"),
    "target.count.missed": ("chưa đạt {count}", "missed {count}"),
    "target.count.unknown": ("chưa đủ dữ liệu {count}", "not enough data {count}"),
    "target.count.silent": ("{count} chưa từng gửi số liệu", "{count} never reported"),
    "target.revised": ("Đã sửa lại", "Revised"),
    "target.revised.what": (
        "kết luận tính đến {end}, do {why} ở {count} điểm trường, các phút",
        "the verdict up to {end}, because of {why} at {count} sites, minutes",
    ),
    "target.asked": ("yêu cầu {share}", "{share} required"),
    "target.deadline": ("hạn {day}", "deadline {day}"),
    "target.deadline_past": ("hạn {day}, đã qua", "deadline {day}, past"),
    "target.counts": (
        "đạt {met} · chưa đạt {missed} · chưa đủ dữ liệu {unknown}",
        "met {met} · missed {missed} · not enough data {unknown}",
    ),
    "target.window": ("Xét {days} ngày gần nhất", "Over the last {days} days"),
    "target.coverage": ("độ phủ số liệu {share}", "data coverage {share}"),
    "target.grade": ("minh chứng: {grade}", "evidence: {grade}"),
    "target.assumptions": ("Căn cứ và giả định", "Source and assumptions"),
    "grade.declared": ("theo khai báo", "declared"),
    "grade.inventoried": ("theo kiểm kê", "inventoried"),
    "grade.observed": ("đã đo", "observed"),
    "grade.proven": ("đã chứng minh", "proven"),
    "unit.school": ("trường", "schools"),
    "unit.site": ("điểm trường", "sites"),
    "unit.room": ("phòng", "rooms"),
    "unit.device": ("thiết bị", "devices"),
    "unit.holding": ("tài sản (thấy hoặc đã khai)", "holdings (seen or declared)"),
    "unit.inspection": ("cuộc kiểm tra", "inspections"),
    # ---- incidents and notices -------------------------------------------------------------------------------
    "incident.since": ("Bắt đầu", "Since"),
    "incident.lasted": ("Kéo dài", "Lasted"),
    "incident.cause": ("Nguyên nhân", "Cause"),
    "incident.open": ("đang diễn ra", "open"),
    "incident.for": ("đã {length}", "for {length}"),
    "incident.caption": ("Sự cố, mới nhất trước", "Incidents, the newest first"),
    "notices.title": ("Thông báo", "Notices"),
    "notices.intro": (
        "Mỗi sự cố có một thông báo khi bắt đầu và một thông báo khi kết thúc, gửi tới từng kênh đã cài đặt. Thông báo "
        "chưa gửi được sẽ gửi lại, thưa dần đến 15 phút một lần. Cùng một thông báo có thể đến hai lần nếu máy chủ bị "
        "tắt đúng lúc đang gửi.",
        "Every incident has one notice when it opens and one when it closes, to each configured channel. One that "
        "could "
        "not be sent is tried again, in the end every 15 minutes. The same notice can arrive twice if the server was "
        "stopped just while sending.",
    ),
    "notices.caption": ("Thông báo, mới nhất trước", "Notices, the newest first"),
    "notices.when": ("Lập lúc", "Written"),
    "notices.what": ("Nội dung", "What"),
    "notices.channel": ("Kênh", "Channel"),
    "notices.delivery": ("Gửi", "Delivery"),
    "notices.all": ("Tất cả", "All"),
    "notice.sent": ("Đã gửi lúc {at}", "Sent at {at}"),
    "notice.sent.short": ("đã gửi", "sent"),
    "notice.waiting": ("Đang gửi", "Being sent"),
    "notice.waiting.short": ("đang gửi", "being sent"),
    "notice.retrying": (
        "Chưa gửi được ({tries} lần), thử lại lúc {at}: {error}",
        "Not sent yet ({tries} tries), next at {at}: {error}",
    ),
    "notice.retrying.short": ("chưa gửi được", "not sent yet"),
    "notice.refused": ("Bị từ chối lúc {at}: {error}", "Refused at {at}: {error}"),
    "notice.refused.short": ("bị từ chối", "refused"),
    # ---- the list of sites -----------------------------------------------------------------------------------
    "sites.title": ("Điểm trường", "Sites"),
    "sites.caption": ("{count} điểm trường, cần chú ý trước", "{count} sites, the most urgent first"),
    "sites.site": ("Điểm trường", "Site"),
    "sites.area": ("Địa bàn", "Area"),
    "sites.isp": ("Nhà mạng", "ISP"),
    "sites.state": ("Tình trạng", "State"),
    "sites.heard": ("Tin gần nhất", "Last heard"),
    "sites.none": ("Không có điểm trường nào khớp với bộ lọc.", "No site matches the filter."),
    # ---- one site --------------------------------------------------------------------------------------------
    "site.question": ("Do trường hay do đường truyền?", "Is it us or the line?"),
    "site.silent": (
        "Chưa biết: điểm trường này chưa từng gửi số liệu. Cần lắp, bật và nối mạng cho thiết bị cổng.",
        "Not known: this site has never reported. Its gateway must be installed, switched on and connected.",
    ),
    "site.lost": (
        "Chưa biết: máy chủ không nghe được tin của điểm trường, nguyên nhân chưa rõ. Khi có lại liên lạc, số liệu đã "
        "ghi ở trường sẽ cho biết lỗi ở đâu.",
        "Not known: the server does not hear from the site and the cause is not yet known. When contact is back, what "
        "was recorded at the school will tell where the fault was.",
    ),
    "site.nothing_new": (
        "Chưa biết: vẫn có liên lạc nhưng chưa có số đo nào trong 5 phút qua.",
        "Not known: the site is in contact, but there is no measurement of the last 5 minutes.",
    ),
    "site.router": (
        "Ở trong trường: bộ định tuyến (router) không trả lời. Không phải lỗi của nhà mạng.",
        "It is us: the school's router does not answer. It is not the ISP's fault.",
    ),
    "site.isp": (
        "Ở đường truyền: trong trường bình thường, nhưng không tới được thiết bị của nhà mạng.",
        "It is the line: all is well inside the school, but the ISP cannot be reached.",
    ),
    "site.domestic": (
        "Ở nhà mạng: tới được nhà mạng nhưng không ra được mạng trong nước.",
        "It is the ISP: it answers, but nothing in Viet Nam beyond it can be reached.",
    ),
    "site.international": (
        "Ở hướng quốc tế của nhà mạng: trong nước vẫn dùng được.",
        "It is the ISP's international links: what is in Viet Nam still works.",
    ),
    "site.name": (
        "Đường truyền thông nhưng không phân giải được tên miền hoặc không mở được kết nối: kiểm tra DNS.",
        "The line is up, but no name resolves or no connection opens: check the DNS settings.",
    ),
    "site.service": (
        "Không phải do trường, cũng không phải do đường truyền: một dịch vụ ở xa không trả lời.",
        "Neither: a service far away does not answer.",
    ),
    "site.passing.router": (
        "Ở trong trường: phút vừa qua có lúc bộ định tuyến (router) không trả lời. Không phải lỗi của nhà mạng.",
        "It is us: in the last minute the school's router did not answer for a while. It is not the ISP's fault.",
    ),
    "site.passing.isp": (
        "Ở đường truyền: phút vừa qua có lúc không tới được thiết bị của nhà mạng.",
        "It is the line: in the last minute the ISP could not be reached for a while.",
    ),
    "site.passing.domestic": (
        "Ở nhà mạng: phút vừa qua có lúc không ra được mạng trong nước.",
        "It is the ISP: in the last minute nothing in Viet Nam beyond it could be reached for a while.",
    ),
    "site.passing.international": (
        "Ở hướng quốc tế của nhà mạng: phút vừa qua có lúc không ra được quốc tế; trong nước vẫn dùng được.",
        "It is the ISP's international links: in the last minute they failed for a while; Viet Nam could be reached.",
    ),
    "site.passing.name": (
        "Đường truyền thông, nhưng phút vừa qua có lúc không phân giải được tên miền hoặc không mở được kết nối.",
        "The line is up, but in the last minute no name resolved or no connection opened for a while.",
    ),
    "site.passing.service": (
        "Trường và đường truyền bình thường; phút vừa qua có lúc một dịch vụ ở xa không trả lời.",
        "School and line are fine; in the last minute a service far away did not answer for a while.",
    ),
    "site.devices": (
        "Đường truyền bình thường. Trong trường có {count} thiết bị không trả lời.",
        "The line is fine. Inside the school, devices not answering: {count}.",
    ),
    "site.fine": (
        "Mọi thứ bình thường: trong trường, đường truyền và dịch vụ đều trả lời.",
        "All is well: the school, the line and the services answer.",
    ),
    "site.devices_too": (
        "Ngoài ra có {count} thiết bị trong trường không trả lời.",
        "Also, devices inside the school not answering: {count}.",
    ),
    "site.since": ("Từ {at} (đã {length}).", "Since {at} (for {length})."),
    "site.ladder": ("Đường ra Internet lúc này", "The way to the Internet now"),
    "site.ladder_as_of": ("Theo số đo của phút {at}", "As measured in the minute {at}"),
    "site.ladder_title": ("Các chặng từ thiết bị cổng ra Internet", "The steps from the gateway to the Internet"),
    "site.day": ("24 giờ qua, từng phút", "The last 24 hours, minute by minute"),
    "site.day_intro": (
        "Mỗi vạch là một phút. Nền gạch chéo là phút không có số liệu: không tính là thông, cũng không tính là mất.",
        "Each stroke is a minute. Hatching means that there is no data: it counts neither as up nor as down.",
    ),
    "legend": ("Chú giải", "Legend"),
    "legend.up": ("thông", "up"),
    "legend.part": ("mất một phần của phút", "down for a part of the minute"),
    "legend.down": ("mất cả phút", "down all minute"),
    "legend.off": ("thiết bị đo tắt", "the watcher was off"),
    "legend.unknown": ("không có số liệu", "no data"),
    "spent.up": ("thông {length}", "up {length}"),
    "spent.down": ("mất {length}", "down {length}"),
    "spent.off": ("tắt {length}", "off {length}"),
    "spent.unknown": ("không rõ {length}", "unknown {length}"),
    "rung.up": ("trả lời", "answers"),
    "rung.part": ("chập chờn", "on and off"),
    "rung.down": ("không trả lời", "does not answer"),
    "rung.off": ("thiết bị đo đang tắt", "the watcher is off"),
    "rung.unknown": ("chưa rõ", "not known"),
    "rung.contact": ("có liên lạc", "in contact"),
    "rung.contact.lost": ("mất liên lạc", "contact lost"),
    "rung.contact.silent": ("chưa từng có tin", "never heard"),
    "device.up": ("trả lời", "answers"),
    "device.part": ("chập chờn", "on and off"),
    "device.down": ("không trả lời", "not answering"),
    "device.off": ("thiết bị đo tắt", "watcher off"),
    "device.unknown": ("chưa rõ", "not known"),
    "signal.gateway": ("Thiết bị cổng", "Gateway"),
    "signal.lan.router": ("Bộ định tuyến của trường", "School's router"),
    "signal.line.isp": ("Nhà mạng", "ISP"),
    "signal.line.domestic": ("Mạng trong nước", "Domestic network"),
    "signal.line.international": ("Mạng quốc tế", "International network"),
    "signal.line.internet": ("Internet dùng được", "Usable Internet"),
    "signal.line.main": ("Đi bằng đường truyền chính", "On the main line"),
    "signal.lesson.video": ("Đủ mạng cho bài giảng qua video", "Fit for a video lesson"),
    "signal.power.mains": ("Điện lưới", "Mains power"),
    "signal.site.contact": ("Liên lạc với máy chủ", "Contact with the server"),
    "subject.host": ("Máy chạy tác tử", "The agent's machine"),
    "site.outages": ("Các đoạn gián đoạn", "Outages"),
    "site.outages.caption": (
        "Các đoạn gián đoạn gần đây, mới nhất trước; độ dài là tổng số giây mất đo được",
        "Recent outages, the newest first; the length is the sum of measured down seconds",
    ),
    "site.outages.none": ("Chưa ghi nhận đoạn gián đoạn nào.", "No outage has been recorded."),
    "outage.what": ("Cái gì", "What"),
    "outage.from": ("Từ", "From"),
    "outage.to": ("Đến", "To"),
    "outage.length": ("Mất", "Down for"),
    "outage.lessons": ("Tiết học bị ảnh hưởng", "Lessons affected"),
    "outage.touched": ("{lessons} tiết", "{lessons} lessons"),
    "outage.touched_rooms": (
        "{lessons} tiết × {rooms} phòng = {both}",
        "{lessons} lessons × {rooms} rooms = {both}",
    ),
    "outage.open": ("vẫn mất", "still down"),
    "outage.cause": ("Nguyên nhân", "Cause"),
    "silence.known": ("Đã biết thêm", "Also known"),
    "silence.waited": ("Đang chờ", "Waiting for"),
    "silence.revised": (
        "Sửa lại lúc {at} do có số liệu đến muộn hoặc bị rút lại; trước đó ghi là: {before}",
        "Revised at {at} by data that came late or was taken back; before: {before}",
    ),
    "site.incidents": ("Sự cố đã báo", "Incidents told"),
    "site.targets": ("Chỉ tiêu của điểm trường này", "Targets of this site"),
    "site.targets.caption": ("Kết luận cho từng chỉ tiêu", "The verdict of each target"),
    "site.targets.none": ("Chưa có chỉ tiêu nào được xét ở đây.", "No target has been judged here yet."),
    "site.verdict": ("Kết luận", "Verdict"),
    "site.reason": ("Lý do", "Reason"),
    "site.evidence": ("Minh chứng", "Evidence"),
    "site.devices.heading": ("Thiết bị trong trường", "Devices inside the school"),
    "site.devices.caption": (
        "Thời gian tính trong 24 giờ qua",
        "The lengths are of the last 24 hours",
    ),
    "site.devices.well": ("Xem {count} thiết bị đang trả lời", "Show the {count} devices that answer"),
    "site.devices.dim": (
        "Xem {count} thiết bị chưa rõ tình trạng",
        "Show the {count} devices of which nothing is known now",
    ),
    "site.devices.all_well": ("Cả {count} thiết bị đều trả lời.", "All {count} devices answer."),
    "site.devices.none": ("Chưa có thiết bị nào được theo dõi.", "No device is watched yet."),
    "site.device": ("Thiết bị", "Device"),
    "site.device.state": ("Tình trạng", "State"),
    "site.device.day": ("24 giờ qua", "Last 24 hours"),
    "site.device.behind": ("chưa rõ vì {behind} không trả lời", "not known because {behind} does not answer"),
    "site.device.not_asked": (
        "ngoài giờ học: không trả lời cũng không tính là hỏng",
        "outside lessons: no answer is no fault",
    ),
    "site.device.readings": ("Số đo mới nhất", "Latest readings"),
    "site.rooms": ("Phòng học", "Rooms"),
    "site.rooms.caption": ("Tình trạng thiết bị trong từng phòng lúc này", "The devices of each room, now"),
    "site.room": ("Phòng", "Room"),
    "site.room.now": ("Lúc này", "Now"),
    "site.room.devices": ("Thiết bị", "Devices"),
    "room.ready": ("dùng được", "usable"),
    "room.not": ("có thiết bị không trả lời", "a device does not answer"),
    "room.unknown": ("chưa rõ", "not known"),
    "room.empty": ("chưa khai báo thiết bị", "no device declared"),
    "room.level": ("phòng học thông minh mức {level}", "smart classroom, level {level}"),
    "power.0": ("chờ", "standby"),
    "power.1": ("đang bật", "on"),
    "power.2": ("đang làm nguội", "cooling"),
    "power.3": ("đang khởi động", "warming up"),
    "site.readings": ("Số đo mới nhất", "Latest readings"),
    "site.readings.caption": (
        "Số đo của tác tử {agent}, phút {at}, phiên bản {version}",
        "Readings of agent {agent}, minute {at}, version {version}",
    ),
    "site.readings.none": ("Chưa có số đo nào.", "No reading yet."),
    "site.reading": ("Đại lượng", "Reading"),
    "site.reading.of": ("Của", "Of"),
    "site.reading.value": ("Giá trị", "Value"),
    "site.failures": ("Phép đo không cho kết quả: {list}", "Probes without a result: {list}"),
    "site.lines": ("Đường truyền đã khai báo", "Declared lines"),
    "site.in_lessons": ("trong giờ học: {spent}", "in lessons: {spent}"),
    "site.hour": ("Một giờ qua", "The last hour"),
    "site.line.no_isp": ("chưa rõ nhà mạng", "ISP not known"),
    "site.line.contract": ("hợp đồng {down} xuống / {up} lên", "contract {down} down / {up} up"),
    "site.line.no_contract": ("chưa khai báo tốc độ hợp đồng", "no contracted speed declared"),
    "site.speed": ("Tốc độ đo lúc {at}: {down} xuống / {up} lên", "Speed measured at {at}: {down} down / {up} up"),
    "site.siblings": ("Các điểm của trường này", "This school's sites"),
    "site.satellite": ("điểm lẻ", "satellite site"),
    "technology.fibre": ("cáp quang", "fibre"),
    "technology.copper": ("cáp đồng", "copper"),
    "technology.mobile": ("di động 4G/5G", "mobile 4G/5G"),
    "technology.satellite": ("vệ tinh", "satellite"),
    "technology.other": ("công nghệ khác", "other technology"),
    "technology.unknown": ("chưa rõ công nghệ", "technology not known"),
    "kind.board": ("bảng tương tác", "smart board"),
    "kind.projector": ("máy chiếu", "projector"),
    "kind.camera": ("camera", "camera"),
    "kind.recorder": ("đầu ghi", "recorder"),
    "kind.access_point": ("bộ phát Wi-Fi", "access point"),
    "kind.switch": ("bộ chuyển mạch", "switch"),
    "kind.router": ("bộ định tuyến", "router"),
    "kind.ont": ("modem quang (ONT)", "ONT"),
    "kind.ups": ("bộ lưu điện", "UPS"),
    "kind.computer": ("máy tính", "computer"),
    # ---- errors ----------------------------------------------------------------------------------------------
    "error.400": ("Yêu cầu không đọc được", "The request cannot be read"),
    "error.404": ("Không có trang này", "There is no such page"),
    "error.405": ("Trang này không nhận yêu cầu như vậy", "This page does not take such a request"),
    "error.422": ("Tham số không hợp lệ", "A parameter is not valid"),
    "error.500": ("Máy chủ gặp lỗi", "The server failed"),
    "error.503": ("Máy chủ đang quá tải", "The server is too busy"),
    "error.other": ("Không thực hiện được", "It could not be done"),
    "error.500.help": (
        "Lỗi đã được ghi vào nhật ký của máy chủ. Hãy thử lại; nếu vẫn lỗi, báo cho người quản trị.",
        "The error is in the server's log. Please try again; if it stays, tell whoever runs the server.",
    ),
    "error.404.help": (
        "Hãy kiểm tra lại địa chỉ, hoặc bắt đầu từ trang toàn tỉnh.",
        "Please check the address, or start from the province's page.",
    ),
    "invalid.greater_than_equal": (
        "{name} = {given}: phải từ {allowed} trở lên.",
        "{name} = {given}: at least {allowed}.",
    ),
    "invalid.less_than_equal": (
        "{name} = {given}: nhiều nhất là {allowed}.",
        "{name} = {given}: at most {allowed}.",
    ),
    "invalid.int_parsing": ("{name} = {given}: phải là số nguyên.", "{name} = {given}: must be a whole number."),
    "invalid.string_too_long": (
        "{name} = {given}…: dài nhất {allowed} ký tự.",
        "{name} = {given}…: at most {allowed} characters.",
    ),
    "invalid.literal_error": (
        "{name} = {given}: chỉ được là {allowed}.",
        "{name} = {given}: allowed are {allowed}.",
    ),
    "invalid.other": ("{name} = {given}: không hợp lệ.", "{name} = {given}: not valid."),
    "error.back": ("Về trang toàn tỉnh", "To the province's page"),
    "error.no_site": (
        "Không có điểm trường “{id}” trong danh bạ. Hãy tìm trong danh sách điểm trường.",
        "The register has no site “{id}”. Please look in the list of sites.",
    ),
    "error.no_area": (
        "commune = “{id}”: không có địa bàn này. Hãy chọn trong ô Địa bàn.",
        "commune = “{id}”: there is no such area. Please choose one of the list.",
    ),
    "error.no_isp": (
        "isp = “{id}”: không có nhà mạng này. Hãy chọn trong ô Nhà mạng.",
        "isp = “{id}”: there is no such ISP. Please choose one of the list.",
    ),
    "error.no_page": (
        "page = {page}: chỉ có {pages} trang.",
        "page = {page}: there are only {pages} pages.",
    ),
    # ---- what it means ---------------------------------------------------------------------------------------
    "about.title": ("Các từ trên trang này nghĩa là gì", "What the words mean"),
    "about.words": ("Các từ", "The words"),
    "about.unknown": ("Cái gì chưa biết", "What is not known"),
    "about.who": ("Ai thấy gì", "Who sees what"),
    "about.site": ("Điểm trường", "Site"),
    "about.site.text": (
        "Nơi trường dạy học: điểm chính hoặc điểm lẻ. Mỗi điểm có đường truyền và thiết bị cổng riêng.",
        "A place where a school teaches: its main site or a satellite. Each has its own line and its own gateway.",
    ),
    "about.minute": ("Phút", "Minute"),
    "about.minute.text": (
        "Mỗi tín hiệu có một số cho mỗi phút: số giây thông (0–60), hoặc “tắt”, hoặc “không rõ”. Phút không đo được "
        "trọn "
        "vẹn là “không rõ”.",
        "For each minute a signal has one number: the seconds it was up (0–60), or “off”, or “unknown”. A minute "
        "that was "
        "not observed from end to end is unknown.",
    ),
    "about.ladder": ("Các chặng", "The steps"),
    "about.ladder.text": (
        "Thiết bị cổng → bộ định tuyến → nhà mạng → trong nước → quốc tế → dịch vụ. Chặng thấp nhất bị lỗi là nguyên "
        "nhân; những gì ở sau chặng đó là “chưa rõ”, không tính là lỗi. Vì vậy nhà mạng không bị tính những phút mà bộ "
        "định tuyến của trường không trả lời.",
        "Gateway → router → ISP → domestic → international → service. The lowest step that fails is the cause; what "
        "lies "
        "beyond it is unknown, not down. So no ISP is charged with a minute in which the school's router did not "
        "answer.",
    ),
    "about.contact": ("Mất liên lạc", "Contact lost"),
    "about.contact.text": (
        "Máy chủ không nghe được tin của điểm trường. Lúc đó chưa biết vì sao. Thiết bị cổng vẫn đo và ghi lại; khi có "
        "lại liên lạc, số liệu được gửi bù và sự cố được ghi rõ nguyên nhân.",
        "The server does not hear from the site. Why is not known then. The gateway goes on measuring and recording; "
        "when "
        "contact is back the minutes are sent and the incident gets its cause.",
    ),
    "about.verdict": ("Kết luận", "Verdict"),
    "about.verdict.text": (
        "Đạt, chưa đạt hoặc chưa đủ dữ liệu. Tỷ lệ luôn làm tròn xuống: chỉ ghi 100% khi thật sự đủ tất cả.",
        "Met, missed or not enough data. Shares are always rounded down: 100% stands only where nothing is missing.",
    ),
    "about.grade": ("Minh chứng", "Evidence"),
    "about.grade.text": (
        "Theo khai báo → theo kiểm kê → đã đo → đã chứng minh (đủ số liệu trong từng tuần của kỳ xét).",
        "Declared → inventoried → observed → proven (enough data in every week of the window).",
    ),
    "about.late": ("Số liệu đến muộn", "Late data"),
    "about.late.text": (
        "Sửa lại lịch sử cho đúng nhưng không gửi thông báo mới về việc đã qua.",
        "It corrects history, but sends no new notice about what is over.",
    ),
    "about.unknown.text": (
        "Máy chủ không suy đoán. Không có số liệu thì ghi là không rõ; mọi tỷ lệ đều kèm độ phủ, tức là phần thời gian "
        "thật sự đo được. Khi độ phủ quá thấp, kết luận là “chưa đủ dữ liệu”, trừ khi riêng phần đã đo đã đủ quyết "
        "định.",
        "The server does not guess. Without data it says unknown; every share comes with its coverage, the part of the "
        "time that was really measured. When coverage is too low the verdict is “not enough data”, unless what was "
        "measured decides it alone.",
    ),
    "about.who.text": (
        "Không có hình ảnh, tên người dùng, địa chỉ máy cá nhân hay trang đã xem nào rời khỏi trường. Trang này hiện "
        "chưa có đăng nhập nên chỉ mở được trên chính máy chủ; ai ngồi ở máy chủ sẽ thấy mọi điểm trường.",
        "No image, no user name, no address of a personal device and no visited page leaves a school. There is no "
        "login "
        "yet, so these pages open only on the server itself; whoever sits there sees every site.",
    ),
    "about.health": ("Máy chủ lúc này", "The server now"),
    "about.health.ok": ("Bình thường.", "All well."),
    "about.restored": ("{minutes} phút đã về lại.", "{minutes} minutes came back."),
    "about.restored.lost": (
        "Còn {minutes} phút của {sites} điểm trường là «chưa biết»; danh sách: schoolbeat-server restored.",
        "{minutes} minutes of {sites} sites are unknown; the list: schoolbeat-server restored.",
    ),
    "about.health.not_ok": ("Có vấn đề: {reasons}", "Something is wrong: {reasons}"),
    "about.series": ("Kho chuỗi thời gian (Grafana)", "The time-series store (Grafana)"),
    "about.series.sent": ("Đã gửi {points} điểm.", "{points} points were sent."),
    "about.series.nothing": ("Không còn gì phải đợi.", "Nothing waits."),
    "about.series.waits": (
        "{reports} bản tin đang đợi kho nhận, lâu nhất đã {lasting}.",
        "{reports} reports wait for the store, the oldest for {lasting}.",
    ),
    "about.series.old": (
        "{points} điểm quá cũ so với thời hạn lưu của kho nên không gửi.",
        "{points} points were too old for the store's retention and not sent.",
    ),
    "about.series.aside": (
        "Kho đã từ chối {points} điểm: schoolbeat-server series aside.",
        "The store refused {points} points: schoolbeat-server series aside.",
    ),
    "about.series.lost": (
        "{reports} bản tin đã bị bỏ mà chưa gửi vì hết chỗ giữ.",
        "{reports} reports went without having been sent, for want of room.",
    ),
    "about.waiting": ("Số liệu giữ riêng, chờ người quản trị", "Kept apart, waiting for an operator"),
    "about.waits.none": ("Không có gì phải chờ.", "Nothing is waiting."),
    "about.waits.clone": (
        "{site}/{agent}: {count} bản tin của một máy khác dùng chung tài khoản",
        "{site}/{agent}: {count} reports of another machine with the same account",
    ),
    "about.waits.future": (
        "{site}/{agent}: {count} bản tin ở tương lai",
        "{site}/{agent}: {count} reports in the future",
    ),
    "about.waits.past": (
        "{site}/{agent}: {count} bản tin quá cũ",
        "{site}/{agent}: {count} reports that are too old",
    ),
    "about.waits.early": (
        "{site}/{agent}: {count} bản tin sớm hơn đồng hồ máy chủ; tác tử sẽ gửi lại",
        "{site}/{agent}: {count} reports ahead of our clock; the agent sends them again",
    ),
    "about.waits.what": (
        "Quyết định bằng lệnh: schoolbeat-server agent clones, agent true; schoolbeat-server quarantine list, release, "
        "discard.",
        "Decide with the commands: schoolbeat-server agent clones, agent true; schoolbeat-server quarantine list, "
        "release, discard.",
    ),
    "about.kept": ("Giữ gì, bao lâu", "What is kept, how long"),
    "about.kept.text": (
        "Bản tin gốc giữ {days} ngày. Sổ phút, đoạn gián đoạn, sự cố, kết quả đo tốc độ và mã của từng ngày giữ "
        "mãi mãi; không dòng mã nào bị ghi đè.",
        "Reports as they came are kept for {days} days. The ledger, outages, incidents, speed tests and the digests of "
        "days are kept for ever; no digest is overwritten.",
    ),
    "about.kept.proof": ("Mã tổng mới nhất, ngày {day}:", "The newest digest of digests, of {day}:"),
    "inspections.title": ("Biên bản kiểm tra", "Inspections"),
    "calendar.title": ("Lịch học", "School calendar"),
    "calendar.intro": (
        "Phút nào là giờ học ở từng điểm trường. Sửa bằng tệp (schoolbeat-server calendar load) hoặc API; không dòng "
        "nào bị ghi đè, ngày đã đo được tính lại.",
        "Which minutes are lessons at each site. Edited by file (schoolbeat-server calendar load) or API; nothing is "
        "overwritten, and days already measured are found anew.",
    ),
    "calendar.changes": ("Các lần sửa", "Changes"),
    "calendar.what": ("Sửa gì", "What"),
    "calendar.when": ("lúc nào, ai", "when, by whom"),
    "calendar.days": ("ngày", "days"),
    "calendar.revised": ("đã tính lại", "revised"),
    "calendar.revised.what": (
        "{sites} điểm trường có giờ học đã đo thay đổi, {outages} đoạn gián đoạn đổi",
        "lessons changed in measured time (sites: {sites}); outages changed: {outages}",
    ),
    "calendar.revising": ("đang tính lại", "being found anew"),
    "calendar.unchanged": ("không đổi gì đã đo", "nothing measured changed"),
    "calendar.rules": ("Đang áp dụng", "What holds"),
    "calendar.more": ("… và {count} quy định nữa: calendar show", "… and {count} more: calendar show"),
    "calendar.none": ("Chưa có.", "None yet."),
    "quarantine.title": ("Bản tin bị cách ly", "Reports in quarantine"),
    "quarantine.intro": (
        "Giờ ghi trong các bản tin này không thể đúng (đồng hồ ở trường sai, hoặc đồng hồ máy chủ sai), nên chưa phút "
        "nào của chúng được đưa vào sổ. Chúng được giữ nguyên vẹn cho tới khi người quản trị công nhận hoặc bỏ.",
        "The times in these reports cannot be right (the school's clock is wrong, or the server's), so none of their "
        "minutes is in the ledger. They are kept whole until an operator believes or discards them.",
    ),
    "quarantine.waiting": ("Đang chờ", "Waiting"),
    "quarantine.all": ("Tất cả, kể cả đã quyết định", "All, with those decided"),
    "quarantine.caption": ("Mới nhận trước", "The newest first"),
    "quarantine.report": ("Số · điểm trường/tác tử", "Id · site/agent"),
    "quarantine.minutes": ("Các phút nó nói tới", "Minutes it speaks of"),
    "quarantine.why": ("Vì sao", "Why"),
    "quarantine.why.future": ("ở tương lai", "in the future"),
    "quarantine.why.past": ("quá cũ", "too old"),
    "quarantine.why.early": (
        "sớm hơn đồng hồ máy chủ chưa tới một ngày; tác tử sẽ gửi lại",
        "ahead of our clock by less than a day; the agent sends it again",
    ),
    "quarantine.received": ("Nhận lúc", "Received"),
    "quarantine.decided": ("Quyết định", "Decided"),
    "quarantine.state.waiting": ("đang chờ", "waiting"),
    "quarantine.state.releasing": ("đang đưa vào sổ", "being placed"),
    "quarantine.state.released": ("đã công nhận", "believed"),
    "quarantine.state.discarded": ("đã bỏ", "discarded"),
    "quarantine.how": ("Quyết định thế nào", "How to decide"),
    "quarantine.how.text": (
        "Công nhận khi biết chắc giờ ấy đúng (ví dụ thẻ nhớ nằm trong tủ hơn một năm). Đồng hồ ở trường sai thì bỏ: "
        "các phút ấy vẫn là chưa biết. Phút chưa tới thì không công nhận được. Lý do được lưu mãi. Làm trên máy chủ:",
        "Believe them when their times are known to be right (a card that lay in a drawer for more than a year, say). "
        "If the school's clock was wrong, discard them: those minutes stay unknown. Minutes that have not come cannot "
        "be believed. The reason is kept for ever. On the server:",
    ),
    "quarantine.how.release": (
        'schoolbeat-server quarantine release SỐ… --reason "…"',
        'schoolbeat-server quarantine release ID… --reason "…"',
    ),
    "quarantine.how.discard": (
        'schoolbeat-server quarantine discard SỐ… --reason "…"',
        'schoolbeat-server quarantine discard ID… --reason "…"',
    ),
    "issued.title": ("Kết luận đã công bố", "Verdicts as issued"),
    "issued.intro": (
        "Mỗi ngày một kết luận cho mỗi chỉ tiêu, giữ nguyên như lúc công bố. Khi số liệu đổi, có thêm một dòng «đã sửa "
        "lại»; dòng cũ vẫn đọc được.",
        "One verdict a day of each target, kept as it was said. When figures change a line says revised; the old one "
        "can still be read.",
    ),
    "issued.all": ("Tất cả", "All"),
    "issued.revised.only": ("Chỉ những lần sửa lại", "Revised only"),
    "issued.caption": ("Mới nhất trước", "The newest first"),
    "issued.target": ("Chỉ tiêu", "Target"),
    "issued.until": ("số liệu đến", "figures until"),
    "issued.said": ("kết luận", "verdict"),
    "issued.at": ("công bố lúc", "issued at"),
    "issued.none": ("Chưa công bố kết luận nào.", "No verdict was issued yet."),
    "issued.one": ("Như đã công bố:", "As issued:"),
    "issued.history": ("Các lần công bố", "What was said, and when"),
    "issued.first": ("Lần đầu", "First"),
    "issued.revision": ("Sửa lại lần {number}", "Revision {number}"),
    "issued.units": ("Từng đơn vị", "Every unit"),
    "issued.units.caption": ("Như lúc công bố", "As it was said then"),
    "stamp.title": ("Mã chứng minh", "Proof"),
    "stamp.days": (
        "Mã của {days} trên {due} ngày ({sites} điểm trường) có mã lúc công bố, trong đó {revised} ngày đã bổ sung:",
        "One digest over the {days} of {due} days ({sites} sites) that had theirs when this was issued, {revised} of "
        "them revised:",
    ),
    "stamp.register": (
        "Mã của sổ đăng ký và lịch học lúc công bố:",
        "Digest of the register and calendar it was judged by:",
    ),
    "stamp.register.changed": (
        "Sổ đăng ký hoặc lịch học đã được sửa từ đó đến kết luận công bố gần nhất:",
        "Register or calendar were edited since, up to the newest verdict issued:",
    ),
    "stamp.how": (
        "Kiểm tra: schoolbeat-server verify, schoolbeat-server proof; cách tính ở docs/proof.md.",
        "To check: schoolbeat-server verify, schoolbeat-server proof; docs/proof.md says how it is made.",
    ),
    "about.counters": ("Bản tin bị gạt ra, theo lý do", "Messages set aside, by reason"),
    "about.counters.none": ("Không có bản tin nào bị gạt ra.", "No message was set aside."),
}
TEXTS = _PAGES | PLAN_TEXTS | REPORT_TEXTS | COMPARE_TEXTS
