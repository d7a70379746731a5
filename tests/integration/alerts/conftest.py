"""A new database of cases: in SQLite, and in a real PostgreSQL that starts once a session."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.local.ports import free_port

_NUMBERS = itertools.count(1)


def _programs():
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        missing = "PostgreSQL is not installed; on Debian or Ubuntu: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return folders[-1]


@pytest.fixture(scope="session")
def postgres():
    """The address of a PostgreSQL server of our own, without the name of a database."""
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed: uv sync --extra platform")
    programs, folder, port = _programs(), Path(tempfile.mkdtemp(prefix="paywarden-postgres-")), free_port()
    user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("postgres")
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, address = folder / "data", ["-h", "127.0.0.1", "-p", str(port)]
    options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    made = ["-D", data, "-U", "paywarden", "-A", "trust", "-E", "UTF8", "--no-sync"]
    with (folder / "log").open("w") as log:
        where = {"stdout": log, "stderr": log, "cwd": folder, **user}
        subprocess.run([programs / "initdb", *made], check=True, **where)
        server = subprocess.Popen([programs / "postgres", "-D", data, *options], **where)
    try:
        for _ in range(300):
            if subprocess.run([programs / "pg_isready", *address, "-q"], check=False).returncode == 0:
                break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgresql+psycopg2://paywarden@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # at once, whoever is connected
        server.wait(30)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a database that does not hold anything yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cases.sqlite'}"
    server, name = request.getfixturevalue("postgres"), f"cases{next(_NUMBERS)}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{server}/{name}"


@pytest.fixture
def database(url):
    """The database, opened."""
    opened = CaseDatabase(url)
    yield opened
    opened.close()
