"""The command schoolbeat-server: its words, each imported only when asked for."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schoolbeat_server import (
    backup_cli,
    calendar_cli,
    decided_cli,
    evidence_cli,
    grafana_cli,
    inspection_cli,
    register_cli,
    report_cli,
    series_cli,
)
from schoolbeat_server.proof_cli import words as proof_words
from schoolbeat_server.said import Said
from schoolbeat_server.settings import LANGUAGES, Settings, SettingsError, load

if TYPE_CHECKING:
    from sqlalchemy import Engine

DEFAULT_SETTINGS = Path("server.toml")


class Stop(Exception):
    """What was asked cannot be done; the sentence is printed and the exit code is 1."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    asked = _language_asked(words)
    arguments = _parser(asked or LANGUAGES[0]).parse_args(words)
    language = asked or _language_configured(arguments.settings)
    if arguments.command == "demo":
        from schoolbeat_server.demo.main import main as demo

        return demo(arguments.rest)
    try:
        otherwise = _keep if hasattr(arguments, "keep") else _prove if hasattr(arguments, "prove") else _decide
        command: Command = getattr(arguments, "do", otherwise)
        return command(arguments, language)
    except (Stop, decided_cli.Refused, calendar_cli.Refused, inspection_cli.Refused) as stop:
        print(stop.said.to(language), file=sys.stderr)
    except SettingsError as error:
        print(error, file=sys.stderr)
    return 1


Command = Callable[[argparse.Namespace, str], int]


# ---- words -------------------------------------------------------------------------------------------------


def _language_configured(path: Path) -> str:
    try:
        return load(path).language
    except SettingsError:
        return LANGUAGES[0]


def _language_asked(words: Sequence[str]) -> str | None:
    """Before anything is parsed, so that help and errors speak it too."""
    for index, word in enumerate(words):
        value = word.removeprefix("--lang=") if word.startswith("--lang=") else None
        if word == "--lang" and index + 1 < len(words):
            value = words[index + 1]
        if value in LANGUAGES:
            return value
    return None


def _parser(language: str) -> argparse.ArgumentParser:
    def said(vi: str, en: str) -> str:
        return Said(vi, en).to(language)

    parser = argparse.ArgumentParser(
        prog="schoolbeat-server",
        description=said("Máy chủ SchoolBeat: nhận, giữ, kết luận, báo tin.", "The SchoolBeat server."),
    )
    parser.add_argument(
        "--settings", type=Path, default=DEFAULT_SETTINGS, help=said("tệp cấu hình (server.toml)", "settings file")
    )
    parser.add_argument("--lang", choices=LANGUAGES, help=said("ngôn ngữ", "language"))
    commands = parser.add_subparsers(dest="command", required=True, metavar=said("LỆNH", "COMMAND"))

    run = commands.add_parser("run", help=said("chạy máy chủ", "run the server"))
    run.set_defaults(do=_serve)
    check = commands.add_parser("check", help=said("kiểm tra cấu hình, không chạy", "check the settings, run nothing"))
    check.set_defaults(do=_check)
    register_cli.register_words(commands, said).set_defaults(do=_register)
    _agent_words(commands, said)
    decided_cli.quarantine_words(commands, said)
    decided_cli.clock_words(commands, said)
    proof_words(commands, said)
    backup_cli.words(commands, said)
    calendar_cli.calendar_words(commands, said).set_defaults(do=_calendar)
    _plan_words(commands, said)
    inspection_cli.inspection_words(commands, said).set_defaults(do=_inspection)
    for one in evidence_cli.words(commands, said):
        one.set_defaults(do=_evidence)
    report_cli.words(commands, said).set_defaults(do=_report)
    series_cli.words(commands, said).set_defaults(do=_series)
    grafana_cli.words(commands, said).set_defaults(do=_grafana)
    demo = commands.add_parser(
        "demo",
        add_help=False,
        prefix_chars="\0",  # its options are its own: everything after the word goes to it
        help=said("bản trình diễn với các trường mô phỏng", "a demonstration with simulated schools"),
    )
    demo.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


Words = Callable[[str, str], str]


