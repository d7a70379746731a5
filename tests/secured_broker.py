"""A real broker with TLS, users and rights: what Confluent Cloud and companies' own clusters present.

Beside the open listener, whose users may do all (the test's own hands), it listens at ``sasl`` with SASL_SSL, PLAIN and
SCRAM, and at ``mtls`` with certificates asked for. There nobody may do what no ACL allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.certificates import Authority

from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.local.ports import free_port

PASSWORD = "pass-word-1"  # noqa: S105  # of the tests' own broker
USER = "paywarden"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
ALL_TOPICS = (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
"""What docs/kafka.md asks for, but for creating."""


class SecuredBroker:
    """Call :meth:`start`, or use it as a context manager."""

    def __init__(self, directory: Path, jars: tuple[Path, ...]) -> None:
        self.authority = Authority(directory)
        self._server = self.authority.issue("broker", "localhost")
        self._ports = {"sasl": free_port(), "mtls": free_port()}
        self._admin: AdminClient | None = None
        self._keystore = directory / "keystore.pem"
        self.use(self._server.both)
        self.broker = LocalBroker(directory / "kafka", jars, properties=self._properties())

    @property
    def sasl(self) -> str:
        """Where users with a password are let in."""
        return f"localhost:{self._ports['sasl']}"

    @property
    def mtls(self) -> str:
        """Where users with a certificate are let in."""
        return f"localhost:{self._ports['mtls']}"

    def use(self, keystore: Path | None = None) -> None:
        """From the next start on, present this key and certificate; by default the broker's first ones."""
        self._keystore.write_bytes((keystore or self._server.both).read_bytes())

    def settings(self, mechanism: str = "PLAIN", password: str = PASSWORD) -> dict[str, object]:
        """The section kafka for a user with a password."""
        return {
            "bootstrap_servers": self.sasl,
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "sasl_password": password,
            "ssl_ca_location": str(self.authority.certificate),
        }

    def mtls_settings(self, **issued: object) -> dict[str, object]:
        """The section kafka for the same user with a certificate, whose key is encrypted."""
        ours = self.authority.issue(USER, "client.example", locked_with=PASSWORD, **issued)
        return {
            "bootstrap_servers": self.mtls,
            "security_protocol": "SSL",
            "ssl_ca_location": str(self.authority.certificate),
            "ssl_certificate_location": str(ours.certificate),
            "ssl_key_location": str(ours.key),
            "ssl_key_password": PASSWORD,
        }

    def admin(self) -> AdminClient:
        """A client that may do all."""
        if self._admin is None:  # kept: a client must outlive its answers
            self._admin = AdminClient({"bootstrap.servers": self.broker.bootstrap_servers})
        return self._admin

    def allow(self, operations: Iterable[AclOperation] = ALL_TOPICS, topic: str = "*") -> None:
        """The user may do this to a topic; ``*`` are all."""
        bindings = [_binding(topic, operation, AclPermissionType.ALLOW) for operation in operations]
        for future in self.admin().create_acls(bindings).values():
            future.result()

    def deny(self, operation: AclOperation, topic: str) -> None:
        """The user may not do this to a topic, whatever else allows it."""
        for future in self.admin().create_acls([_binding(topic, operation, AclPermissionType.DENY)]).values():
            future.result()

    def forget_denials(self) -> None:
        """Nothing is denied any more."""
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.DENY,
        )
        for future in self.admin().delete_acls([every]).values():
            future.result()

    def start(self) -> SecuredBroker:
        """Start it, with the user known by SCRAM, too."""
        self.broker.start()
        added = [
            UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        for one in added:
            for future in self.admin().alter_user_scram_credentials([one]).values():
                future.result()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._admin = None  # first: its threads would go on to look for the broker
        self.broker.stop()

    def _properties(self) -> dict[str, str]:
        sasl, mtls = (f"{name.upper()}://localhost:{port}" for name, port in self._ports.items())
        return {
            "listeners": f"PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},{sasl},{mtls}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},{sasl},{mtls}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            "listener.name.mtls.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl.plain.sasl.jaas.config": f'{_PLAIN} user_{USER}="{PASSWORD}";',
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": f"{_SCRAM};",
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{_SCRAM};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


def _binding(topic: str, operation: AclOperation, permission: AclPermissionType) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, permission
    )
