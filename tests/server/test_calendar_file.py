"""Calendar files: read as people write them, refused with line, key and what is allowed; loaded by command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.school import register

from schoolbeat_server import calendar_file, cli, yaml_text
from schoolbeat_server.calendar_file import CalendarError
from schoolbeat_server.database import open_database
from schoolbeat_server.school_calendar import LessonTime, Rule, day_number

TEXT = """\
lịch: tinh-2026-2027
ca:
  sáng: [07:00-07:35, "7h40-8h15"]
  chiều: [13:30-14:05]
nơi:
  - nơi: tỉnh
    tuần:
      - {từ: 07/09/2026, đến: 11/09/2026, thứ: 2-6, ca: [sáng, chiều]}
    nghỉ:
      - {ngày: 10/09/2026, giờ: 12:00-18:00, vì: bão}
    học bù:
      - {ngày: 12/09/2026, như thứ: 5, vì: bù bão}
    thi:
      - {từ: 2026-09-08, đến: 2026-09-09}
  - nơi: điểm trường s2
    nghỉ: [{ngày: 09/09/2026, vì: lũ}]
"""
ENGLISH = """\
calendar: tinh-2026-2027
shifts: {sáng: [07:00-07:35, 07:40-08:15], chiều: [13:30-14:05]}
places:
  - place: province
    week: [{from: 2026-09-07, to: 2026-09-11, days: [2, 3, 4, 5, 6], shifts: [sáng, chiều]}]
    closed: [{day: 2026-09-10, hours: 12:00-18:00, why: bão}]
    open: [{day: 2026-09-12, as: 5, why: bù bão}]
    exams: [{from: 2026-09-08, to: 2026-09-09}]
  - place: site s2
    closed: [{day: 2026-09-09, why: lũ}]
