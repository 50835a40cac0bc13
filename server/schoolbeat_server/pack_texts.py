"""What stands in an evidence pack for people: columns of its tables, and how to recompute it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Column
from schoolbeat_server.targets import Target
from schoolbeat_server.verdicts import UnitVerdict

UNITS: Final = (
    Column("unit", Said("Mã đơn vị", "Unit id")),
    Column("name", Said("Đơn vị", "Unit")),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
    Column("coverage", Said("Đo được", "Coverage"), "share"),
    Column("since", Said("Từ", "Since"), "minute"),
    Column("reasons", Said("Vì sao", "Why")),
)
OUTAGES: Final = (
    Column("site", Said("Điểm trường", "Site")),
    Column("signal", Said("Tín hiệu", "Signal")),
    Column("first", Said("Phút đầu", "First minute"), "minute"),
    Column("last", Said("Phút cuối có mất", "Last minute down"), "minute"),
    Column("end", Said("Thông lại từ", "Up again from"), "minute"),
    Column("down", Said("Mất", "Down for"), "seconds"),
    Column("lessons", Said("Tiết học", "Lessons"), "count"),
    Column("cause", Said("Nguyên nhân", "Cause")),
)
TESTS: Final = (
    Column("site", Said("Điểm trường", "Site")),
    Column("at", Said("Lúc", "At"), "minute"),
    Column("download", Said("Tải xuống", "Download"), "bps"),
    Column("upload", Said("Tải lên", "Upload"), "bps"),
    Column("server", Said("Máy chủ đo", "Test server")),
    Column("bytes", Said("Số byte đã truyền", "Bytes moved"), "count"),
    Column("ceiling", Said("Bị thiết bị cổng giới hạn (mã)", "Held by the gateway (code)"), "count"),
)
ASSUMPTIONS: Final = (
    Column("name", Said("Giả định", "Assumption")),
    Column("value", Said("Giá trị", "Value")),
    Column("reason", Said("Vì sao", "Why")),
    Column("source", Said("Nguồn", "Source")),
)


def unit_row(one: UnitVerdict) -> tuple[Cell, ...]:
    vi, en = zip(*one.reasons, strict=True) if one.reasons else ((), ())
    why = Said("; ".join(vi), "; ".join(en))
    return one.id, one.name, one.status, one.grade, one.coverage, one.since_minute, why


def assumption_rows(target: Target) -> Iterator[tuple[Cell, ...]]:
    for one in target.assumptions:
        yield one.name, str(one.value), one.reason, one.source


ABOUT: Final = """\
GÓI MINH CHỨNG SCHOOLBEAT — CÁCH TÍNH LẠI

1. Cần máy có Python 3.11 trở lên; không cần mạng, không cần phần mềm nào khác.
2. Giải nén gói rồi chạy trong thư mục ấy:   python3 recompute.py
   hoặc chạy thẳng trên gói:                 python3 recompute.py GOI.zip
3. Chương trình nói: từng tệp có đúng như SHA256SUMS không; kết luận của từng đơn vị và của chỉ tiêu tính lại từ số
   liệu trong gói có khớp không. Mã thoát 0: khớp; 1: tệp bị thiếu, thêm, sửa; 2: có kết luận không khớp.
   SHA256SUMS cũng kiểm được bằng: sha256sum -c SHA256SUMS

