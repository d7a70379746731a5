"""Jar sets are complete or absent, fetched once however many ask, and never again."""

from __future__ import annotations

import multiprocessing
import zipfile
from pathlib import Path

import pytest

from paywarden.adapters.local import ivy
from paywarden.adapters.local.ivy import JarSet, ensure_jars
from paywarden.errors import EnvironmentNotReady

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>{name}</artifactId><version>1.0</version>
<dependencies>{dependencies}</dependencies></project>"""
DEPENDENCY = "<dependency><groupId>org.example</groupId><artifactId>{}</artifactId><version>1.0</version></dependency>"
ONE = JarSet("one", ("org.example:one:1.0",))


@pytest.fixture
def repository(tmp_path):
    """A Maven repository on disk: `one` needs `two` and `three`."""
    root = tmp_path / "repository"
    for name, needs in {"one": ("two", "three"), "two": (), "three": ()}.items():
        folder = root / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True)
        dependencies = "".join(map(DEPENDENCY.format, needs))
        (folder / f"{name}-1.0.pom").write_text(POM.format(name=name, dependencies=dependencies))
        with zipfile.ZipFile(folder / f"{name}-1.0.jar", "w") as jar:
            jar.writestr("content", name)
    return root.as_uri()


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))


def names(jars):
    return [Path(jar).name for jar in jars]


def test_a_set_comes_with_what_it_needs_and_without_what_it_excludes(repository, tmp_path):
    cache = tmp_path / "cache"
    assert names(ensure_jars(ONE, cache, repository_url=repository)) == ["one-1.0.jar", "three-1.0.jar", "two-1.0.jar"]
    lean = JarSet("one", ONE.dependencies, excludes=("org.example:two", "org.example:three"))
    assert names(ensure_jars(lean, cache, repository_url=repository)) == ["one-1.0.jar"]


def test_a_complete_set_needs_neither_network_nor_java(repository, tmp_path, monkeypatch):
    first = ensure_jars(ONE, tmp_path, repository_url=repository)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert ensure_jars(ONE, tmp_path, repository_url="file:///nowhere") == first


def test_a_damaged_set_is_fetched_again(repository, tmp_path):
    first = ensure_jars(ONE, tmp_path, repository_url=repository)
    first[0].write_bytes(b"cut off")
    again = ensure_jars(ONE, tmp_path, repository_url=repository)
    assert again == first
    assert zipfile.ZipFile(again[0]).testzip() is None


def test_an_interrupted_fetch_leaves_no_trace_of_completeness(repository, tmp_path):
    work = tmp_path / "jars" / (ONE.directory_name + ".partial")
    work.mkdir(parents=True)
    (work / "one-1.0.jar").write_bytes(b"half")
    assert len(ensure_jars(ONE, tmp_path, repository_url=repository)) == 3


def test_many_who_ask_at_once_get_one_fetch(repository, tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        asked = [pool.apply_async(ensure_jars, (ONE, tmp_path), {"repository_url": repository}) for _ in range(3)]
        answers = [answer.get(timeout=120) for answer in asked]
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == 3


def test_a_repository_that_lacks_the_jar_is_told(repository, tmp_path):
    missing = JarSet("missing", ("org.example:missing:1.0",))
    with pytest.raises(EnvironmentNotReady, match=r"'missing' could not be fetched(.*\n)*.*not found"):
        ensure_jars(missing, tmp_path, repository_url=repository)
    assert not (tmp_path / "jars" / missing.directory_name).exists()


def test_without_java_nothing_is_fetched(no_java, repository, tmp_path):
    with pytest.raises(EnvironmentNotReady, match="JAVA_HOME"):
        ensure_jars(ONE, tmp_path, repository_url=repository)


def test_the_home_directory_is_left_alone(repository, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={home}")
    ensure_jars(ONE, tmp_path, repository_url=repository)
    assert list(home.iterdir()) == []


def test_the_spark_set_repeats_nothing_that_pyspark_ships(spark_kafka_jars):
    shipped = {path.name.rsplit("-", 1)[0] for path in ivy._ivy_jar().parent.glob("*.jar")}
    assert {name.rsplit("-", 1)[0] for name in names(spark_kafka_jars)} & shipped == set()
