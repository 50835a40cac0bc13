"""The database file: its mode, its pragmas, and migrations that say what schema.py says."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from schoolbeat_server import database, schema


def test_the_migrations_make_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "a.db")

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)

    assert differences == []


def test_the_file_is_ours_alone_and_writes_are_durable(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "a.db")

    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o600


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    first = database.server_id(database.open_database(tmp_path / "a.db"))

    again = database.server_id(database.open_database(tmp_path / "a.db"))

    assert again == first


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "a.db")

    def write_what_cannot_be() -> None:
        with database.writing(engine) as connection:
            database.set_meta(connection, "k", "v")
            connection.execute(schema.school.insert().values(id="s", name="s", area="nowhere"))

    with pytest.raises(IntegrityError):
        write_what_cannot_be()

    with engine.connect() as connection:
        assert database.get_meta(connection, "k") is None


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "a.db")

    def count() -> None:
        for _ in range(50):
            with database.writing(engine) as connection:
                now = int(database.get_meta(connection, "n") or 0)
                database.set_meta(connection, "n", str(now + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with engine.connect() as connection:
        assert database.get_meta(connection, "n") == "200"
