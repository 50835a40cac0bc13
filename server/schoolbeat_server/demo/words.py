"""What the demo says in the terminal, Vietnamese first."""

from __future__ import annotations

import textwrap
from typing import IO

from schoolbeat_server.demo.sink import Arrived
from schoolbeat_server.said import Said

WIDTH = 110

FAULTS: dict[tuple[str, bool], Said] = {
    ("line.isp", False): Said("đứt đường truyền tới nhà mạng", "line to the ISP is cut"),
    ("line.isp", True): Said("đường truyền đã nối lại", "line is mended"),
    ("lan.router", False): Said("bộ định tuyến treo", "router hangs"),
    ("lan.router", True): Said("bộ định tuyến chạy lại", "router is back"),
    ("line.domestic", False): Said("hỏng trong mạng của nhà mạng", "fault inside the ISP's network"),
    ("line.domestic", True): Said("mạng của nhà mạng thông trở lại", "the ISP's network is back"),
    ("power", False): Said("mất điện", "power cut"),
    ("power", True): Said("có điện lại", "power is back"),
}


class Terminal:
    """Lines in both languages, a progress line that is drawn over where that is possible."""

    def __init__(self, out: IO[str]) -> None:
        self.out = out
        self.drawn = False
        self.shown_percent = -10

    def say(self, said: Said) -> None:
        self._clear()
        print(said.vi, f"   {said.en}", sep="\n", file=self.out, flush=True)

    def progress(self, vi: str, en: str, percent: int) -> None:
        """Every percent on a terminal, every tenth in a file."""
        if self.out.isatty():
            print(f"\r{vi} / {en}: {percent} %", end="\n" if percent == 100 else "", file=self.out, flush=True)
            self.drawn = percent < 100
        elif percent >= self.shown_percent + 10 or percent == 100:
            self.shown_percent = percent
            print(f"{vi} / {en}: {percent} %", file=self.out, flush=True)

    def notice(self, arrived: Arrived) -> None:
        way = {"mail": "✉ thư / mail", "webhook": "⇢ webhook"}[arrived.way]
        self._clear()
        print(f"{way}: {arrived.title}", file=self.out)
        if arrived.way == "mail":  # the same words come by the other way too: once is enough here
            for line in arrived.body.splitlines():
                print(textwrap.indent(textwrap.fill(line, WIDTH), "    │ "), file=self.out)
        self.out.flush()

    def _clear(self) -> None:
        if self.drawn:
            print(file=self.out)
            self.drawn = False


def what_to_see(url: str, schools: int, machine: Said) -> Said:
    """The address, and what to look at."""
    vi = [
        f"══ Mở trong trình duyệt:  {url}  ══",
        f"1. {schools} trường mô phỏng và một trường thật là máy này. {machine.vi}",
        "2. Đầu trang: trường và điểm trường chưa đạt chỉ tiêu, vì sao, từ khi nào; «chưa đủ dữ liệu» để riêng.",
        "3. Ba cú bấm tới bằng chứng: «Điểm trường có Internet tốc độ cao» → điểm trường → từng phút.",
        "   Vì điện: Kế hoạch → «mất điện cũng là mất Internet». Chưa rõ: dòng «chưa từng gửi số liệu».",
        "4. Khoảng 20 giây nữa một trường bị đứt đường truyền: một thông báo mất liên lạc, chưa nêu nguyên nhân.",
        "5. Hơn một phút sau đường truyền nối lại: các phút đã ghi được gửi bù, thông báo đóng nêu đúng chặng hỏng.",
        "6. Thông báo hiện ở đây và trên trang. Ctrl-C để dừng; không còn gì chạy lại phía sau.",
    ]
    en = [
        f"Open in a browser:  {url}",
        f"1. {schools} simulated schools and a real one, this machine. {machine.en}",
        "2. Top of the page: who misses a target, why, since when; what is unknown stands apart.",
        "3. Three clicks to the proof: 'Satellite sites on high-speed Internet' → a site → its minutes.",
        "   Because of power: Plans → 'no power counts as no Internet'. Unknown: the target's list, 'never reported'.",
        "4. In about 20 s a school's line is cut: one notice says contact is lost and names no cause.",
        "5. Over a minute later it is mended: the recorded minutes follow, the closing notice names the rung.",
        "6. Notices are shown here and on the page. Ctrl-C stops everything; nothing is left running.",
    ]
    return Said("\n" + "\n".join(vi) + "\n", "\n   ".join(en) + "\n")
