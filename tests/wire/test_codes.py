"""Coded readings in words."""

from __future__ import annotations

import pytest

from schoolbeat_wire import codes
from schoolbeat_wire.catalogue import READINGS
from schoolbeat_wire.codes import Language


@pytest.mark.parametrize(
    ("reading", "value", "vi", "en"),
    [
        ("power_state", 0, "chờ", "standby"),
        ("power_state", 3, "đang khởi động", "warming up"),
        ("speed_method", 2, "LibreSpeed", "LibreSpeed"),
        ("error_flags", 0, "không có", "none"),
        ("error_flags", 8, "đèn lỗi", "lamp error"),
        ("error_flags", 8 + 256, "đèn lỗi, lưới lọc cảnh báo", "lamp error, filter warning"),
        ("error_flags", 2048, "phần khác lỗi", "another part error"),
        ("http_status", 404, None, None),
        ("input_source", 31, None, None),
        ("lamp_hours", 31, None, None),
    ],
)
def test_a_code_has_a_word_in_both_languages(reading: str, value: float, vi: str | None, en: str | None) -> None:
    assert (codes.word(reading, value, "vi"), codes.word(reading, value, "en")) == (vi, en)


def test_a_title_leaves_the_list_of_codes_out() -> None:
    assert codes.title("power_state", "vi") == "Nguồn"
    assert codes.title("lamp_hours", "en") == "Lamp hours"


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_list_of_codes_has_as_many_words_in_both_languages(language: Language) -> None:
    listed = {
        name
        for name, reading in READINGS.items()
        if reading.unit == "code" and reading.low == 0 and ": 0 " in reading.vi
    }

    assert "power_state" in listed
    for name in listed:
        words = [codes.word(name, value, language) for value in range(int(READINGS[name].high) + 1)]
        assert None not in words
        assert len(set(words)) == len(words)
