"""Times of the console's pages with 1,000 and with 100,000 cases, asked in turn; what has no index is told.

`python -m benchmarks.console.bench`, into build/bench/console.json. With --postgres (the address of a server without
the name of a database) the same on PostgreSQL, in databases that are removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import uvicorn
from sqlalchemy import Engine, create_engine, event

from benchmarks.console.filled import ANALYST, AT, card, fill
from paywarden.service.console.app import console_app
from paywarden.settings import Settings
from paywarden.wiring.console import console_parts

REPORT = Path("build/bench/console.json")
PASSWORD = "long enough for a bench"  # noqa: S105 -- of an account that lives as long as the bench


def pages(cases: int) -> dict[str, str]:
    """What is asked for, by what it shows."""
    return {
        "queue": "/queue",
        "queue, further down": "/queue?after=3000-1",
        "queue, closed": "/queue?status=closed",
        "queue, one's own": "/queue?mine=true",
        "queue, a card's last four": f"/queue?card={card(cases // 2 + 1)[-4:]}",
        "queue, a card there is not": "/queue?card=none",
        "queue renewed": "/queue/rows?seen=1",
        "queue unchanged": f"/queue/rows?seen={AT + cases}",
        "case": f"/cases/{cases // 2}",
    }


def main(arguments: list[str] | None = None) -> int:
    """Fill, ask, write the report, say the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console.bench", description=__doc__)
    parser.add_argument("--few", type=int, default=1_000, help="cases (default: %(default)s)")
    parser.add_argument("--many", type=int, default=100_000, help="cases (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="each asks for every page once (default: %(default)s)")
    parser.add_argument("--postgres", help="such as postgresql+psycopg2://paywarden@127.0.0.1:5432")
    asked = parser.parse_args(arguments)
    sizes, report = (asked.few, asked.many), {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        backends = {"sqlite": {n: f"sqlite:///{folder}/{n}.sqlite" for n in sizes}}
        if asked.postgres:
            backends["postgresql"] = {n: stack.enter_context(_database(asked.postgres, n)) for n in sizes}
        for name, urls in backends.items():
            report[name] = _measured(urls, asked.rounds, Path(folder))
            _tell(name, report[name], sizes)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {REPORT}")
    return 0


def _measured(urls: dict[int, str], rounds: int, folder: Path) -> dict[str, object]:
    """Milliseconds by size and page, each round's, and the plans that the larger one is read by."""
    took: dict[int, dict[str, list[float]]] = {n: {name: [] for name in pages(n)} for n in urls}
    with ExitStack() as stack:
        consoles = {n: stack.enter_context(_console(url, n, folder)) for n, url in urls.items()}
        for number in range(rounds + 1):
            for n, client in consoles.items():
                for name, path in pages(n).items():
                    began = time.perf_counter()
                    client.get(path).raise_for_status()
                    if number:  # the first round warms up
                        took[n][name].append(1000 * (time.perf_counter() - began))
        most = max(urls)
        scans = {
            name: found for name, path in pages(most).items() if (found := _scans(consoles[most], urls[most], path))
        }
    return {"milliseconds": took, "without_an_index": scans}


@contextmanager
def _console(url: str, cases: int, folder: Path) -> Iterator[httpx.Client]:
    """A client that has logged in to a console over so many cases."""
    tracking = f"sqlite:///{folder / 'mlflow.db'}"
    parts = console_parts(Settings(cases={"database": url}, mlflow={"tracking_uri": tracking}))
    began = time.perf_counter()
    fill(parts.health.database, cases)
    print(f"{parts.health.database.where.split(':')[0]}: {cases:,} cases in {time.perf_counter() - began:.0f} s")
    parts.accounts.put(ANALYST, PASSWORD, "analyst")
    server = uvicorn.Server(uvicorn.Config(console_app(parts), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.post("/login", data={"name": ANALYST, "password": PASSWORD})
            yield client
    finally:
        server.should_exit = True
        thread.join()
        parts.health.database.close()


def _scans(client: httpx.Client, url: str, path: str) -> list[str]:
    """The steps of the page's queries that read a whole table."""
    heard: list[tuple[str, object]] = []

    def hear(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        heard.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    client.get(path)
    event.remove(Engine, "before_cursor_execute", hear)
    engine, steps = create_engine(url), []
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        for statement, parameters in heard:
            if statement.lstrip().upper().startswith("SELECT"):
                steps += [str(row[-1]).strip() for row in connection.exec_driver_sql(explain + statement, parameters)]
    engine.dispose()
    return [step for step in steps if _whole_table(step)]


def _whole_table(step: str) -> bool:
    return "Seq Scan" in step or (step.startswith("SCAN") and "USING" not in step)


@contextmanager
def _database(server: str, cases: int) -> Iterator[str]:
    """The URL of a new database, which is removed at the end."""
    engine, name = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT"), f"paywarden_bench_{cases}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield f"{server}/{name}"
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        engine.dispose()


def _tell(backend: str, found: dict[str, object], sizes: tuple[int, int]) -> None:
    """A line a page: the median times, and how many times as long it takes with many."""
    took = found["milliseconds"]
    for name in pages(sizes[0]):
        few, many = (statistics.median(took[n][name]) for n in sizes)
        ratio = statistics.median(m / f for f, m in zip(took[sizes[0]][name], took[sizes[1]][name], strict=True))
        print(f"{backend:<11}{name:<27}{few:>8.1f} ms{many:>8.1f} ms{ratio:>7.2f} x")
    for name, steps in found["without_an_index"].items():
        if steps:
            print(f"{backend:<11}{name}: {'; '.join(steps)}")


if __name__ == "__main__":
    raise SystemExit(main())
