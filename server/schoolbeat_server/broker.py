"""The managed broker: Mosquitto as our child, with a generated configuration, kept alive and never orphaned."""

from __future__ import annotations

import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from schoolbeat_server.credentials import ACL_FILE, PASSWORDS_FILE, give_to, write_secret

CONFIG_FILE = "mosquitto.conf"
LOG_FILE = "mosquitto.log"
SAVED_FOLDER = "saved"

_LOG_BYTES = 1 << 20
_LOG_TAIL_BYTES = 64 << 10
_OPEN_FILES = 65_536  # one for each agent; the usual soft limit of 1,024 ends before a province does
_BACKOFF_MOST_SECONDS = 60.0
_LIVED_WELL_SECONDS = 60.0
_TLS_COPIES = {"tls_cert": "tls-cert.pem", "tls_key": "tls-key.pem", "tls_ca": "tls-ca.pem"}
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+")


class BrokerError(RuntimeError):
    """The broker does not run or does not take its files; the text says why and what to do."""


@dataclass(frozen=True)
class BrokerSettings:
    """What the operator decides of the managed broker.

    folder:             the broker's own folder; made, owned by `run_as`, mode 0700
    bind:               an IP address. Mosquitto 2.0's websockets listener ignores it and opens its port on
                        every address: close it by the firewall where that is not wanted
    tls_*:              PEM files; copied into the folder at start and at every reload, so that the broker needs
                        no right to read the originals. Without tls_cert the ports speak plain MQTT
    websockets_port:    a second port for lines that let only HTTP pass; None: none
    max_queued_bytes:   kept for one absent client; more is dropped (the outbox sends it again without an ack)
    message_size_limit: the largest payload in bytes
    run_as:             the user it runs as if we are root; otherwise it runs as ourselves
    """

    folder: Path
    port: int
    bind: str = "127.0.0.1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    websockets_port: int | None = None
    max_queued_bytes: int = 64 << 20
    message_size_limit: int = 1 << 20
    run_as: str = "mosquitto"

    @property
    def owner(self) -> str | None:
        """Whom the files are given to: `run_as` if we are root, else nobody (they are ours)."""
        return self.run_as if os.geteuid() == 0 else None


