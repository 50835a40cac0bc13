"""`setup`, step by step: nothing is swept that was not confirmed, and nothing is written before the end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import secrets
import sys
import tomllib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, TextIO

from schoolbeat_agent import inventory
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.differences import Differences, differences
from schoolbeat_agent.discovery.discover import Progress, discover
from schoolbeat_agent.discovery.found import Found
from schoolbeat_agent.discovery.lans import LARGEST, Lan, lans
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import (
    DEVICES,
    SECRETS,
    Device,
    Settings,
    SettingsError,
    devices_of,
    load,
    load_devices,
    with_devices,
)
from schoolbeat_agent.setup import files, form, texts
from schoolbeat_agent.setup import rows as row_of
from schoolbeat_agent.setup.answers import Answers
from schoolbeat_agent.setup.desk import Desk, Keys, Lines, Stopped, allowed_secret
from schoolbeat_agent.setup.enrolment import enrol
from schoolbeat_agent.setup.terminal import Option, can_draw
from schoolbeat_agent.texts import Language
from schoolbeat_wire.errors import WireError

SITE_KEY: Final = "site-key"  # of secrets.toml; its password holds 32 hex digits
SNMP, CAMERA = "snmp", "camera"
COMMUNITIES: Final = 8
LEFT_OUT: Final = 500  # telephones change their MAC each day: the newest are remembered
TELL_EVERY: Final = 25  # addresses between two words of progress

Sweep = Callable[..., Coroutine[Any, Any, list[Found]]]
Measure = Callable[[Settings, Language, TextIO], Coroutine[Any, Any, tuple[str, bool]]]


@dataclass(frozen=True)
class Inventory:
    """devices.toml. left_out: ids that were found and are not wanted; they are not shown again."""

    devices: tuple[Device, ...]
    left_out: tuple[str, ...]


@dataclass
class Plan:
    """What will be there at the end. texts: files to write, by name, in this order."""

    settings: Settings
    texts: dict[str, str]
    new: list[Credential] = field(default_factory=list)

    @property
    def credentials(self) -> Mapping[str, Credential]:
        return {**self.settings.credentials, **{entry.name: entry for entry in self.new}}

    def free_name(self, stem: str) -> str:
        taken = self.credentials
        return next(name for n in range(1, 99) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)


def desk_for(answers: Path | None, language: Language, stdin: TextIO, stdout: TextIO) -> Desk:
    if answers is not None:
        return Answers(answers, language, stdout)
    if can_draw(stdin, stdout, dict(os.environ)):
        return Keys(language, stdin, stdout)
    return Lines(language, stdin, stdout)


def run(
    config: Path,
    language: Language | None,
    *,
    answers: Path | None = None,
    dry_run: bool = False,
    everything: bool = False,
    sweep: Sweep = discover,
    own_lans: Callable[[], list[Lan]] = lans,
    measure: Measure | None = None,
    stdin: TextIO = sys.stdin,
    stdout: TextIO = sys.stdout,
) -> int:
    """everything: also what has not changed is shown, to be named anew.

    0: written and all is well; 1: written, and something is wrong; 2: not possible; 130: stopped by the person.
    """
    said: Language = language or "vi"
    try:
        settings = load(config) if config.exists() else None
        said = language or (settings.language if settings else "vi")
        desk = desk_for(answers, said, stdin, stdout)
        return _steps(desk, config, settings, dry_run, everything, sweep, own_lans, measure, stdout)
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError, Stopped):
        print(f"\n{texts.STOPPED.say(said)}", file=sys.stderr)
        return 130


def _steps(
    desk: Desk,
    config: Path,
    settings: Settings | None,
    dry_run: bool,
    everything: bool,
    sweep: Sweep,
    own_lans: Callable[[], list[Lan]],
    measure: Measure | None,
    stdout: TextIO,
) -> int:
    plan = _begun(desk, config, settings)
    site_key = ""
    if plan.settings.role == "classroom":
        desk.say(texts.CLASSROOM.say(desk.language))
    else:
        site_key = _site_key(desk, plan)
        networks = _networks(desk, own_lans())
        camera = _devices_secrets(desk, plan)
        found = _swept(desk, plan, networks, bytes.fromhex(site_key), sweep)
        before = Inventory(load_devices(config.with_name(DEVICES)), files.left_out(config.with_name(DEVICES)))
        after = _confirmed(desk, plan.settings.devices, before, found, networks, camera, everything)
        if after != before:
            plan.texts[DEVICES] = files.devices_toml(after.devices, after.left_out)
    if plan.new:
        former = config.with_name(SECRETS)
        text = former.read_text(encoding="utf-8-sig") if former.exists() else ""
        plan.texts[SECRETS] = files.secrets_toml(text, plan.new)
    _check(plan, config)
    if dry_run:
        changed = files.changes(config, plan.texts)
        desk.say("\n".join((texts.WOULD.say(desk.language), *changed)) if changed else texts.SAME.say(desk.language))
        return 0
    # agent.toml last: without it there is no agent, and set-up begins anew.
    for name in (SECRETS, DEVICES, files.PASSWORD, config.name):
        if name in plan.texts:
            files.write(config.with_name(name), plan.texts[name])
            desk.say(texts.WROTE.say(desk.language, file=config.with_name(name)))
    is_new = any(entry.name == SITE_KEY for entry in plan.new)
    return _finished(desk, config, site_key if is_new else "", measure, stdout)


# --- agent.toml, the site's key ------------------------------------------------------------------------------------


def _begun(desk: Desk, config: Path, settings: Settings | None) -> Plan:
    if settings is not None:
        desk.say(texts.AGAIN.say(desk.language, site=settings.site, agent=settings.agent))
        return Plan(settings, {})
    if not config.parent.is_dir():
        raise SettingsError(texts.NO_FOLDER.both(folder=config.parent))
    desk.say(texts.FIRST.say(desk.language, config=config))
    enrolled = enrol(desk, config)
    return Plan(enrolled.settings, enrolled.texts)


def _site_key(desk: Desk, plan: Plan) -> str:
    """The same key gives the same device ids: a card that replaces another one is given the former's."""
    if entry := plan.settings.credential(SITE_KEY):
        return _checked_key(entry.password)
    typed = desk.line("site_key", texts.SITE_KEY.say(desk.language), "", lambda text: text and _checked_key(text))
    key = typed or secrets.token_hex(16)
    plan.new.append(Credential(SITE_KEY, password=key))
    return key


