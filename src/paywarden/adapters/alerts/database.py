"""The database of alerts and cases: opened, brought to the present schema, read from and written to.

Guarantee: what is written in one :meth:`CaseDatabase.writing` block is there as a whole, or not at all. On SQLite a
writer holds the file's write lock from the start, so that two never work on the same old picture; on PostgreSQL the
blocks lock the rows that they read to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from paywarden.errors import CaseStoreError, ConfigurationError

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_MS: Final = 15_000
_WRITES: Final = "paywarden_writes"


@final
class CaseDatabase:
    """A database given by its URL (``sqlite:///file``, ``postgresql://…``), with the schema of this version.

    Opening it makes or upgrades the schema. Every call raises :class:`CaseStoreError` where the database refuses or
    does not answer, ConfigurationError for a URL that names none.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self.where = self._engine.url.render_as_string(hide_password=True)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from: one picture of the database on SQLite, the newest of each query elsewhere."""
        with translated("Reading", self.where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at the end of the block and undone where the block raises."""
        with translated("Writing", self.where), self._writer().begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _writer(self) -> Engine:
        return self._engine.execution_options(**{_WRITES: True})

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with translated("Bringing the schema up to date", self.where), self._changing_schema() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7295337)")  # one migrates, the others wait
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise CaseStoreError(
                    f"The schema at {self.where} is not of this version ({error}). A newer Paywarden has made it: use "
                    "that one, or another database."
                ) from error

    @contextmanager
    def _changing_schema(self) -> Iterator[Connection]:
        """A transaction in which SQLite lets tables be made anew, though rows of others name theirs."""
        with self._writer().connect() as connection:
            if connection.dialect.name != "sqlite":
                with connection.begin():
                    yield connection
                return
            plain: Any = connection.connection.dbapi_connection
            plain.execute("PRAGMA foreign_keys=OFF")  # does nothing within a transaction, so it stands before
            try:
                with connection.begin():
                    yield connection
            finally:
                plain.execute("PRAGMA foreign_keys=ON")


@contextmanager
def translated(doing: str, where: str) -> Iterator[None]:
    """Raise :class:`CaseStoreError` in place of the driver's errors; values, which may be secret, are not repeated."""
    try:
        yield
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise CaseStoreError(
            f"{doing} failed at {where}: {said}. Check cases.database, the server and its free space, then try again."
        ) from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigurationError(
                f"cases.database begins with {parsed.drivername!r}; write sqlite:///file or postgresql://user@host/name."
            )
        if parsed.get_backend_name() == "sqlite":
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_MS / 1000})
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)
            return engine
        if parsed.drivername == "postgresql":  # SQLAlchemy's own choice changes with its version
            parsed = parsed.set(drivername="postgresql+psycopg2")
        return create_engine(parsed, pool_pre_ping=True)
    except ArgumentError as error:
        raise ConfigurationError(
            "cases.database is no URL of a database; write sqlite:///data/cases.sqlite or "
            "postgresql://user:password@host/name."
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The driver of cases.database is not installed ({error.name}); for PostgreSQL install paywarden[platform]."
        ) from error


def _on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
