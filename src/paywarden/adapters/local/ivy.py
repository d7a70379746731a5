"""Jars from Maven Central, fetched by the Ivy that PySpark ships: no Maven, no Docker, no host configuration.

Guarantee: a jar set is either complete in its directory or absent from it. It is resolved beside its final place,
checked against the repository's checksums by Ivy, and renamed into place under a file lock, so that any number of
processes may ask at once. A complete set is returned without touching the network; a failed fetch is tried again
and goes on from what Ivy has already downloaded. ``~/.m2`` and ``~/.ivy2`` are neither read nor written.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from paywarden.adapters.local.java import require_java
from paywarden.errors import EnvironmentNotReady

DEFAULT_CACHE_DIR = Path("~/.cache/paywarden")

_MARKER = "complete.json"
_ATTEMPTS = 3
_FETCH_TIMEOUT_SECONDS = 1200
"""A cold fetch takes about half a minute; a slow line still gets through in twenty."""


@dataclass(frozen=True)
class JarSet:
    """Maven coordinates (``organisation:name:revision``) to fetch together, with their runtime dependencies.

    ``excludes`` are ``organisation:name`` (``*`` for any name) of dependencies that are on the class path already.
    """

    name: str
    dependencies: tuple[str, ...]
    excludes: tuple[str, ...] = ()

    @property
    def directory_name(self) -> str:
        """A name that changes whenever the coordinates do, so that an upgrade never mixes two sets."""
        content = json.dumps([self.dependencies, self.excludes]).encode()
        return f"{self.name}-{hashlib.sha256(content).hexdigest()[:12]}"


BROKER = JarSet(
    name="kafka-broker",
    dependencies=(
        "org.apache.kafka:kafka_2.13:4.1.0",
        # Kafka logs through slf4j 1.7; without a binding the broker's log stays empty.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
    ),
)

SPARK_KAFKA = JarSet(
    name="spark-kafka",
    dependencies=("org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",),
    # All of these are in pyspark/jars; a second copy on the class path would be another version's by accident.
    excludes=(
        "org.apache.hadoop:*",
        "org.scala-lang:*",
        "org.scala-lang.modules:*",
        "org.slf4j:*",
        "at.yawk.lz4:*",
        "org.lz4:*",
        "org.xerial.snappy:*",
        "com.github.luben:*",
        "com.google.code.findbugs:*",
        "org.apache.spark:spark-tags_2.13",
    ),
)


def ensure_jars(
    jar_set: JarSet, cache_dir: Path = DEFAULT_CACHE_DIR, *, repository_url: str | None = None
) -> tuple[Path, ...]:
    """The jars of ``jar_set`` on disk, sorted by name; fetched first where they are not complete.

    ``repository_url`` replaces Maven Central by a mirror of the same layout. Raises :class:`EnvironmentNotReady`
    when Java is missing or the repository does not answer.
    """
    root = Path(cache_dir).expanduser() / "jars"
    target = root / jar_set.directory_name
    jars = _complete(target)
    if jars is not None:
        return jars
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / ".lock"):
        jars = _complete(target)  # another process may have fetched it while this one waited
        if jars is not None:
            return jars
        _fetch(jar_set, target, root / ".ivy", repository_url)
    jars = _complete(target)
    if jars is None:
        raise EnvironmentNotReady(f"The jars in {target} are incomplete right after their fetch. Is the disk full?")
    return jars


def class_path(jars: tuple[Path, ...]) -> str:
    """The jars as a value for ``java -cp``."""
    return os.pathsep.join(str(jar) for jar in jars)


def _complete(target: Path) -> tuple[Path, ...] | None:
    """The jars that the marker lists, or None where the marker or a jar is missing or has another size."""
    try:
        sizes: dict[str, int] = json.loads((target / _MARKER).read_text())
    except (OSError, ValueError):
        return None
    jars = tuple(target / name for name in sorted(sizes))
    if all(jar.is_file() and jar.stat().st_size == sizes[jar.name] for jar in jars):
        return jars
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # noqa: PLC0415  # Unix only: importing this module must work elsewhere, for its error messages

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(jar_set: JarSet, target: Path, ivy_cache: Path, repository_url: str | None) -> None:
    work = target.with_name(target.name + ".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    _run_ivy(jar_set, work, ivy_cache, repository_url)
    sizes = {jar.name: jar.stat().st_size for jar in work.glob("*.jar")}
    (work / _MARKER).write_text(json.dumps(sizes, indent=1, sort_keys=True))
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)
    shutil.rmtree(ivy_cache, ignore_errors=True)  # kept only to resume a failed fetch


def _run_ivy(jar_set: JarSet, work: Path, ivy_cache: Path, repository_url: str | None) -> None:
    settings, module = work / "ivysettings.xml", work / "ivy.xml"
    settings.write_text(_settings_xml(ivy_cache, repository_url))
    module.write_text(_module_xml(jar_set))
    command = [
        *(require_java().executable, "-cp", str(_ivy_jar()), "org.apache.ivy.Main"),
        *("-settings", str(settings), "-ivy", str(module), "-confs", "default"),
        *("-retrieve", f"{work}/[artifact]-[revision](-[classifier]).[ext]", "-types", "jar", "bundle"),
    ]
    output = ""
    for _ in range(_ATTEMPTS):
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentNotReady(
                f"The jars of {jar_set.name!r} did not arrive within {_FETCH_TIMEOUT_SECONDS} s. "
                "Check the network and run again: the fetch goes on where it stopped."
            ) from error
        if result.returncode == 0 and any(work.glob("*.jar")):
            return
        output = result.stdout + result.stderr
    raise EnvironmentNotReady(
        f"The jars of {jar_set.name!r} could not be fetched from "
        f"{repository_url or 'Maven Central'}. Check the network (a proxy goes into JAVA_TOOL_OPTIONS) and run "
        f"again. Ivy's last words:\n{_problems(output)}"
    )


def _problems(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "UNRESOLVED" in line or "not found" in line or "Exception" in line]
    return "\n".join((telling or lines)[-8:])


def _ivy_jar() -> Path:
    """PySpark's own Ivy, found without importing PySpark."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise EnvironmentNotReady("PySpark is not installed. Run `make setup`.")
    found = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    if not found:
        raise EnvironmentNotReady(f"No ivy-*.jar in {Path(spec.origin).parent / 'jars'}. Reinstall PySpark.")
    return found[-1]


