"""A Spark session for the stream: local by default, any master by setting."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from paywarden.errors import EnvironmentNotReady

_LOCAL = re.compile(r"local(\[(?P<cores>\d+|\*)\])?")


def spark_session(
    name: str, jars: Sequence[Path], *, master: str = "local[*]", options: Mapping[str, str] | None = None
) -> SparkSession:
    """A session with the Kafka connector, workers of this very Python and UTC.

    On a cluster executors call Python by this one's path, or by PYSPARK_PYTHON where that is set; those of a standalone
    cluster call the driver back by this machine's host name. Raises EnvironmentNotReady where the JVM does not come up.
    """
    executable = worker_python(master)
    os.environ["PYSPARK_PYTHON"], os.environ["PYSPARK_DRIVER_PYTHON"] = executable, sys.executable
    # Tasks are the threads: a worker's libraries must not start their own.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    builder = (
        SparkSession.builder.appName(name)
        .master(_retrying(master))
        .config("spark.jars", ",".join(map(str, jars)))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "20000")
        .config("spark.sql.adaptive.enabled", "false")  # it would coalesce the shards that repartitionById made
        .config("spark.driver.memory", "1g")
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
    )
    for key, value in {**_driver_address(master), **(options or {})}.items():
        builder = builder.config(key, value)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # py4j raises several unrelated kinds when the JVM dies
        raise EnvironmentNotReady(f"Spark did not start: {error}; is Java 17 or newer on PATH?") from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _retrying(master: str) -> str:
    """A local master that tries a task four times, as clusters do; by itself one dead Python worker ends its batch."""
    found = _LOCAL.fullmatch(master)
    return f"local[{found['cores'] or 1},4]" if found else master


def worker_python(master: str) -> str:
    """The Python that executors call: this one on this machine, on a cluster what PYSPARK_PYTHON names."""
    return sys.executable if master.startswith("local") else os.environ.get("PYSPARK_PYTHON", sys.executable)


def _driver_address(master: str) -> dict[str, str]:
    """Where executors find the driver; YARN and Kubernetes say so themselves."""
    if master.startswith("local"):
        return {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    if master.startswith("spark://"):
        return {"spark.driver.bindAddress": "0.0.0.0", "spark.driver.host": socket.gethostname()}  # noqa: S104  # its own network
    return {}
