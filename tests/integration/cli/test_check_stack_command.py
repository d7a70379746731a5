"""`paywarden check --stack`: each failure that can be provoked is found and says what to do."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.conformance.state.servers import redis_server

from paywarden import probes
from paywarden.adapters.kafka import stack as kafka_stack
from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.lake.round_trip import round_trip
from paywarden.adapters.local import compose, machine
from paywarden.adapters.local.ports import free_port
from paywarden.adapters.mlflow.server import check_server, server_clock
from paywarden.adapters.spark.versions import check_versions, check_worker_python
from paywarden.adapters.state.stack import check_lmdb, check_redis
from paywarden.cli.app import app
from paywarden.cli.console import run_app
from paywarden.clock import system_clock
from paywarden.errors import EnvironmentNotReady, KafkaError, LakeError, RegistryError, StateStoreError
from paywarden.settings import ENVIRONMENT_PREFIX, load_settings

CONNECTOR = ("org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",)


@contextmanager
def http(status=200, body=b"3.10.0", date="Wed, 01 Jan 2020 00:00:00 GMT", seen=None):
    """A server that answers everything the same way; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            if seen is not None:
                seen.append((self.command, self.path))
            self.send_response_only(status)
            self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  # http.server's names

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def nobody():
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class TestKafka:
    def test_topics_with_their_partitions_are_fine(self, kafka, topic_factory):
        name = topic_factory(partitions=3)
        assert kafka_stack.check_topics(kafka, {name: 3}) == "1 topics with their partitions"

    def test_a_missing_topic_is_named_with_the_command_that_makes_it(self, kafka):
        with pytest.raises(KafkaError, match=r"never\.made.*paywarden topics"):
            kafka_stack.check_topics(kafka, {"never.made": 1})

    def test_another_number_of_partitions_is_said(self, kafka):
        ensure_topics(kafka, {"check.two": 2})
        with pytest.raises(KafkaError, match=r"kafka\.partitions is 4, but check\.two has 2"):
            kafka_stack.check_topics(kafka, {"check.two": 4})

    def test_announced_addresses_answer(self, kafka, kafka_broker):
        assert kafka_stack.check_listeners(kafka) == kafka_broker.bootstrap_servers

    def test_a_broker_that_announces_an_address_nobody_reaches_is_named(self, kafka, nobody, monkeypatch):
        """As a broker in a container does to a client outside; its real answer with another address in it."""
        answer = kafka_stack.metadata_of(kafka)
        for broker in answer.brokers.values():
            broker.host, broker.port = "127.0.0.1", nobody
        monkeypatch.setattr(kafka_stack, "metadata_of", lambda _connection: answer)
        with pytest.raises(KafkaError, match=rf"announces itself as 127\.0\.0\.1:{nobody}.*advertised\.listeners"):
            kafka_stack.check_listeners(kafka)


class TestStorage:
    def options(self, endpoint):
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "eu"}
        return {**keys, "AWS_ENDPOINT_URL": endpoint}

    def test_a_store_that_is_down_is_said_without_its_keys(self, nobody):
        with pytest.raises(LakeError, match="AWS_ENDPOINT_URL") as failed:
            round_trip("s3://bucket/lake", self.options(f"http://127.0.0.1:{nobody}"), "probe")
        assert "hush" not in str(failed.value)

    @pytest.mark.parametrize(
        ("status", "code", "remedy"),
        [(404, "NoSuchBucket", "Make the bucket"), (403, "AccessDenied", "correct AWS_ACCESS_KEY_ID")],
    )
    def test_a_store_that_refuses_is_told_apart(self, status, code, remedy):
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        with http(status, body) as endpoint, pytest.raises(LakeError, match=remedy):
            round_trip("s3://bucket/lake", self.options(endpoint), "probe")

    def test_other_stores_are_not_tried(self):
        assert "no round trip" in round_trip("gs://bucket/lake", {}, "probe")


