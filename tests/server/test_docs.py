"""docs/server.md names every key of server.toml, with its default, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_server.settings import (
    SECTIONS,
    Broker,
    Channel,
    Grafana,
    Incidents,
    Office,
    Series,
    Settings,
    SpeedTests,
    Web,
)

TEXT = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `([A-Za-z_.]+)` \|\s*([^|]*?)\s*\|", TEXT, re.MULTILINE))


def test_every_key_is_documented_and_no_other() -> None:
    keys = {
        {"": key, "channels": f"channels.NAME.{key}"}.get(section, f"{section}.{key}")
        for section, keys in SECTIONS.items()
        for key in keys
    }

    assert set(documented()) == keys


def test_the_defaults_are_those_of_the_code() -> None:
    values = {
        "": Settings(folder=Path()),
        "web": Web(),
        "broker": Broker(),
        "incidents": Incidents(),
        "lessons": LessonHours(),
        "speed": SpeedTests(),
        "office": Office(),
        "series": Series(),
        "grafana": Grafana(),
        "channels.NAME": Channel("x"),
    }

    for key, shown in documented().items():
        section, _, name = key.rpartition(".")
        default = re.fullmatch(r"`(.+)`", shown)
        if default is not None:
            value = getattr(values[section], name)
            assert json.loads(default[1]) == (list(value) if isinstance(value, tuple) else value), key
