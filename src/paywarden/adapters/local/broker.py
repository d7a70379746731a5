"""A real Kafka broker on this machine, for the demo and the tests.

One KRaft node (broker and controller in one process) on free loopback ports. Guarantee: the same as any Kafka with
one replica: acknowledged records survive :meth:`LocalBroker.stop` and :meth:`LocalBroker.kill` of the process (they
are in the page cache), not the loss of the machine. Not for production.
"""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from paywarden.adapters.local.ivy import class_path
from paywarden.adapters.local.java import require_java
from paywarden.adapters.local.ports import chosen_port, free_port
from paywarden.adapters.local.process import ChildProcess
from paywarden.errors import EnvironmentNotReady

_JVM_FLAGS = (
    "-Xms128m",
    "-Xmx512m",  # measured: 320 MB resident after start; the log itself lives in the page cache
    "-XX:+UseSerialGC",  # two cores are shared with Spark; G1's threads only get in its way
    "-XX:TieredStopAtLevel=4",
    "-Dlog4j2.level=INFO",
)
_FORMAT_TIMEOUT_SECONDS = 240
_START_ATTEMPTS = 3

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={log_dir}

# A topic with a typo in its name must fail, not appear.
auto.create.topics.enable=false
num.partitions=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# After a crash the controller refuses the same broker until its session has run out: 3 s instead of 9.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# The producer's time, so that a replay of old data keeps it; retention counts it too, hence no limit by time.
log.message.timestamp.type=CreateTime
log.retention.ms=-1
log.retention.bytes=-1
log.segment.bytes=134217728
# An event is some 300 bytes; a batch of them stays far below the default of 1 MiB.
message.max.bytes=1048588

num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.enable=true
log.cleaner.dedupe.buffer.size=8388608
controlled.shutdown.enable=true
"""


@final
class LocalBroker:
    """A single-node Kafka on 127.0.0.1 whose data lives in ``data_dir`` and outlives it.

    ``jars`` are those of ``ivy.ensure_jars(ivy.BROKER)``. ``port`` None takes the port of the last run on this
    data directory where it is free, else any free one, so clients can reconnect after a restart. ``properties`` are
    the broker's further ones, such as listeners with TLS; they win, are read at each start, and may name ``{port}`` and
    ``{controller_port}``.
    """

    def __init__(
        self,
        data_dir: Path,
        jars: tuple[Path, ...],
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = Path(data_dir).resolve()
        self._properties = properties or {}
        self._jars = jars
        self._asked_port = port
        self._port: int | None = None
        self._process: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The ``host:port`` to give to clients; raises :class:`EnvironmentNotReady` before the first start."""
        if self._port is None:
            raise EnvironmentNotReady("The local Kafka broker has not been started.")
        return f"127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._process is not None and self._process.running

    @property
    def log_path(self) -> Path:
        """The broker's log of its latest start."""
        return self._data_dir / "broker.log"

    def start(self, timeout_seconds: float = 240.0) -> None:
        """Start the broker and return once it answers metadata requests (about 3 s; the first time 4 s).

        Raises :class:`EnvironmentNotReady` when Java is missing, the asked port is taken or the broker dies.
        """
        if self.running:
            return
        java = require_java().executable
        self._data_dir.mkdir(parents=True, exist_ok=True)
        for attempt in range(_START_ATTEMPTS):
            self._port = chosen_port(self._asked_port, self._data_dir / "port")
            properties = self._write_properties(self._port)
            self._format(java, properties)
            command = [java, *_JVM_FLAGS, "-cp", class_path(self._jars), "kafka.Kafka", str(properties)]
            self._process = ChildProcess("The local Kafka broker", command, self.log_path)
            self._process.start()
            try:
                self._process.wait_until(_Answering(self.bootstrap_servers), timeout_seconds)
            except EnvironmentNotReady:
                # Between our look at the port and the broker's, another process may have taken it.
                taken = "Address already in use" in self.log_path.read_text(errors="replace")
                if not taken or self._asked_port is not None or attempt + 1 == _START_ATTEMPTS:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop the broker in an orderly way (SIGTERM, then SIGKILL); its data stays."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill the broker as a crash would; its data stays."""
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> LocalBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_properties(self, port: int) -> Path:
        controller_port = free_port()
        while controller_port == port:
            controller_port = free_port()
        path = self._data_dir / "server.properties"
        # The last one of a name is the one that Java takes.
        text = _PROPERTIES + "".join(f"{name}={value}\n" for name, value in self._properties.items())
        path.write_text(text.format(port=port, controller_port=controller_port, log_dir=self._data_dir / "log"))
        (self._data_dir / "port").write_text(str(port))
        return path

    def _format(self, java: str, properties: Path) -> None:
        """Give the data directory its cluster id, once."""
        if (self._data_dir / "log" / "meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = [
            *(java, "-Xmx128m", "-Dlog4j2.level=ERROR", "-cp", class_path(self._jars), "kafka.tools.StorageTool"),
            # `--cluster-id=`: an id may begin with a dash, which a separate argument must not.
            *("format", f"--cluster-id={cluster_id}", "--config", str(properties)),
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_SECONDS, check=False)
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip()[-2000:]
            raise EnvironmentNotReady(f"The broker's data directory {self._data_dir} cannot be formatted: {said}")


class _Answering:
    """True once the broker gives metadata and counts itself as alive."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._client = AdminClient(
            {
                "bootstrap.servers": bootstrap_servers,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,  # its refused connections are expected while the broker comes up
            }
        )

    def __call__(self) -> bool:
        try:
            return bool(self._client.list_topics(timeout=0.5).brokers)
        except KafkaException:
            return False