class TestState:
    def test_a_redis_that_keeps_everything_is_fine(self, tmp_path):
        with redis_server(tmp_path) as url:
            assert check_redis(url).endswith("noeviction")

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
    def test_a_redis_that_evicts_is_refused(self, tmp_path, policy):
        with redis_server(tmp_path, "--maxmemory-policy", policy) as url, pytest.raises(StateStoreError) as failed:
            check_redis(url)
        assert policy in str(failed.value)
        assert "CONFIG SET maxmemory-policy noeviction" in str(failed.value)

    def test_a_redis_that_does_not_answer_is_said(self, nobody):
        with pytest.raises(StateStoreError, match="Is the server up"):
            check_redis(f"redis://127.0.0.1:{nobody}/0")

    def test_a_disk_without_locks_is_refused_for_lmdb(self, tmp_path):
        mounts = tmp_path / "mounts"
        mounts.write_text(f"/dev/root / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
        with pytest.raises(StateStoreError, match="lies on nfs4"):
            check_lmdb(tmp_path / "state", mounts)
        assert "ext4" in check_lmdb(Path("/elsewhere"), mounts)


class TestMlflow:
    def test_the_same_major_version_is_fine(self):
        with http() as uri:
            assert check_server(uri).startswith("server 3.10.0, client 3.")

    def test_another_major_version_is_refused(self):
        with (
            http(body=b"2.22.1") as uri,
            pytest.raises(RegistryError, match=r"2\.22\.1.*another major"),
        ):
            check_server(uri)

    def test_a_dead_port_is_said(self, nobody):
        with pytest.raises(RegistryError, match="No MLflow server answers"):
            check_server(f"http://127.0.0.1:{nobody}")

    @pytest.mark.parametrize(("status", "remedy"), [(403, "--allowed-hosts"), (404, "Is this an MLflow server")])
    def test_a_server_that_refuses_is_said(self, status, remedy):
        with http(status) as uri, pytest.raises(RegistryError, match=remedy):
            check_server(uri)

    def test_a_clock_that_is_off_is_said(self):
        with http() as uri:
            assert server_clock(uri) < system_clock() - 10**10
            with pytest.raises(EnvironmentNotReady, match=r"differ by .* NTP"):
                probes.STACK_PROBES["clock"](load_settings(mlflow={"tracking_uri": uri}))

    def test_a_file_has_neither_server_nor_clock(self):
        assert server_clock("sqlite:///x.db") is None
        assert "no server" in check_server("sqlite:///x.db")


class TestMachine:
    def test_too_little_room_is_said(self, tmp_path):
        assert "GiB" in machine.check_room([tmp_path / "not" / "yet"], 0.001)
        with pytest.raises(EnvironmentNotReady, match=r"1e\+06 are wanted"):
            machine.check_room([tmp_path], 1e6)

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a directory that nobody may write")
    def test_a_directory_that_cannot_be_written_is_said_with_its_owner(self, tmp_path):
        assert machine.check_writable([tmp_path / "not" / "yet"]) == str(tmp_path)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(EnvironmentNotReady, match=r"belongs to user .*chown"):
            machine.check_writable([Path("/proc/self/paywarden")])


class TestVersions:
    def test_ours_go_together(self):
        assert check_versions(CONNECTOR, 17).startswith("Spark 4.2.0, connector 4.2.0, Scala 2.13, Java 17")

    @pytest.mark.parametrize(
        ("spark", "java", "scala", "said"),
        [
            ("3.5.1", 17, "2.13", "PySpark is 3.5.1"),
            ("4.2.0", 11, "2.13", "Java 11 is used"),
            ("4.2.0", 17, "2.12", "Scala 2.12"),
        ],
    )
    def test_what_does_not_is_said(self, tmp_path, spark, java, scala, said):
        (tmp_path / f"scala-library-{scala}.18.jar").touch()
        with pytest.raises(EnvironmentNotReady, match=said):
            check_versions(CONNECTOR, java, spark, tmp_path)

    def test_workers_of_another_python_are_refused(self, tmp_path):
        other = tmp_path / "python"
        other.write_text("#!/bin/sh\necho 3.8\n")
        other.chmod(0o755)
        with pytest.raises(EnvironmentNotReady, match=r"would run 3\.8"):
            check_worker_python("spark://master:7077", str(other))
        assert "was not looked at" in check_worker_python("yarn", str(tmp_path / "absent"))
        assert check_worker_python("local[*]", sys.executable).endswith("for driver and workers")


class TestCompose:
    def test_a_missing_env_file_names_the_command_that_writes_it(self, tmp_path):
        with pytest.raises(EnvironmentNotReady, match="make stack-init"):
            compose.check_env_file(tmp_path)

    def test_an_env_file_that_others_can_read_is_refused(self, tmp_path):
        (tmp_path / ".env").write_text("SECRET=1")
        (tmp_path / ".env").chmod(0o644)
        with pytest.raises(EnvironmentNotReady, match="chmod 600"):
            compose.check_env_file(tmp_path)
        (tmp_path / ".env").chmod(0o600)
        assert compose.check_env_file(tmp_path).endswith(".env")

    @pytest.fixture
    def docker(self, tmp_path, monkeypatch):
        """A docker that answers as it is told: by the word that its arguments hold."""

        def answers(**said):
            lines = [f"case \"$*\" in *{word}*) echo '{json.dumps(text)}';; esac" for word, text in said.items()]
            (tmp_path / "docker").write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
            (tmp_path / "docker").chmod(0o755)
            monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

        return answers

    def test_an_engine_with_too_little_memory_is_said(self, docker):
        docker(info={"MemTotal": 4 << 30, "ServerVersion": "28", "NCPU": 2})
        with pytest.raises(EnvironmentNotReady, match=r"Docker has 4\.0 GiB of memory"):
            compose.check_engine()
        assert compose.check_engine(3) == "engine 28, 4 GiB, 2 CPUs"

    def test_an_engine_that_is_down_is_said(self, docker):
        docker(info={"ServerErrors": ["Cannot connect to the Docker daemon"]})
        with pytest.raises(EnvironmentNotReady, match="does not answer: Cannot connect"):
            compose.check_engine()

    def test_a_port_that_is_taken_is_named_with_its_service(self, docker, tmp_path):
        port = free_port()
        docker(config={"services": {"mlflow": {"ports": [{"published": str(port)}]}}})
        assert compose.check_ports(tmp_path) == "1 ports are free"
        taken = pytest.raises(EnvironmentNotReady, match=f"Port {port}.*mlflow")
        with socket.create_server(("127.0.0.1", port)), taken:
            compose.check_ports(tmp_path)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["paywarden", "check", *arguments])
        status = 0
        try:
            run_app(app)
        except SystemExit as ended:
            status = ended.code or 0
        return status, capsys.readouterr().out

    return run