def _checked_key(typed: str) -> str:
    key = re.sub(r"[\s-]", "", typed).lower()
    if not re.fullmatch(r"[0-9a-f]{32}", key):
        raise SettingsError(texts.BAD_SITE_KEY.both())
    return key


# --- what is swept, and with what ----------------------------------------------------------------------------------


def _networks(desk: Desk, own: Sequence[Lan]) -> list[IPv4Network]:
    """Only what the technician confirms."""
    say = desk.language
    options = [Option(f"{lan.network} ({lan.interface}, {lan.address})") for lan in own]
    other = Option(texts.OTHER_NETWORK.say(say))
    if not own:
        desk.say(texts.NO_LAN.say(say))
    if isinstance(desk, Answers):
        return [_network(text) for text in desk.listed("networks", texts.NETWORKS.say(say))]
    picked = desk.several("networks", texts.NETWORKS.say(say), [*options, other], [0] if own else [])
    networks = [own[number].network for number in picked if number < len(own)]
    if len(own) in picked:
        typed = desk.line("network", texts.NETWORK.say(say), "", lambda text: str(_network(text)))
        networks.append(_network(typed))
    if not networks:
        desk.say(texts.NOTHING_SWEPT.say(say))
        raise Stopped
    return networks


def _network(typed: str) -> IPv4Network:
    try:
        found = ipaddress.IPv4Network(typed.strip(), strict=False)
    except ValueError:
        found = None
    if found is None or found.prefixlen < LARGEST or found.is_multicast or found.is_loopback:
        raise SettingsError(texts.BAD_NETWORK.both(network=typed[:60], largest=LARGEST))
    return found


def _devices_secrets(desk: Desk, plan: Plan) -> str:
    """Communities to try, and the cameras' password; the name of the latter's entry."""
    say = desk.language
    known = [name for name in plan.credentials if name != SITE_KEY]
    if known and not desk.yes("more_secrets", texts.MORE_SECRETS.say(say, names=", ".join(known)), False):
        return CAMERA if CAMERA in plan.credentials else ""
    for _ in range(COMMUNITIES):
        community = desk.secret("community", texts.COMMUNITY.say(say))
        if not community:
            break
        if community not in [entry.community for entry in plan.credentials.values()]:
            plan.new.append(Credential(plan.free_name(SNMP), community=community))
    password = desk.secret("camera_password", texts.CAMERA_PASSWORD.say(say))
    if password:
        user = desk.line("camera_user", texts.CAMERA_USER.say(say), "admin", allowed_secret)
        name = plan.free_name(CAMERA)
        plan.new.append(Credential(name, username=user, password=password))
        return name
    return CAMERA if CAMERA in plan.credentials else ""