def _agent_words(commands: argparse._SubParsersAction[argparse.ArgumentParser], said: Words) -> None:
    agent = commands.add_parser("agent", help=said("tác tử của các điểm trường", "the agents of the sites"))
    actions = agent.add_subparsers(dest="action", required=True, metavar="add|list|remove|clones|true|retract")
    decided_cli.clone_words(actions, said)
    add = actions.add_parser(
        "add", help=said("thêm tác tử, mật khẩu hiện một lần", "add one; its password is shown once")
    )
    add.add_argument("site", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    add.add_argument("--name", default="gateway", help=said("tên tác tử (gateway)", "its name (gateway)"))
    add.add_argument("--role", choices=("gateway", "classroom"), default="gateway")
    add.add_argument("--replace", action="store_true", help=said("cấp mật khẩu mới", "give a new password"))
    add.set_defaults(do=_agent_add)
    list_ = actions.add_parser("list", help=said("liệt kê", "list them"))
    list_.set_defaults(do=_agent_list)
    remove = actions.add_parser("remove", help=said("gỡ tác tử; số liệu cũ vẫn giữ", "remove one; its history stays"))
    remove.add_argument("site", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    remove.add_argument("name", metavar=said("TÊN", "NAME"))
    remove.add_argument("--yes", action="store_true", help=said("không hỏi lại", "do not ask"))
    remove.set_defaults(do=_agent_remove)


def _plan_words(commands: argparse._SubParsersAction[argparse.ArgumentParser], said: Words) -> None:
    plan = commands.add_parser("plan", help=said("tệp kế hoạch", "plan files"))
    actions = plan.add_subparsers(dest="action", required=True, metavar="check|schema")
    shape = actions.add_parser(
        "schema", help=said("in lược đồ JSON (JSON Schema) của tệp kế hoạch", "print the JSON Schema of plan files")
    )
    shape.set_defaults(do=_plan_schema)
    check = actions.add_parser("check", help=said("kiểm tra một tệp kế hoạch", "check a plan file"))
    check.add_argument("path", type=Path, metavar=said("TỆP", "FILE"))
    check.set_defaults(do=_plan_check)
    verdict = commands.add_parser("verdict", help=said("kết luận của các chỉ tiêu", "the targets' verdicts"))
    verdict.add_argument("path", type=Path, nargs="?", metavar=said("TỆP", "FILE"))
    verdict.add_argument("--units", action="store_true", help=said("kể cả từng đơn vị", "with every unit"))
    verdict.set_defaults(do=_verdict)


# ---- settings and server -----------------------------------------------------------------------------------


def _serve(arguments: argparse.Namespace, _language: str) -> int:
    settings = load(arguments.settings)
    from schoolbeat_server.run import main as run

    return run(settings)


def _check(arguments: argparse.Namespace, language: str) -> int:
    settings = load(arguments.settings)
    from schoolbeat_server.plans import PlanError, all_plans

    try:
        plans = all_plans(settings.plans, settings.follow)
    except PlanError as error:
        raise Stop(error.said.vi, error.said.en) from None
    names = ", ".join(plan.id for plan in plans)
    print(
        Said(
            f"{arguments.settings}: dùng được. Thư mục dữ liệu {settings.folder}; kế hoạch: {names}.",
            f"{arguments.settings}: sound. Data folder {settings.folder}; plans: {names}.",
        ).to(language)
    )
    return 0


def _decide(arguments: argparse.Namespace, language: str) -> int:
    _, engine = _database(arguments)
    return decided_cli.run(arguments, engine, language, time.time_ns() // 1_000_000)


def _calendar(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return calendar_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


def _evidence(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return evidence_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


def _grafana(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return grafana_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


def _series(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return series_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


def _inspection(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return inspection_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


def _keep(arguments: argparse.Namespace, language: str) -> int:
    """Backups and repairs: they must not open the database as the others do, it may be damaged."""
    return backup_cli.run(arguments, load(arguments.settings), language, time.time_ns() // 1_000_000)


def _prove(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    arguments.lessons = settings.lessons
    if arguments.command == "rebuild":
        from schoolbeat_server.run import StartError, lock_folder

        try:
            lock = lock_folder(settings.folder)
        except StartError as error:
            raise Stop(str(error), str(error)) from None
        with lock:
            return int(arguments.prove(arguments, engine, language, time.time_ns() // 1_000_000))
    return int(arguments.prove(arguments, engine, language, time.time_ns() // 1_000_000))


def _database(arguments: argparse.Namespace) -> tuple[Settings, Engine]:
    settings = load(arguments.settings)
    from schoolbeat_server.database import open_database

    try:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return settings, open_database(settings.database)
    except OSError as error:
        raise Stop(
            f"{settings.folder}: không mở được thư mục dữ liệu: {error.strerror}",
            f"{settings.folder}: the data folder cannot be opened: {error.strerror}",
        ) from None


# ---- register ----------------------------------------------------------------------------------------------


def _register(arguments: argparse.Namespace, language: str) -> int:
    return register_cli.run(arguments, lambda: _database(arguments)[1], language)


# ---- agents ------------------------------------------------------------------------------------------------


def _agent_add(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import database, enrol, enrol_shown
    from schoolbeat_server.credentials import site_key

    settings, engine = _database(arguments)
    try:
        credentials = enrol.add_agent(
            engine,
            arguments.site,
            arguments.name,
            arguments.role,
            now_ms=time.time_ns() // 1_000_000,
            replace_password=arguments.replace,
        )
    except enrol.EnrolError as error:
        raise Stop(*error.said) from None
    key = site_key(settings.folder, arguments.site)
    print(enrol_shown.added(credentials, arguments.role, settings.broker, database.server_id(engine), key, language))
    return 0


def _agent_list(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import enrol_shown
    from schoolbeat_server.register import read_agents

    _, engine = _database(arguments)
    with engine.connect() as connection:
        print(enrol_shown.listed(read_agents(connection), language))
    return 0


def _agent_remove(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import enrol

    _, engine = _database(arguments)
    question = Said(
        f"Gỡ tác tử {arguments.name} của điểm trường {arguments.site}? Số liệu đã có vẫn giữ. [y/N] ",
        f"Remove agent {arguments.name} of site {arguments.site}? What it reported stays. [y/N] ",
    )
    if not arguments.yes and not _agreed(question.to(language)):
        raise Stop("Không gỡ gì.", "Nothing was removed.")
    try:
        enrol.remove_agent(engine, arguments.site, arguments.name, now_ms=time.time_ns() // 1_000_000)
    except enrol.EnrolError as error:
        raise Stop(*error.said) from None
    print(Said("Đã gỡ.", "Removed.").to(language))
    return 0


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().casefold() in ("y", "yes", "c", "có")
    except EOFError:
        return False


# ---- plans -------------------------------------------------------------------------------------------------


def _plan_check(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import plans, plans_shown

    try:
        plan = plans.load_plan(arguments.path)
    except plans.PlanError as error:
        raise Stop(*error.said) from None
    print(plans_shown.plan_text(plan, language))
    return 0


def _plan_schema(_arguments: argparse.Namespace, _language: str) -> int:
    from schoolbeat_server import plan_schema

    print(plan_schema.text(), end="")
    return 0


def _verdict(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import plans, plans_shown, verdicts
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.sums import Sums, from_sums

    settings, engine = _database(arguments)
    try:
        path = arguments.path
        chosen = [plans.load_plan(path)] if path else plans.all_plans(settings.plans, settings.follow)
    except plans.PlanError as error:
        raise Stop(*error.said) from None
    now_ms = time.time_ns() // 1_000_000
    ingest = Ingest(
        engine, "", ContactBook(now_ms), lambda: now_ms, settings.lessons
    )  # reads only: the server may be running
    ingest.load()
    with engine.connect() as connection, engine.connect() as summed:
        source = from_sums(Sums(summed, ingest.ledger, ingest.asked.calendar))
        for plan in chosen:
            window = verdicts.window_of(plan, now_ms // 60_000)
            for verdict in verdicts.judge_plan(plan, verdicts.collect(connection, source, plan, window)):
                print(plans_shown.verdict_text(verdict, language, units=arguments.units), end="\n\n")
    return 0


def _report(arguments: argparse.Namespace, language: str) -> int:
    settings, engine = _database(arguments)
    return report_cli.run(arguments, settings, engine, language, time.time_ns() // 1_000_000)


if __name__ == "__main__":
    sys.exit(main())