def test_every_probe_is_in_the_one_line_and_a_failure_ends_with_1(run, monkeypatch, nobody):
    monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"http://127.0.0.1:{nobody}")
    status, said = run("--stack", "--json")
    (line,) = said.splitlines()
    found = json.loads(line)
    checks = {check["name"]: check for check in found["checks"]}
    assert (status, found["well"]) == (1, False)
    assert set(checks) == {"settings", *probes.PROBES, *probes.STACK_PROBES}
    failed = {name for name, check in checks.items() if not check["passed"]}
    assert failed == {"kafka", "mlflow", "kafka topics", "kafka listeners", "mlflow server", "clock"}
    assert f"127.0.0.1:{nobody}" in checks["kafka topics"]["said"]


def test_without_stack_only_the_first_probes_are_tried(run, monkeypatch, nobody):
    monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"http://127.0.0.1:{nobody}")
    _, said = run("--json")
    assert [check["name"] for check in json.loads(said)["checks"]] == ["settings", *probes.PROBES]


def test_settings_no_training_could_use_are_told_at_once(run, monkeypatch, nobody):
    monkeypatch.setenv("PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    monkeypatch.setenv("PAYWARDEN_MLFLOW__TRACKING_URI", f"http://127.0.0.1:{nobody}")
    monkeypatch.setenv("PAYWARDEN_GATE__RESAMPLES", "300")
    status, said = run("--json")
    checks = {check["name"]: check for check in json.loads(said)["checks"]}
    assert status == 1
    assert not checks["settings"]["passed"]
    assert "gate.resamples is 300" in checks["settings"]["said"]