def check_settings(settings: BrokerSettings) -> None:
    """Raise BrokerError for what Mosquitto would not start with or would silently read in another way."""
    ports = {"port": settings.port}
    if settings.websockets_port is not None:
        ports["websockets_port"] = settings.websockets_port
    for name, port in ports.items():
        if not 1 <= port <= 65_535:
            raise BrokerError(f"broker {name} = {port}: phải từ 1 đến 65535 / must be 1 to 65535")
    if settings.websockets_port == settings.port:
        raise BrokerError(f"broker websockets_port = {settings.port}: phải khác port / must differ from port")
    if not _ADDRESS.fullmatch(settings.bind):
        raise BrokerError(
            f"broker bind = {settings.bind!r}: phải là địa chỉ IP, ví dụ 127.0.0.1 / must be an IP address"
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise BrokerError("broker tls_cert, tls_key: cần cả hai hoặc không / both or neither must be given")
    for name, limit in (
        ("max_queued_bytes", settings.max_queued_bytes),
        ("message_size_limit", settings.message_size_limit),
    ):
        if not 1_024 <= limit <= 1 << 32:
            raise BrokerError(f"broker {name} = {limit}: phải từ 1024 đến 4294967296 / must be 1024 to 4294967296")


def generate_config(settings: BrokerSettings) -> str:
    """Mosquitto's configuration. Paths are relative: the broker is started in its folder, so it can read
    them even where its user may not enter the folders above."""
    lines = [
        "# Made by schoolbeat-server at every start; changes here are lost.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"password_file {PASSWORDS_FILE}",
        f"acl_file {ACL_FILE}",
        "persistence true",
        f"persistence_location {SAVED_FOLDER}/",
        "autosave_interval 60",
        "persistent_client_expiration 14d",
        # Mosquitto's defaults (20 and 1000) silently drop messages that it has already acknowledged. Its word
        # for "no limit" is 0, but with 0 the 2.0 series hangs up on a client after any refused message.
        "max_inflight_messages 0",
        "max_queued_messages 1000000000",
        f"max_queued_bytes {settings.max_queued_bytes}",
        f"message_size_limit {settings.message_size_limit}",
        # The whole packet: without it 256 MiB are read into memory before the payload's size is judged.
        f"max_packet_size {settings.message_size_limit + 65_536}",
        "max_keepalive 120",
        "allow_zero_length_clientid true",
        "retain_available true",
        "set_tcp_nodelay true",
        "sys_interval 10",
        "connection_messages true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        *_listener(settings, settings.port, "mqtt"),
    ]
    if settings.websockets_port is not None:
        lines += _listener(settings, settings.websockets_port, "websockets")
    return "\n".join(lines) + "\n"


def _listener(settings: BrokerSettings, port: int, protocol: str) -> list[str]:
    lines = [
        "",
        f"listener {port} {settings.bind}",
        f"protocol {protocol}",
        # Otherwise one school could take another's (or the server's) session over by using its client id.
        "use_username_as_clientid true",
    ]
    if settings.tls_cert is not None:
        lines += [f"certfile {_TLS_COPIES['tls_cert']}", f"keyfile {_TLS_COPIES['tls_key']}"]
        lines += [f"cafile {_TLS_COPIES['tls_ca']}"] if settings.tls_ca is not None else []
        lines += ["tls_version tlsv1.2"]  # the lowest that is taken
    return lines


def next_backoff_seconds(previous_seconds: float | None, lived_seconds: float) -> float:
    """How long to wait before the next start: 0 (the first time, or after a good life), then 1, 2, 4 … 60 s."""
    if previous_seconds is None or lived_seconds >= _LIVED_WELL_SECONDS:
        return 0.0
    return min(_BACKOFF_MOST_SECONDS, max(1.0, previous_seconds * 2))


def why_it_ended(returncode: int, log: str) -> str:
    """One line on the end of the broker: how, and its own last word."""
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"mã thoát / exit code {returncode}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    last = (errors or lines or ["(log trống / log empty)"])[-1]
    return f"{how}; {last[:300]}"


class ManagedBroker:
    """The child process. Synchronous; call it from one thread at a time.

    The child dies with us whatever happens (PR_SET_PDEATHSIG). That signal is tied to the *thread* that
    started the child, therefore a thread of our own starts it and stays until it has ended.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        start_seconds: float = 15.0,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._backoff_seconds: float | None = None
        self._next_start_at: float | None = None
        self._loaded: tuple[object, ...] = ()

    def __enter__(self) -> ManagedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """Where the broker's words go; bounded by `ensure_alive`."""
        return self._settings.folder / LOG_FILE

    def start(self) -> None:
        """Write the files, start Mosquitto, return when it listens. Raises BrokerError with its own words."""
        if self.pid is not None:
            return
        check_settings(self._settings)
        self._prepare_folder()
        command = _command(self._settings)
        deadline = time.monotonic() + self._start_seconds
        while True:
            said = self._start_once(command)
            if said is None:
                return
            # The broker of a server that has just been killed may need a moment to save and go.
            if "Address already in use" not in said or time.monotonic() > deadline:
                raise BrokerError(f"Mosquitto không khởi động được / does not start: {said}")
            time.sleep(0.2)

    def ensure_alive(self) -> str | None:
        """Call it every second or so. Restarts a broker that died (with back-off) and reloads accounts that
        another process changed. Returns a sentence when there is something to tell, else None."""
        if self._process is None:
            return None
        if self.pid is not None:
            _bound_log(self.log_path)
            return self._reload_if_changed()
        now = self._clock()
        if self._next_start_at is None:
            self._backoff_seconds = next_backoff_seconds(self._backoff_seconds, now - self._started_at)
            self._next_start_at = now + self._backoff_seconds
            why = why_it_ended(self._process.returncode, _tail(self.log_path))
            if self._backoff_seconds:
                return f"Mosquitto đã dừng / stopped: {why}. Thử lại sau / next try in {self._backoff_seconds:.0f} s"
        if now < self._next_start_at:
            return None
        why = why_it_ended(self._process.returncode, _tail(self.log_path))
        self._next_start_at = None
        try:
            self.start()
        except BrokerError as error:
            return str(error)
        return f"Mosquitto đã dừng và được khởi động lại / stopped and was started again: {why}"

    def reload(self) -> None:
        """Take changed accounts and certificates (SIGHUP); drops nobody whose account is still good.

        Raises BrokerError with the broker's words if it did not like a file: it keeps running then, but
        would not start again.
        """
        pid = self.pid
        if pid is None:
            return  # the next start reads the files anyway
        self._copy_certificates()
        self._loaded = _versions(self._settings.folder)
        offset = self.log_path.stat().st_size
        os.kill(pid, signal.SIGHUP)
        said = self._log_until_reloaded(offset)
        bad = [line for line in said.splitlines() if re.search(r": (Error|Warning)\b", line)]
        if bad:
            raise BrokerError(f"Mosquitto không nhận tệp cấu hình / refuses a file: {'; '.join(bad)[:500]}")

    def save(self) -> None:
        """Put retained messages and sessions on disk now (SIGUSR1), not at the next minute."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGUSR1)

    def stop(self) -> None:
        """End the broker; it saves its state. Safe to call twice."""
        process, self._process = self._process, None
        self._next_start_at = None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _prepare_folder(self) -> None:
        settings = self._settings
        if settings.owner is not None:
            try:
                pwd.getpwnam(settings.owner)
            except KeyError:
                raise BrokerError(
                    f"broker run_as = {settings.owner!r}: không có người dùng này / no such user; apt install mosquitto"
                ) from None
        for folder in (settings.folder, settings.folder / SAVED_FOLDER):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            give_to(folder, settings.owner)
        for name in (ACL_FILE, PASSWORDS_FILE):
            if not (settings.folder / name).exists():
                write_secret(settings.folder / name, b"", settings.owner)
            give_to(settings.folder / name, settings.owner)
        self._copy_certificates()
        write_secret(settings.folder / CONFIG_FILE, generate_config(settings).encode(), settings.owner)

    def _copy_certificates(self) -> None:
        for field, name in _TLS_COPIES.items():
            source: Path | None = getattr(self._settings, field)
            if source is None:
                continue
            try:
                content = source.read_bytes()
            except OSError as error:
                raise BrokerError(f"broker {field} = {source}: không đọc được / cannot be read: {error}") from None
            write_secret(self._settings.folder / name, content, self._settings.owner)

    def _start_once(self, command: list[str]) -> str | None:
        """None when it listens; else why it ended."""
        self._loaded = _versions(self._settings.folder)
        offset = _size(self.log_path)
        self._process = _spawn(command, self._settings.folder, self.log_path)
        self._started_at = self._clock()
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            ended = self._process.poll()
            said = _read_from(self.log_path, offset)
            if ended is not None:
                return why_it_ended(ended, said)
            if re.search(r"mosquitto version \S+ running", said):
                return None
            time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        return f"{self._start_seconds:.0f} s: không lên tiếng / no sign of life"

    def _reload_if_changed(self) -> str | None:
        if _versions(self._settings.folder) == self._loaded:
            return None
        try:
            self.reload()
        except BrokerError as error:
            return str(error)
        return "Mosquitto đã nạp lại tài khoản / has reloaded its accounts"

    def _log_until_reloaded(self, offset: int) -> str:
        """What it said while reloading. It does not say when it is done: a knock is answered only then."""
        deadline = time.monotonic() + 10
        while "Reloading config" not in _read_from(self.log_path, offset):
            if time.monotonic() > deadline or self.pid is None:
                raise BrokerError("Mosquitto không trả lời lệnh nạp lại / does not answer the reload")
            time.sleep(0.01)
        _knock(self._settings)
        said = _read_from(self.log_path, offset).partition("Reloading config")[2]
        return said.partition("New connection")[0]


def _command(settings: BrokerSettings) -> list[str]:
    # /usr/sbin is not on everybody's PATH.
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    setpriv = shutil.which("setpriv")
    if mosquitto is None or setpriv is None:
        missing = "mosquitto" if mosquitto is None else "setpriv (util-linux)"
        raise BrokerError(f"Không tìm thấy / not found: {missing}; apt install mosquitto util-linux")
    # Privileges go before exec: a later change of user would wipe the parent-death signal.
    command = [setpriv, "--pdeathsig", "TERM"]
    if settings.owner is not None:
        entry = pwd.getpwnam(settings.owner)
        command += ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups"]
        if min(settings.port, settings.websockets_port or settings.port) < 1024:
            command += ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"]
    return [*command, mosquitto, "-c", CONFIG_FILE]


def _spawn(command: list[str], folder: Path, log_path: Path) -> subprocess.Popen[bytes]:
    """Start it from a thread that lives as long as the child does (see ManagedBroker)."""
    started = threading.Event()
    result: list[subprocess.Popen[bytes] | OSError] = []

    def keep() -> None:
        try:
            with log_path.open("ab") as log:
                child = subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,  # Ctrl-C in our terminal is for us: we stop it in our order
                )
        except OSError as error:
            result.append(error)
            started.set()
            return
        result.append(child)
        started.set()
        child.wait()

    threading.Thread(target=keep, name="broker-keeper", daemon=True).start()
    started.wait()
    child = result[0]
    if isinstance(child, OSError):
        raise BrokerError(f"Mosquitto không khởi động được / does not start: {child}")
    _allow_open_files(child.pid)
    return child


def _allow_open_files(pid: int) -> None:
    try:
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        pass  # it then serves as many as its own limit allows, or has ended: start() will see that


def _knock(settings: BrokerSettings) -> None:
    """Open a connection, say nonsense, wait until the broker hangs up."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104 - compared only
    try:
        with socket.create_connection((host, settings.port), timeout=10) as knock:
            knock.sendall(bytes(16))  # neither MQTT nor TLS
            knock.recv(16)
    except OSError:
        pass  # hanging up by a reset is an answer as well


def _versions(folder: Path) -> tuple[object, ...]:
    """Changes whenever one of the account files is replaced."""
    stats = [(folder / name).stat() for name in (ACL_FILE, PASSWORDS_FILE)]
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_LOG_TAIL_BYTES).decode(errors="replace")


def _tail(path: Path) -> str:
    return _read_from(path, max(0, _size(path) - 4096))


def _bound_log(path: Path) -> None:
    """Keep the tail beside it and begin anew. The broker appends through a descriptor it keeps, so the
    file must be cut, not renamed."""
    if _size(path) <= _LOG_BYTES:
        return
    with path.open("rb") as file:
        file.seek(-_LOG_TAIL_BYTES, os.SEEK_END)
        path.with_suffix(".log.old").write_bytes(file.read())
    os.truncate(path, 0)