def _swept(desk: Desk, plan: Plan, networks: Sequence[IPv4Network], key: bytes, sweep: Sweep) -> list[Found]:
    last: list[Any] = [None, 0]

    def progress(now: Progress) -> None:
        if last[0] is now.step and now.done - last[1] < TELL_EVERY and now.done < now.all:
            return
        last[:] = [now.step, now.done]
        step = now.step.vi if desk.language == "vi" else now.step.en
        desk.progress(texts.PROGRESS.say(desk.language, step=step, done=now.done, all=now.all, found=now.found))

    desk.say(texts.SWEEPING.say(desk.language, networks=", ".join(map(str, networks))))
    return asyncio.run(
        sweep(
            networks,
            World(ca_file=plan.settings.ca_file),
            site_key=key,
            credentials={name: entry for name, entry in plan.credentials.items() if name != SITE_KEY},
            known=plan.settings.devices,
            progress=progress,
        )
    )


# --- what of it is watched -----------------------------------------------------------------------------------------


def _confirmed(
    desk: Desk,
    every: Sequence[Device],
    before: Inventory,
    found: Sequence[Found],
    networks: Sequence[IPv4Network],
    camera: str,
    everything: bool,
) -> Inventory:
    """devices.toml as it will be. every: with those of agent.toml, which stay the technician's own."""
    say = desk.language
    changed = differences(every, found)
    ours = {device.id: device for device in before.devices}
    _move(desk, changed, ours)
    _remove_gone(desk, changed, ours, networks)
    new = [one for one in changed.new if everything or one.id not in before.left_out]
    desk.say(texts.FOUND.say(say, all=len(found), new=len(new)))
    proposed = row_of.rows(new, say)
    if everything:
        proposed += [row_of.known(one, ours[one.id]) for one in found if one.id in ours]
    if not proposed:
        return Inventory(tuple(ours.values()), before.left_out)
    told = desk.applied(proposed) if isinstance(desk, Answers) else _form(desk, proposed, every)
    left_out = dict.fromkeys(before.left_out)
    for row in told:
        if row.watched:
            ours[row.found.id] = row_of.device(row, camera, ours.get(row.found.id))
            left_out.pop(row.found.id, None)
        else:
            ours.pop(row.found.id, None)
            left_out[row.found.id] = None
    return Inventory(tuple(ours.values()), tuple(left_out)[-LEFT_OUT:])


def _form(desk: Desk, proposed: Sequence[row_of.Row], every: Sequence[Device]) -> list[row_of.Row]:
    return form.confirm(desk, proposed, [device.room for device in every])


def _move(desk: Desk, changed: Differences, ours: dict[str, Device]) -> None:
    say = desk.language
    for device, now in changed.moved:
        desk.say(texts.MOVED.say(say, name=device.name or device.id, before=device.address, now=now.address))
        if device.id in ours:
            ours[device.id] = replace(device, address=now.address)
        else:
            desk.say(texts.MOVED_BY_HAND.say(say, id=device.id, now=now.address))


def _remove_gone(desk: Desk, changed: Differences, ours: dict[str, Device], networks: Sequence[IPv4Network]) -> None:
    """Where the technician says so: it may only be off."""
    for device in changed.gone:
        if device.id in ours and _is_in(device.address, networks):
            name = f"{device.name or device.id} ({device.address})"
            if desk.yes("remove_gone", texts.GONE.say(desk.language, name=name), False):
                del ours[device.id]


def _is_in(address: str, networks: Sequence[IPv4Network]) -> bool:
    """What was not swept is not gone."""
    found = ipaddress.ip_address(address)
    return any(found in network for network in networks)


# --- written -------------------------------------------------------------------------------------------------------


def _check(plan: Plan, config: Path) -> None:
    """What will be written must be readable by the agent, all of it together."""
    file = config.with_name(DEVICES)
    own = {device.id for device in load_devices(file)}
    settings = replace(
        plan.settings,
        devices=tuple(device for device in plan.settings.devices if device.id not in own),
        credentials=plan.credentials,
    )
    text = plan.texts.get(DEVICES)
    devices = load_devices(file) if text is None else devices_of(tomllib.loads(text), file)
    settings = with_devices(settings, devices, file)
    try:
        inventory.of(settings, inventory.watches(settings), "")
    except WireError as error:
        raise SettingsError(f"{config}: {error}") from None


def _finished(desk: Desk, config: Path, new_key: str, measure: Measure | None, stdout: TextIO) -> int:
    """Measures once, as `once` does, and tells what is left to do."""
    from schoolbeat_agent.cli import in_loop
    from schoolbeat_agent.table import measured_once

    say = desk.language
    desk.say(texts.MEASURING.say(say))
    text, well = in_loop((measure or measured_once)(load(config), say, stdout))
    desk.say(text)
    if new_key:
        shown = " ".join(new_key[at : at + 4] for at in range(0, 32, 4))
        desk.say(texts.KEEP_KEY.say(say, key=shown))
    desk.say(texts.NEXT.say(say))
    return 0 if well else 1
