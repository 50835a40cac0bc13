"""The one database file: opening, pragmas, migrations."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 30_000


def open_database(path: Path) -> Engine:
    """The engine on `path` (0600), brought to the newest schema. SQLite, WAL, synchronous=FULL."""
    if not path.exists():
        path.touch(mode=0o600)
    path.chmod(0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    _migrate(engine)
    return engine


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: IMMEDIATE where we write
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_MS}",
        "foreign_keys=ON",
        "wal_autocheckpoint=4000",
        "cache_size=-32000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("schoolbeat_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: takes the write lock at once, so that it can wait for it but never fail half-way."""
    with engine.connect().execution_options(schoolbeat_write=True) as connection, connection.begin():
        yield connection


_migrating = threading.Lock()  # alembic keeps the running migration in a module of its own


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _migrating, engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def upsert(connection: Connection, table: Table, rows: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Many rows in one statement: building one statement costs more than writing a hundred rows."""
    statement = insert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values), rows)


def get_meta(connection: Connection, key: str) -> str | None:
    return connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == key))


def set_meta(connection: Connection, key: str, value: str) -> None:
    statement = insert(schema.meta).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def server_id(engine: Engine) -> str:
    """The id that agents are enrolled with: made once with the database, 16 hex digits."""
    with writing(engine) as connection:
        found = get_meta(connection, "server_id")
        if found is None:
            found = secrets.token_hex(8)
            set_meta(connection, "server_id", found)
        return found