def _settings_xml(ivy_cache: Path, repository_url: str | None) -> str:
    # Without a root, Ivy's m2compatible resolver goes to Maven Central.
    root = f" root={quoteattr(repository_url)}" if repository_url else ""
    return f"""<ivysettings>
  <settings defaultResolver="central"/>
  <caches defaultCacheDir={quoteattr(str(ivy_cache.resolve()))}/>
  <resolvers><ibiblio name="central" m2compatible="true"{root}/></resolvers>
</ivysettings>
"""


def _module_xml(jar_set: JarSet) -> str:
    dependencies = []
    for coordinates in jar_set.dependencies:
        organisation, name, revision = map(quoteattr, coordinates.split(":"))
        dependencies.append(f'    <dependency org={organisation} name={name} rev={revision} conf="default->default"/>')
    for pattern in jar_set.excludes:
        organisation, name = map(quoteattr, pattern.split(":"))
        dependencies.append(f"    <exclude org={organisation} module={name}/>")
    body = "\n".join(dependencies)
    return f"""<ivy-module version="2.0">
  <info organisation="paywarden" module={quoteattr(jar_set.name)}/>
  <configurations><conf name="default"/></configurations>
  <dependencies>
{body}
  </dependencies>
</ivy-module>
"""


def main() -> None:
    """Fetch jar sets into the cache directory of the first argument (default ``~/.cache/paywarden``).

    Further arguments name the sets, ``kafka-broker`` or ``spark-kafka``; without any it is both.
    """
    cache_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_CACHE_DIR
    names = sys.argv[2:] or [BROKER.name, SPARK_KAFKA.name]
    for jar_set in (jar_set for jar_set in (BROKER, SPARK_KAFKA) if jar_set.name in names):
        try:
            jars = ensure_jars(jar_set, cache_dir)
        except EnvironmentNotReady as error:
            sys.exit(str(error))
        sys.stdout.write(f"{jar_set.name}: {len(jars)} jars in {jars[0].parent}\n")


if __name__ == "__main__":
    main()
