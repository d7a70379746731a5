"""Java is found as Spark finds it; what is missing is said with its remedy."""

from __future__ import annotations

import pytest

from paywarden.adapters.local.java import require_java
from paywarden.errors import EnvironmentNotReady


def fake_java(home, says):
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\n{says}\n")
    executable.chmod(0o755)
    return str(executable)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "22-ea" 2024-03-19', 22),
    ],
)
def test_java_home_comes_first(tmp_path, monkeypatch, line, version):
    executable = fake_java(tmp_path, f"echo '{line}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    java = require_java()
    assert (java.executable, java.version) == (executable, version)


@pytest.mark.parametrize(("line", "version"), [('java version "1.8.0_402"', 8), ('openjdk version "11.0.2"', 11)])
def test_an_old_java_is_refused(tmp_path, monkeypatch, line, version):
    fake_java(tmp_path, f"echo '{line}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentNotReady, match=rf"is Java {version}; Java 17 or newer.*Install"):
        require_java()
    assert require_java(minimum=8).version == version


def test_no_java_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentNotReady, match=r"No `java` on PATH.*Install"):
        require_java()


def test_a_java_home_without_java_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentNotReady, match=r"JAVA_HOME is .*does not exist"):
        require_java()


def test_a_java_that_says_nothing_is_told(tmp_path, monkeypatch):
    fake_java(tmp_path, "exit 3")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentNotReady, match="nothing, exit status 3"):
        require_java()