Trong gói:
  target.jsonl        chỉ tiêu đúng như đã xét (trích văn bản, điều kiện, giả định, kỳ xét), kết luận, bản đã công bố
  units.jsonl         từng đơn vị: kết luận, mức minh chứng, lý do, xét theo điểm trường, phòng, thiết bị nào
  sites.jsonl         từng điểm trường: hợp đồng, học sinh, thiết bị, phòng, lần đo tốc độ, đầu các tiết học
  minutes/MÃ.txt      sổ phút. Mỗi dòng: NGÀY TÍN_HIỆU MÃ*SỐ MÃ*SỐ … ; mã 0–60 là số giây thông của một phút, U chưa
                      biết, O đã tắt, D mâu thuẫn; *SỐ là bao nhiêu phút liền nhau. Ngày theo giờ Việt Nam, từ 0 giờ.
                      @lessons: 1 là phút thuộc giờ học.
  tables/             cùng nội dung để đọc: đơn vị, đoạn gián đoạn, lần đo tốc độ, giả định (CSV, JSON)
  report/             báo cáo bằng chữ, và PDF theo mẫu văn bản (máy không làm được PDF thì NO-PDF.txt nói vì sao). PDF
                      tùy phông chữ và phiên bản của máy làm ra nó: so gói của hai máy thì so SHA256SUMS trừ các tệp PDF
  plan/plan.yaml      tệp kế hoạch như đang có trên máy chủ
  digests/stamp.txt   mã của từng ngày × điểm trường mà máy chủ đã chốt; SHA-256 của chính tệp này là mã căn cứ (stamp)
  digests/register.txt  mã của từng bảng trong sổ đăng ký và lịch học lúc lập gói; register-MÃ.txt: của bản đã công
                      bố, nếu khi ấy khác. Chương trình nêu bảng nào đã đổi từ lúc công bố
  recompute.py        chương trình tính lại, đọc được, viết tách khỏi máy chủ

Điều gói này KHÔNG chứng minh: rằng tác tử ở trường đo đúng sự thật. Phút trong gói là một phần của sổ phút; mã của
ngày phủ toàn bộ sổ của ngày ấy nên chỉ đối chiếu được trên máy chủ (schoolbeat-server verify). Chỉ số nào không tính
được từ phút (độ trễ, tình trạng an ninh, mức sử dụng…) thì được lấy nguyên như máy chủ ghi, và chương trình nói rõ.

---------------------------------------------------------------------------------------------------------------

SCHOOLBEAT EVIDENCE PACK — HOW TO RECOMPUTE

1. A computer with Python 3.11 or later; no network and no other software.
2. Unpack and run in that folder:   python3 recompute.py
   or on the pack as it is:         python3 recompute.py PACK.zip
3. It says whether every file is as SHA256SUMS has it, and whether the verdict of each unit and of the target follows
   from the data in the pack. Exit code 0: all agrees; 1: a file is missing, added or altered; 2: a verdict does not
   follow. SHA256SUMS can also be checked with: sha256sum -c SHA256SUMS

In the pack:
  target.jsonl        the target as it was judged (quote, conditions, assumptions, window), its verdict, what was issued
  units.jsonl         every unit: verdict, grade of evidence, reasons, by which sites, rooms and devices it was judged
  sites.jsonl         every site: contracts, pupils, devices, rooms, speed tests, beginnings of lessons
  minutes/ID.txt      ledger minutes. A line is: DAY SIGNAL CODE*COUNT CODE*COUNT … ; codes 0–60 are seconds up of a
                      minute, U not known, O off, D disputed; *COUNT says how many minutes in a row. Days are Viet
                      Nam's, from midnight. @lessons: 1 is a minute of lesson time.
  tables/             the same to be read: units, outages, speed tests, assumptions (CSV, JSON)
  report/             the report in words, and as PDF laid out as a document (NO-PDF.txt says why where none could be
                      made). A PDF depends on fonts and versions: compare SHA256SUMS of two machines without the PDFs
  plan/plan.yaml      the plan file as it lies on the server
  digests/stamp.txt   the digest of each day of a site that the server had closed; the SHA-256 of this file is the stamp
  digests/register.txt  the digest of each table of register and calendar when the pack was made; register-DIGEST.txt:
                      of what was issued, where it was another then. The program names the tables that changed since
  recompute.py        the program that recomputes, to be read, written apart from the server

What this pack does NOT prove: that the agent at the school measured the truth. Its minutes are a part of the ledger; a
day's digest covers all of that day's, so it can be held against them on the server only (schoolbeat-server verify).
Indicators that cannot be told from minutes (latency, posture, use…) are taken as the server stated them, and the
program says so.
"""
