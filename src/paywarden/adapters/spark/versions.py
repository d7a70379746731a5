"""Which versions meet in the stream: Spark, its Kafka connector, Scala, Java, and Python on both sides."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from paywarden.errors import EnvironmentNotReady

_CONNECTOR: Final = re.compile(r"spark-sql-kafka-0-10_(?P<scala>[\d.]+):(?P<spark>[\d.]+)")
_SCALA_JAR: Final = re.compile(r"scala-library-(\d+\.\d+)\.")
_TESTED_JAVA: Final = (17, 21)


def check_versions(connector: Sequence[str], java: int, spark: str | None = None, jars: Path | None = None) -> str:
    """The versions, which go together. Raises EnvironmentNotReady saying which two do not, and what to do.

    ``connector`` are the Maven coordinates of the jars that the stream is given, ``java`` the feature version found;
    ``spark`` and ``jars`` are those of the installed PySpark.
    """
    spark = version("pyspark") if spark is None else spark
    wanted = next((match for name in connector if (match := _CONNECTOR.search(name))), None)
    if wanted is None:
        raise EnvironmentNotReady(f"No Kafka connector is among the stream's jars {list(connector)}.")
    if wanted["spark"] != spark:
        raise EnvironmentNotReady(
            f"PySpark is {spark}, the Kafka connector was made for Spark {wanted['spark']}. Install "
            f"pyspark=={wanted['spark']} (`uv sync` does)."
        )
    scala = _scala(_jars() if jars is None else jars)
    if scala is not None and scala != wanted["scala"]:
        raise EnvironmentNotReady(
            f"Spark's jars are of Scala {scala}, the Kafka connector of Scala {wanted['scala']}. Install PySpark from "
            "PyPI anew; another Spark's jars are on its path (SPARK_HOME?)."
        )
    if not _TESTED_JAVA[0] <= java <= _TESTED_JAVA[1]:
        raise EnvironmentNotReady(
            f"Java {java} is used; Spark {spark} runs on Java {_TESTED_JAVA[0]} to {_TESTED_JAVA[1]}. Set JAVA_HOME to "
            "one."
        )
    return f"Spark {spark}, connector {wanted['spark']}, Scala {wanted['scala']}, Java {java}"


def check_worker_python(master: str, executable: str) -> str:
    """The Python of the workers, equal to this one in its minor version. Raises EnvironmentNotReady where it is not.

    On a cluster, only what stands under the same path here can be looked at.
    """
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    if executable == sys.executable:
        return f"{mine} for driver and workers"
    if not Path(executable).exists():
        return f"{mine} for the driver; {executable} is not on this machine, so the workers' was not looked at"
    command = [executable, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        theirs = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentNotReady(f"PYSPARK_PYTHON names {executable}, which fails: {error}. Correct it.") from error
    if theirs != mine:
        raise EnvironmentNotReady(
            f"The driver runs Python {mine}, workers of {master} would run {theirs} ({executable}). Point "
            f"PYSPARK_PYTHON at a Python {mine} with Paywarden installed."
        )
    return f"{mine} for driver and workers ({executable})"


def _jars() -> Path:
    spec = importlib.util.find_spec("pyspark")  # found without importing it
    return Path(str(spec.origin)).parent / "jars" if spec and spec.origin else Path()


def _scala(jars: Path) -> str | None:
    found = (_SCALA_JAR.match(path.name) for path in jars.glob("scala-library-*.jar"))
    return next((match[1] for match in found if match), None)
