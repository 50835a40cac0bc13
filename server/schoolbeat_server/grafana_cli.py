"""The word `grafana` of the command line: `grafana sync`, row by row."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from schoolbeat_server import decided_cli
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.grafana_plan import Place, Step
    from schoolbeat_server.grafana_sync import Done
    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
PATIENCE_SECONDS: Final = 2.0

THINGS: Final = {
    "team": Said("nhóm", "team"),
    "folder": Said("thư mục", "folder"),
    "rights": Said("quyền xem", "rights"),
    "dashboard": Said("bảng", "dashboard"),
}
ACTIONS: Final = {
    "create": Said("tạo", "create"),
    "rename": Said("đổi tên", "rename"),
    "set": Said("đặt", "set"),
    "update": Said("cập nhật", "update"),
    "keep": Said("giữ", "keep"),
    "left": Said("lưu ý", "note"),
    "delete": Said("xóa", "delete"),
}


def words(commands: Any, said: Words) -> argparse.ArgumentParser:
    grafana = commands.add_parser(
        "grafana", help=said("thư mục, nhóm và quyền xem trong Grafana", "folders, teams and rights in Grafana")
    )
    actions = grafana.add_subparsers(dest="action", required=True, metavar="sync")
    sync: argparse.ArgumentParser = actions.add_parser(
        "sync",
        help=said(
            "mỗi xã hoặc trường một thư mục và một nhóm chỉ được xem thư mục ấy",
            "a folder and a team per commune or school, with the right to view that folder only",
        ),
    )
    sync.add_argument("--dry-run", action="store_true", help=said("chỉ nói sẽ làm gì", "only say what would be done"))
    sync.add_argument(
        "--prune",
        action="store_true",
        help=said(
            "xóa thư mục, nhóm, bảng do lệnh này tạo mà không còn trong sổ đăng ký",
            "delete what this command made and the register no longer has",
        ),
    )
    sync.add_argument(
        "--all", action="store_true", help=said("kể cả dòng không đổi", "with the rows that stay as they are")
    )
    return sync


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Raises decided_cli.Refused."""
    from schoolbeat_server import grafana_plan, grafana_sync
    from schoolbeat_server.grafana_api import Grafana, Refused, Stopped
    from schoolbeat_server.grafana_copies import Unreadable, copies, originals, read_dashboards

    if not settings.grafana.url:
        raise decided_cli.Refused(
            Said(
                "chưa có mục [grafana] trong server.toml: cần url và token_file (docs/grafana.md)",
                "server.toml has no [grafana]: url and token_file are needed (docs/grafana.md)",
            )
        )
    try:
        dashboards = read_dashboards(settings.grafana.dashboards) if settings.grafana.dashboards else []
    except Unreadable as error:
        raise decided_cli.Refused(error.said) from None
    places = _places(settings, engine, now_ms)
    to_copy = originals(dashboards, "school" if settings.grafana.by == "school" else "area")
    wanted = [(one, copies(to_copy, one.folder, one.name, one.fixed)) for one in places]
    tell = _progress(language, len(wanted))
    done: list[Done] = []
    grafana = None
    try:
        grafana = Grafana(settings.grafana, time.sleep)
        grafana_sync.version(grafana)
        found = grafana_sync.read(grafana, wanted, tell)
        steps = grafana_plan.steps(wanted, found, prune=arguments.prune)
        if arguments.dry_run:
            done = [grafana_sync.Done(step, None) for step in steps]
        else:
            for one in grafana_sync.apply(grafana, steps, found, _progress(language, len(steps))):
                done.append(one)
                _show([one], language, arguments.all)
    except (Stopped, Refused) as stopped:  # what is refused while reading leaves nothing to go by
        if done:
            print(_summary(done, language, dry_run=False))
        raise decided_cli.Refused(stopped.said) from None
    finally:
        if grafana is not None:
            grafana.close()
    if arguments.dry_run:
        _show(done, language, arguments.all)
    print(_summary(done, language, dry_run=arguments.dry_run))
    return 1 if any(one.failed for one in done) else 0


def _places(settings: Settings, engine: Engine, now_ms: int) -> list[Place]:
    from schoolbeat_server import grafana_plan, register
    from schoolbeat_server.register_areas import areas_on
    from schoolbeat_server.school_calendar import date_of
    from schoolbeat_server.verify import today

    with engine.connect() as connection:
        schools = register.read_province(connection).schools
        on = areas_on(connection, date_of(today(now_ms)).isoformat())
    return grafana_plan.places("school" if settings.grafana.by == "school" else "commune", on, schools)


def _show(done: list[Done], language: str, everything: bool) -> None:
    for one in done:
        if one.failed is not None or one.step.action != "keep" or everything:
            print(row(one.step, one.failed, language))


def row(step: Step, failed: Said | None, language: str) -> str:
    why = failed or step.why
    text = f"{ACTIONS[step.action].to(language):9} {THINGS[step.thing].to(language):10} {step.title}"
    if failed is not None:
        text += Said(" — KHÔNG XONG", " — NOT DONE").to(language)
    return f"{text}: {why.to(language)}" if why.vi else text


def _summary(done: list[Done], language: str, *, dry_run: bool) -> str:
    failed = sum(one.failed is not None for one in done)
    kept = sum(one.step.action == "keep" for one in done)
    notes = sum(one.step.action == "left" for one in done)
    changed = len(done) - failed - kept - notes
    if dry_run:
        return Said(
            f"Thử: sẽ làm {changed} việc, {kept} việc đã đúng, {notes} điều cần lưu ý. Chưa đổi gì trong Grafana.",
            f"Dry run: {changed} to be done, {kept} as they should be, {notes} to note. Grafana was not changed.",
        ).to(language)
    return Said(
        f"Đã làm {changed} việc, {kept} việc đã đúng, {notes} điều cần lưu ý, {failed} việc không xong.",
        f"{changed} done, {kept} as they should be, {notes} to note, {failed} not done.",
    ).to(language)


def _progress(language: str, whole: int) -> Callable[[str, int], None]:
    """Told only to somebody who watches, and only when it takes long."""
    began = time.monotonic()

    def tell(what: str, count: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - began > PATIENCE_SECONDS and count % 50 == 0:
            said = Said("đang đọc quyền", "reading rights") if what == "rights" else Said("đang làm", "doing")
            print(f"{said.to(language)}: {count}/{whole}", file=sys.stderr)

    return tell
