"""The small messages survive the journey and are checked before they are believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from tests.wire import wire_strategies

from schoolbeat_wire import messages
from schoolbeat_wire.errors import WireError


@given(wire_strategies.events)
def test_an_event_arrives_as_it_was_sent(sent: messages.Event) -> None:
    assert messages.decode_event(messages.encode(sent)) == sent


@given(wire_strategies.presences())
def test_presence_arrives_as_it_was_sent(sent: messages.Presence) -> None:
    assert messages.decode_presence(messages.encode(sent)) == sent


@given(wire_strategies.acks)
def test_an_ack_arrives_as_it_was_sent(sent: messages.Ack) -> None:
    assert messages.decode_ack(messages.encode(sent)) == sent


@given(wire_strategies.configs)
def test_a_config_arrives_as_it_was_sent(sent: messages.Config) -> None:
    assert messages.decode_config(messages.encode(sent)) == sent


@given(wire_strategies.commands)
def test_a_command_arrives_as_it_was_sent(sent: messages.Command) -> None:
    assert messages.decode_command(messages.encode(sent)) == sent


def test_the_last_will_says_only_that_the_agent_is_gone() -> None:
    assert messages.encode(messages.Presence(online=False)) == b'{"online":false}'
    assert messages.decode_presence(b'{"online":false}') == messages.Presence(online=False)


EVENT, PRESENCE, ACK = messages.decode_event, messages.decode_presence, messages.decode_ack
CONFIG, COMMAND = messages.decode_config, messages.decode_command
ONLINE = '{"online":true,"epoch":"00112233"'
SERVER = '{"server":"00112233","time_ms":1764000000000'
DEVICE = '{"id":"a","address":"192.168.1.2"'


@pytest.mark.parametrize(
    ("decode", "payload", "reason"),
    [
        (EVENT, '{"signal":"line","up":true,"at_ms":1764000000000}', "name"),
        (EVENT, '{"signal":"line.isp","up":1,"at_ms":1764000000000}', "shape"),
        (EVENT, '{"signal":"line.isp","up":true,"at_ms":1764000000}', "time"),
        (EVENT, '{"signal":"line.isp","up":true,"at_ms":1764000000000,"cause":"a\\nb"}', "text"),
        (PRESENCE, '{"online":true}', "shape"),
        (PRESENCE, ONLINE + ',"next":-1}', "range"),
        (PRESENCE, ONLINE + ',"next":5,"lowest":6}', "range"),
        (PRESENCE, ONLINE + ',"next":9,"lowest":2,"gaps":[[1,3]]}', "range"),
        (PRESENCE, ONLINE + ',"next":9,"lowest":2,"gaps":[[8,10]]}', "range"),
        (PRESENCE, ONLINE + ',"next":9,"gaps":[[3,3]]}', "range"),
        (PRESENCE, ONLINE + ',"next":9,"gaps":[[3,4],[4,5]]}', "range"),
        (PRESENCE, ONLINE + ',"next":9,"gaps":[[5,6],[1,2]]}', "range"),
        (PRESENCE, ONLINE + ',"keepalive":0}', "range"),
        (PRESENCE, ONLINE + ',"nonce":1e3}', "shape"),
        (PRESENCE, ONLINE + ',"clock":"sundial"}', "shape"),
        (PRESENCE, ONLINE + ',"boot":"ABCDEF01"}', "name"),
        (ACK, '{"server":"","time_ms":1764000000000}', "name"),
        (ACK, '{"server":"00112233","time_ms":0}', "time"),
        (ACK, SERVER + ',"settled":[[0]]}', "shape"),
        (ACK, SERVER + ',"settled":' + str([[2 * i, 2 * i + 1] for i in range(201)]) + "}", "count"),
        (ACK, SERVER + ',"complete_from":-1}', "range"),
        (CONFIG, '{"revision":-1}', "range"),
        (CONFIG, '{"revision":1,"server":"mine"}', "name"),
        (CONFIG, '{"revision":1,"report_minutes":61}', "range"),
        (CONFIG, '{"revision":1,"keepalive":4}', "range"),
        (CONFIG, '{"revision":1,"devices":[' + DEVICE + ',"port":65536}]}', "range"),
        (CONFIG, '{"revision":1,"devices":[' + DEVICE + "}," + DEVICE + "}]}", "shape"),
        (CONFIG, '{"revision":1,"devices":[' + DEVICE + ',"behind":"x"}]}', "name"),
        (CONFIG, '{"revision":1,"services":[{"id":"a b","url":"https://x"}]}', "name"),
        (CONFIG, '{"revision":1,"services":[{"id":"a","url":""},{"id":"a","url":""}]}', "shape"),
        (COMMAND, '{"do":"format_disk"}', "shape"),
        (COMMAND, '{"do":"send_again","first":5,"end":4}', "range"),
        (COMMAND, '{"do":"inventory","revision":"x"}', "name"),
        (COMMAND, '{"do":"identify"', "json"),
        (COMMAND, "", "json"),
    ],
)
def test_a_small_message_out_of_bounds_is_refused(decode: Callable[[bytes], object], payload: str, reason: str) -> None:
    with pytest.raises(WireError) as refusal:
        decode(payload.encode())

    assert refusal.value.reason == reason
