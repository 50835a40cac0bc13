"""An outside broker: its URL, and the warning when it holds messages back."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ports import free_port

from schoolbeat_server.outside_broker import (
    BrokerAddress,
    OutsideBrokerError,
    broker_client,
    check_outside_broker,
    parse_broker_url,
)


@contextmanager
def mosquitto(tmp_path: Path, *lines: str) -> Iterator[BrokerAddress]:
    """Somebody else's Mosquitto, with its defaults and `lines`."""
    port = free_port()
    config = tmp_path / "outside.conf"
    config.write_text("\n".join(["user root", f"listener {port} 127.0.0.1", "log_dest none", *lines]) + "\n")
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield BrokerAddress("mqtt", "127.0.0.1", port)
    finally:
        child.terminate()
        child.wait()


def checked(address: BrokerAddress, timeout_seconds: float = 1.5) -> str | None:
    return check_outside_broker(lambda: broker_client(address, "check"), address, timeout_seconds=timeout_seconds)


def test_a_broker_without_a_window_gets_no_warning(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_inflight_messages 0") as address:
        assert checked(address, timeout_seconds=10) is None


def test_mosquittos_defaults_get_a_warning_with_the_figure(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true") as address:
        warning = checked(address)

    assert warning is not None
    assert "chỉ giao 20 trong 50 bản tin" in warning
    assert "only 20 of 50 unacknowledged" in warning


def test_a_broker_that_drops_messages_gets_a_graver_warning(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_queued_messages 10") as address:
        warning = checked(address)

    assert warning is not None
    assert "took 50 messages and handed over only 30" in warning


def test_the_check_works_with_descriptors_beyond_select(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_inflight_messages 0") as address:
        held = [(tmp_path / "outside.conf").open() for _ in range(1100)]
        try:
            assert checked(address, timeout_seconds=10) is None
        finally:
            for file in held:
                file.close()


def test_a_refused_login_is_named_without_the_password(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false") as address:
        secret = BrokerAddress(address.scheme, address.host, address.port, username="me", password="tell-nobody")
        with pytest.raises(OutsideBrokerError, match="Not authorized") as caught:
            checked(secret)

    assert "tell-nobody" not in str(caught.value) + repr(secret)


def test_an_account_that_may_not_write_the_checks_topic_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic readwrite schoolbeat/#\n")
    (tmp_path / "acl").chmod(0o644)
    with (
        mosquitto(tmp_path, "allow_anonymous true", f"acl_file {tmp_path / 'acl'}") as address,
        pytest.raises(OutsideBrokerError, match="write and read the topic schoolbeat-check/#"),
    ):
        checked(address, timeout_seconds=10)


def test_a_broker_that_is_not_there_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = BrokerAddress("mqtt", "127.0.0.1", probe.getsockname()[1])
        with pytest.raises(OutsideBrokerError, match=f"127.0.0.1:{address.port}: không kết nối được"):
            checked(address)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker.example", BrokerAddress("mqtt", "broker.example", 1883)),
        ("mqtts://u:p%40ss@h:9", BrokerAddress("mqtts", "h", 9, username="u", password="p@ss")),
        ("wss://h/socket", BrokerAddress("wss", "h", 443, path="/socket")),
        ("ws://[::1]:81", BrokerAddress("ws", "::1", 81)),
    ],
)
def test_a_url_is_taken_apart(url: str, address: BrokerAddress) -> None:
    assert parse_broker_url(url) == address


@pytest.mark.parametrize("url", ["", "managed", "http://h", "mqtt://", "mqtt://h:port", "mqtt://h:99999"])
def test_a_url_that_names_no_broker_is_refused(url: str) -> None:
    with pytest.raises(OutsideBrokerError, match="mqtts://"):
        parse_broker_url(url)
