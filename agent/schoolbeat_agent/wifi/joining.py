"""Joining a Wi-Fi and leaving it again, by NetworkManager where it keeps the radio, else by a wpa_supplicant of ours.

The password stands neither on a command line nor in a file: the program reads it from memory (memfd_create(2)).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schoolbeat_agent.commands import Output, close_pipes, output_of
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.wifi import nmcli

PROFILE: Final = "schoolbeat-seat"  # NetworkManager's connection; in its memory only
NMCLI_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
LINES_KEPT: Final = 200  # of what wpa_supplicant says; it can say a lot
LINE_BYTES: Final = 4_096
NM_NOT_RUNNING: Final = 8  # nmcli(1), exit status
NO_BUS: Final = "Could not create NMClient object"  # there is not even a D-Bus that it could run on
SUPPLICANT_SOCKETS: Final = Path("/run/wpa_supplicant")

# What nmcli says of a failed activation, and what that means; the first that stands there counts.
NM_FAILURES: Final = (
    ("Secrets were required", "auth_failed"),
    ("(7)", "auth_failed"),
    ("could not be found", "not_heard"),
    ("(53)", "not_heard"),
)
NM_TROUBLES: Final = (
    ("Insufficient privileges", "no_permission"),
    ("Not authorized", "no_permission"),
    ("no suitable device", "no_radio"),
    ("No suitable device", "no_radio"),
    ("not compatible with connection", "not_configured"),  # it is no Wi-Fi interface
    ("is not available on device", "not_configured"),
)


@dataclass(frozen=True)
class Network:
    """What is joined. password empty: an open network."""

    interface: str
    ssid: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Programs:
    """By name or path. driver: wpa_supplicant's; "wired" joins a cable, where there is no radio to try it with."""

    nmcli: str = "nmcli"
    wpa_supplicant: str = "wpa_supplicant"
    driver: str = "nl80211"


@contextlib.contextmanager
def in_memory(text: str) -> Iterator[int]:
    """A file without a folder, for a program that is given its number."""
    number = os.memfd_create("seat")
    try:
        os.write(number, text.encode())
        yield number
    finally:
        os.close(number)


@asynccontextmanager
async def joined(network: Network, programs: Programs, timeout_seconds: float) -> AsyncIterator[None]:
    """On the network until the end of the block. NoAnswer: not_heard, auth_failed, join_failed. ProbeFailed."""
    row = await kept_by_network_manager(network.interface, programs)
    by = (
        by_network_manager(network, row, programs, timeout_seconds)
        if row is not None
        else by_wpa_supplicant(network, programs, timeout_seconds)
    )
    async with by:
        yield


# --- NetworkManager ----------------------------------------------------------------------------------------------


async def kept_by_network_manager(interface: str, programs: Programs) -> dict[str, str] | None:
    """nmcli's row of the interface; None where there is no NetworkManager or it leaves the interface alone."""
    try:
        out = await output_of([programs.nmcli, "-t", "-f", ",".join(nmcli.DEVICE_FIELDS), "device"], NMCLI_SECONDS)
    except ProbeFailed as failed:
        if failed.cause == "not_installed":
            return None
        raise
    if out.code == NM_NOT_RUNNING or NO_BUS in out.errors:
        return None
    if out.code:
        raise ProbeFailed("bad_answer", f"nmcli says {out.errors.strip()[:120]!r}")
    row = nmcli.device(out.text, interface)
    if row is None or row["STATE"] == "unmanaged":
        return None
    if row["STATE"] == "unavailable":
        raise ProbeFailed("not_configured", f"{interface} is switched off: nmcli radio wifi on; rfkill unblock wifi")
    return row


def profile_command(network: Network, programs: Programs) -> list[str]:
    """The connection's profile, without its password; addresses are asked for by the seat itself."""
    name, interface = ["con-name", PROFILE], ["ifname", network.interface]
    command = [programs.nmcli, "connection", "add", "save", "no", "type", "wifi", *name, *interface]
    command += ["ssid", network.ssid, "connection.autoconnect", "no", "802-11-wireless.hidden", "yes"]
    command += ["ipv4.method", "disabled", "ipv6.method", "disabled"]
    if network.password:
        command += ["802-11-wireless-security.key-mgmt", "wpa-psk", "802-11-wireless-security.psk-flags", "2"]
    return command


def nm_failure(out: Output, network: Network) -> NoAnswer | ProbeFailed:
    """What a failed activation means. Without a reason that we know it is join_failed."""
    said = " ".join(out.errors.split())[:160]
    for words, cause in NM_TROUBLES:
        if words in out.errors:
            return ProbeFailed(cause, f"nmcli: {said}; docs/probes/wifi_seat.md says what the agent must be allowed")
    for words, cause in NM_FAILURES:
        if words in out.errors:
            return NoAnswer(cause, said)
    return NoAnswer("join_failed", said)