"""


def nothing_off(_first: date, _last: date) -> dict[date, str]:
    return {}


def day(number: int) -> int:
    return day_number(date(2026, 9, number))


def faults(text: str, language: str = "vi") -> list[str]:
    with pytest.raises(CalendarError) as error:
        calendar_file.read(text, "l.yaml", nothing_off)
    return error.value.text(language).splitlines()


def test_a_file_in_either_language_says_the_same() -> None:
    found, english = (calendar_file.read(text, "l.yaml", nothing_off) for text in (TEXT, ENGLISH))

    lessons = (LessonTime(420, 455, "sáng"), LessonTime(460, 495, "sáng"), LessonTime(810, 845, "chiều"))
    assert found.id == "tinh-2026-2027"
    assert found.rules == {
        Rule("province", "", "week", day(7), day(12), (0, 1, 2, 3, 4), lessons),
        Rule("province", "", "closed", day(10), day(11), hours=(720, 1_080), why="bão"),
        Rule("province", "", "open", day(12), day(13), as_weekday=3, why="bù bão"),
        Rule("province", "", "exam", day(8), day(10)),
        Rule("site", "s2", "closed", day(9), day(10), why="lũ"),
    }
    assert english.rules == found.rules


def test_the_nations_days_off_come_with_a_provinces_weeks_unless_it_says_no() -> None:
    asked = []

    def off(first: date, last: date) -> dict[date, str]:
        asked.append((first, last))
        return {date(2026, 9, 8): "Ngày lễ"}

    with_them = calendar_file.read(TEXT, "l.yaml", off)
    without = calendar_file.read(TEXT.replace("    tuần:", "    nghỉ lễ: không\n    tuần:"), "l.yaml", off)

    assert asked == [(date(2026, 9, 7), date(2026, 9, 11))]
    assert with_them.rules - without.rules == {Rule("province", "", "holiday", day(8), day(9), why="Ngày lễ")}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "07/09/2026",
            "31/09/2026",
            "l.yaml, dòng 8, khóa nơi 1, tuần 1, từ: '31/09/2026': không có ngày này trong lịch",
        ),
        (
            "07/09/2026",
            "7.9.2026",
            "l.yaml, dòng 8, khóa nơi 1, tuần 1, từ: '7.9.2026': viết ngày như 05/09/2026 hoặc 2026-09-05",
        ),
        (
            "11/09/2026",
            "01/09/2026",
            "l.yaml, dòng 8, khóa nơi 1, tuần 1, đến: '01/09/2026': 'đến' phải từ ngày 'từ' trở đi, không quá 800 ngày",
        ),
        ("2-6", "1-6", "l.yaml, dòng 8, khóa nơi 1, tuần 1, thứ: '1-6': viết thứ như 2-6, hoặc 2, 4, CN"),
        (
            "ca: [sáng, chiều]}",
            "ca: tối}",
            "l.yaml, dòng 8, khóa nơi 1, tuần 1, ca: 'tối': không có ca này; mục 'ca' có: sáng, chiều",
        ),
        (", ca: [sáng, chiều]}", "}", "l.yaml, dòng 8, khóa nơi 1, tuần 1: thiếu khóa 'ca'"),
        (
            "13:30-14:05",
            "13:30-13:05",
            "l.yaml, dòng 4, khóa ca, chiều 1: '13:30-13:05': viết giờ như 07:00-07:45, giờ sau muộn hơn",
        ),
        (
            '"7h40-8h15"',
            '"7h30-8h15"',
            "l.yaml, dòng 3, khóa ca, sáng: '07:00-07:35, 07:30-08:15': hai tiết trùng giờ nhau",
        ),
        (
            "điểm trường s2",
            "s2",
            "l.yaml, dòng 15, khóa nơi 2, nơi: 's2': viết: tỉnh | xã MÃ | trường MÃ | điểm trường MÃ",
        ),
        ("điểm trường s2", "tỉnh", "l.yaml, dòng 15, khóa nơi 2, nơi: 'tỉnh': nơi này đã ghi ở trên"),
        (
            "{ngày: 09/09/2026, vì: lũ}",
            "{vì: lũ}",
            "l.yaml, dòng 16, khóa nơi 2, nghỉ 1: cần 'ngày', hoặc cả 'từ' và 'đến'",
        ),
        (
            "{ngày: 09/09/2026, vì: lũ}",
            "{ngay: 09/09/2026}",
            "l.yaml, dòng 16, khóa nơi 2, nghỉ 1, ngay: không có khóa này; chỉ có: từ, đến, ngày, giờ, vì",
        ),
        (
            "như thứ: 5",
            "như thứ: 5, ca: sáng",
            "l.yaml, dòng 12, khóa nơi 1, học bù 1, như thứ: '5': chỉ một thứ, và không kèm 'ca'",
        ),
        ("tinh-2026-2027", "Tỉnh", "l.yaml, dòng 1, khóa lịch: 'Tỉnh': mã lịch: chữ thường a-z, số, gạch nối"),
        ("nghỉ: [{", "nghỉ lễ: 1\n    nghỉ: [{", "l.yaml, dòng 16, khóa nơi 2, nghỉ lễ: '1': viết: có | không"),
    ],
)
def test_a_fault_names_line_key_value_and_what_is_allowed(old: str, new: str, said: str) -> None:
    assert said in faults(TEXT.replace(old, new))


def test_all_faults_are_told_at_once_and_in_english_too() -> None:
    text = TEXT.replace("2-6", "8").replace("09/09/2026", "9/9")

    assert faults(text, "en") == [
        "l.yaml, line 8, key nơi 1, tuần 1, thứ: '8': write days as 2-6 (2: Monday), or 2, 4, CN",
        "l.yaml, line 16, key nơi 2, nghỉ 1, ngày: '9/9': write a date as 05/09/2026 or 2026-09-05",
    ]
    assert faults("- 1") == ["l.yaml, dòng 1: cần các khóa: lịch, ca, nơi"]
    assert faults("lịch: [") == ["l.yaml, dòng 2: không đọc được YAML: did not find expected node content"]
    assert faults("") == ["l.yaml: cần các khóa: lịch, ca, nơi"]


def test_the_documented_file_is_sound_and_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "calendar.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]

    found = calendar_file.read(example, "docs/calendar.md", nothing_off)

    assert {(level, place) for level, place, _, _ in found.places} == {
        ("province", ""),
        ("area", "lc-sapa"),
        ("school", "th-a"),
        ("site", "th-a-ban"),
    }
    sections = [calendar_file._TOP, calendar_file._PLACE, *calendar_file._ITEMS.values()]
    assert [name for keys in sections for names in keys.values() for name in names if f"`{name}`" not in text] == []


SCALARS = st.none() | st.text(max_size=12) | st.sampled_from(["tỉnh", "2-6", "05/09/2026", "07:00-07:45", "có", "sáng"])
KEYS = st.sampled_from(
    ["lịch", "ca", "nơi", "tuần", "nghỉ", "học bù", "thi", "từ", "đến", "ngày", "thứ", "giờ", "vì", "x"]
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_whatever_is_written_is_read_or_refused_and_never_breaks(tree: object) -> None:
    import yaml

    text = yaml.safe_dump(tree, allow_unicode=True)
    try:
        found = calendar_file.read(text, "l.yaml", nothing_off)
    except CalendarError as error:
        told = error.text("vi")
    else:
        told = found.id

    assert told


# ---- the command line --------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    settings_file = tmp_path / "server.toml"
    settings_file.write_text(f'folder = "{tmp_path}"\n', encoding="utf-8")
    (tmp_path / "l.yaml").write_text(TEXT, encoding="utf-8")
    engine = open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    engine.dispose()

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main(["--settings", str(settings_file), *(str(word) for word in words)])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_check_shows_what_would_change_and_writes_nothing(
    desk: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = desk("calendar", "check", tmp_path / "l.yaml")

    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "Lịch tinh-2026-2027: 5 quy định mới, 0 thôi áp dụng, 0 như cũ."
    assert "  + toàn tỉnh: học bù 12/09/2026; như thứ 5 (bù bão)" in out.splitlines()
    assert out.splitlines()[-1] == "Chỉ kiểm tra: chưa ghi gì."
    assert desk("calendar", "show")[1] == "Chưa nạp lịch nào: giờ học theo [lessons] của server.toml.\n"


def test_load_stores_all_or_nothing_and_show_tells_the_days_of_a_site(
    desk: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "l.yaml"
    path.write_text(TEXT.replace("điểm trường s2", "điểm trường s9"), encoding="utf-8")
    refused = desk("calendar", "load", path)
    path.write_text(TEXT, encoding="utf-8")

    first, again = desk("calendar", "load", path, "--why", "QĐ 1"), desk("calendar", "load", path)
    days = desk("calendar", "show", "--site", "s2", "--from", "2026-09-08", "--days", "5")

    assert refused == (
        1,
        "",
        "l.yaml, dòng 15, khóa nơi: 'điểm trường s9': sổ đăng ký không có điểm trường này\n"
        "1 lỗi; chưa nạp gì. Hãy sửa rồi nạp lại.\n",
    )
    assert first[1].splitlines()[-1].startswith("Đã ghi, lần sửa 1.")
    assert again[1] == "Lịch tinh-2026-2027: 0 quy định mới, 0 thôi áp dụng, 5 như cũ.\n"
    assert days[1].splitlines() == [
        "08/09/2026 thứ 3: 3 tiết, 07:00-07:35, 07:40-08:15, 13:30-14:05; có thi",
        "09/09/2026 thứ 4: không có tiết; có thi (lũ)",
        "10/09/2026 thứ 5: 2 tiết, 07:00-07:35, 07:40-08:15 (bão)",
        "11/09/2026 thứ 6: 3 tiết, 07:00-07:35, 07:40-08:15, 13:30-14:05",
        "12/09/2026 thứ 7: 3 tiết, 07:00-07:35, 07:40-08:15, 13:30-14:05 (bù bão)",
    ]
    assert "QĐ 1" in desk("calendar", "show")[1]
    assert desk("--lang", "en", "calendar", "show", "--site", "s9")[2] == "the register has no site s9\n"


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "? " * 200_000])
def test_brackets_without_end_are_refused_and_end_no_process(text: str) -> None:
    """yaml.compose overflowed the stack in C: a file sent over the API would have killed the server."""
    with pytest.raises(yaml_text.YamlError) as refused:
        yaml_text.parse(text)

    assert refused.value.line == 1
    assert refused.value.en in ("nested more than 12 deep", "a key must be a word")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (None, {})),
        ("# chỉ ghi chú\n", (None, {})),
        ("---\na: 0012\n...\n", ({"a": "0012"}, {(): 2, ("a",): 2})),
        ("a: ~\nb: ''\nc: no\nd: !!null x\n", ({"a": None, "b": "", "c": "no", "d": None}, None)),
        (
            "a:\n- b: 1\n-\n- [x, 'null', null]\n",
            ({"a": [{"b": "1"}, None, ["x", "null", None]]}, None),
        ),
    ],
)
def test_a_yaml_text_stays_what_was_typed(text: str, found: tuple[object, dict[object, int] | None]) -> None:
    value, lines = yaml_text.parse(text)

    assert value == found[0]
    assert found[1] is None or lines == found[1]


def test_two_documents_in_one_file_are_refused() -> None:
    with pytest.raises(yaml_text.YamlError) as refused:
        yaml_text.parse("a: 1\n---\nb: 2\n")

    assert (refused.value.line, refused.value.en) == (2, "more than one YAML document in one file")
