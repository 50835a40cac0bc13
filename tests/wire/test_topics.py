"""Topics name site, agent and kind, and nothing else passes for one."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.wire import wire_strategies

from schoolbeat_wire import topics
from schoolbeat_wire.errors import WireError


@given(wire_strategies.name, wire_strategies.name, st.sampled_from(get_args(topics.Kind)))
def test_a_topic_is_read_as_it_was_written(site: str, agent: str, kind: topics.Kind) -> None:
    assert topics.parse_topic(topics.topic(site, agent, kind)) == topics.Address(site, agent, kind)


def test_a_topic_looks_like_this() -> None:
    assert topics.topic("th-sapa-01", "pi", "report") == "schoolbeat/1/th-sapa-01/pi/report"
    assert set(topics.FROM_AGENT) | set(topics.FROM_SERVER) == set(get_args(topics.Kind))


@given(st.text(max_size=80) | st.lists(st.sampled_from(["schoolbeat", "1", "a", "#", "+", "", "report"])).map("/".join))
@example("schoolbeat/1/a/b/report\n")
def test_any_text_is_a_topic_or_raises_the_wire_error(text: str) -> None:
    try:
        address = topics.parse_topic(text)
    except WireError:
        return
    assert topics.topic(*address) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("schoolbeat/2/a/b/report", "version"),
        ("schoolbeat//a/b/report", "version"),
        ("schoolbeat/1/a/b", "topic"),
        ("schoolbeat/1/a/b/report/", "topic"),
        ("/schoolbeat/1/a/b/report", "topic"),
        ("schoolbeat/1/a/b/gossip", "topic"),
        ("schoolbeat/1/+/b/report", "name"),
        ("schoolbeat/1/a/../report", "name"),
        ("schoolbeat/1/A/b/report", "name"),
        ("schoolbeat/1/-a/b/report", "name"),
        ("schoolbeat/1/" + "a" * 41 + "/b/report", "name"),
    ],
)
def test_what_is_no_topic_of_ours_is_refused(text: str, reason: str) -> None:
    with pytest.raises(WireError) as refusal:
        topics.parse_topic(text)

    assert refusal.value.reason == reason


@pytest.mark.parametrize("name", ["", "a/b", "+", "trường", "a.b", "A", "a-", "a\n"])
def test_a_name_that_cannot_stand_in_a_topic_is_refused_when_writing(name: str) -> None:
    with pytest.raises(WireError):
        topics.topic(name, "agent", "report")
    with pytest.raises(WireError):
        topics.topic("site", name, "report")