@asynccontextmanager
async def by_network_manager(
    network: Network, row: dict[str, str], programs: Programs, timeout_seconds: float
) -> AsyncIterator[None]:
    """A profile of our own, which goes at the end; what the interface was on before is brought up again."""
    before = row["CON-UUID"] if row["STATE"] == "connected" and row["CONNECTION"] != PROFILE else ""
    forget = [programs.nmcli, "connection", "delete", "id", PROFILE]
    await output_of(forget, NMCLI_SECONDS)  # of a seat that was killed; most often there is none
    try:
        out = await output_of(profile_command(network, programs), NMCLI_SECONDS)
        if out.code:
            failure = nm_failure(out, network)
            raise failure if isinstance(failure, ProbeFailed) else ProbeFailed("internal", f"nmcli: {failure.detail}")
        await _activate(network, programs, timeout_seconds)
        yield
    finally:
        await output_of(forget, NMCLI_SECONDS)
        if before:
            back = [programs.nmcli, "--wait", "0", "connection", "up", "uuid", before, "ifname", network.interface]
            await output_of(back, NMCLI_SECONDS)


async def _activate(network: Network, programs: Programs, timeout_seconds: float) -> None:
    command = [programs.nmcli, "--wait", str(round(timeout_seconds)), "connection", "up", "id", PROFILE]
    command += ["ifname", network.interface]
    with in_memory(f"802-11-wireless-security.psk:{network.password}\n") as number:
        if network.password:
            command += ["passwd-file", f"/proc/self/fd/{number}"]
        # It ends by itself when it has waited long enough; if it does not, it hangs.
        out = await output_of(command, timeout_seconds + 5, pass_fds=(number,))
    if out.code:
        raise nm_failure(out, network)


# --- wpa_supplicant ----------------------------------------------------------------------------------------------


def supplicant_config(network: Network, driver: str) -> str:
    """wpa_supplicant.conf(5). The name as hexadecimal, so that no sign in it means anything."""
    lines = ["ap_scan=0"] if driver == "wired" else ["ap_scan=1", "fast_reauth=0"]
    lines += ["network={", f" ssid={network.ssid.encode().hex()}", " scan_ssid=1"]
    if driver == "wired":
        lines.append(" eapol_flags=0")
    if not network.password:
        lines.append(" key_mgmt=NONE")
    elif re.fullmatch(r"[0-9A-Fa-f]{64}", network.password):
        lines += [" key_mgmt=WPA-PSK", f" psk={network.password}"]
    else:
        lines += [" key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE", " ieee80211w=1", f' psk="{network.password}"']
    return "\n".join([*lines, "}", ""])


def verdict(lines: Sequence[str]) -> str:
    """What wpa_supplicant's lines say for certain: "joined", "auth_failed", or "" while it still tries."""
    for line in lines:
        if "CTRL-EVENT-CONNECTED" in line:
            return "joined"
        if "reason=WRONG_KEY" in line or "pre-shared key may be incorrect" in line:
            return "auth_failed"
    return ""


def given_up(lines: Sequence[str]) -> str:
    """What they say when the time is over."""
    if any(words in line for line in lines for words in ("Trying to", "Associated with", "-REJECT", "SSID-TEMP")):
        return "join_failed"
    return "not_heard"


@asynccontextmanager
async def by_wpa_supplicant(network: Network, programs: Programs, timeout_seconds: float) -> AsyncIterator[None]:
    """A process of our own in the foreground, ended at the end."""
    if (SUPPLICANT_SOCKETS / network.interface).exists():
        detail = f"another wpa_supplicant keeps {network.interface}; a seat needs a radio that nobody else uses"
        raise ProbeFailed("radio_busy", detail)
    with in_memory(supplicant_config(network, programs.driver)) as number:
        command = [programs.wpa_supplicant, "-i", network.interface, "-D", programs.driver]
        # Written to a file it writes line by line, which it does not to a pipe.
        command += ["-c", f"/proc/self/fd/{number}", "-f", "/dev/stdout"]
        process = await _started(command, number)
        try:
            await _wait_for(process, timeout_seconds)
            yield
        finally:
            await _stopped(process)


async def _started(command: Sequence[str], number: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(number,),
            limit=LINE_BYTES,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"},
        )
    except FileNotFoundError as error:
        detail = f"neither NetworkManager nor {command[0]} is there to join a Wi-Fi: apt install wpasupplicant"
        raise ProbeFailed("not_installed", detail) from error
    except OSError as error:
        raise ProbeFailed("no_permission", f"the program {command[0]} cannot be started: {error.strerror}") from error


async def _wait_for(process: asyncio.subprocess.Process, timeout_seconds: float) -> None:
    assert process.stdout is not None
    lines: list[str] = []
    said = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            while not said:
                line = await process.stdout.readline()
                if not line:
                    break
                lines = [*lines[-LINES_KEPT:], line.decode("utf-8", "replace").strip()]
                said = verdict(lines[-1:])
    except TimeoutError:
        said = given_up(lines)
    except ValueError as error:  # a line without an end
        raise ProbeFailed("too_much", "wpa_supplicant says a line beyond all measure") from error
    if not said:
        raise ProbeFailed(*_ended(lines))
    if said != "joined":
        raise NoAnswer(said, lines[-1][:160] if lines else "wpa_supplicant says nothing")


def _ended(lines: Sequence[str]) -> tuple[str, str]:
    """It ended by itself: it could not even begin."""
    text = " ".join(lines[-6:])[-300:]
    cause = "no_permission" if "not permitted" in text else "no_radio" if "No such device" in text else "internal"
    return cause, f"wpa_supplicant ended: {text}; docs/probes/wifi_seat.md says what it needs"


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """It leaves the network when it is told to end; if it does not within a few seconds it is killed."""
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(process.wait(), _drained(process))
    close_pipes(process)


async def _drained(process: asyncio.subprocess.Process) -> None:
    """What it still says is read, or it could not end."""
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass
