"""Every error Paywarden raises on purpose. Each docstring says the cause and what the operator does.

PaywardenError
├── ConfigurationError        a setting, mapping or policy is wrong
│   └── MappingError
├── DataError                 a file or table cannot be used as asked
├── EnvironmentNotReady       Java, a port, a jar or a server is missing
├── KafkaError                the broker refused or did not answer
├── LakeError                 the lake refused a read or a commit
│   └── StaleArchiver
├── StateStoreError           the online state refused a read or a write
│   ├── StateLayoutMismatch
│   ├── LeaseHeld
│   ├── Fenced
│   └── StaleWriter
├── StreamError               the stream could not run a batch
├── CaseStoreError            the database of alerts and cases refused a read or a write
│   └── StaleConsumer
├── BundleError               a model bundle failed verification
│   └── ContractMismatch
└── RegistryError             the model registry refused or lacks the model
    ├── NotJudged
    └── ChampionMoved
"""

from __future__ import annotations


class PaywardenError(Exception):
    """Root of the tree. The message says what happened, where and what to do; the CLI prints it alone."""


class ConfigurationError(PaywardenError):
    """A setting is wrong or missing. Correct the named setting (flag, environment or file) and run again."""


class MappingError(ConfigurationError):
    """A data mapping does not fit the file. Correct the named column or key of the mapping."""


class DataError(PaywardenError):
    """A file or table cannot be used as asked (absent, empty, too short for the split). Check the path and its span."""


class EnvironmentNotReady(PaywardenError):
    """Something the machine must offer is missing: Java 17+, a free port, a jar, a server. Install or start it."""


class KafkaError(PaywardenError):
    """The broker refused or did not answer. Check `paywarden check`, the bootstrap servers and the credentials."""


class LakeError(PaywardenError):
    """The lake refused a read or a commit. Check its path, its credentials and its free space."""


class StaleArchiver(LakeError):
    """Another archiver has already written these offsets. Stop one of the two; nothing was written twice."""


class StateStoreError(PaywardenError):
    """The online state refused a read or a write. Check its path or address; state can be rebuilt from the lake."""


class StateLayoutMismatch(StateStoreError):
    """The stored state has another layout than the catalogue in use. Build a new epoch: `paywarden state build`."""


class LeaseHeld(StateStoreError):
    """Another stream holds the write lease. Stop it first, or take over with `--takeover` if it is dead."""


class Fenced(StateStoreError):
    """This writer's lease was superseded by a newer one. It must stop; the newer stream goes on."""


class StaleWriter(StateStoreError):
    """This batch is older than what the store already holds. It must stop: a late task or a rolled-back checkpoint."""


class StreamError(PaywardenError):
    """The stream could not run a batch. Nothing is lost: correct the cause and start it again to retry."""


class CaseStoreError(PaywardenError):
    """The database of cases refused a read or a write. Check cases.database and the server; alerts stay in Kafka."""


class StaleConsumer(CaseStoreError):
    """Another consumer has taken these alerts. Nothing was taken twice; it goes on where the database stands."""


class BundleError(PaywardenError):
    """A model bundle failed verification. It is refused and the former one keeps serving; register it again."""


class ContractMismatch(BundleError):
    """The bundle needs features that this catalogue does not give. Use the catalogue it was trained with."""


class RegistryError(PaywardenError):
    """The model registry did not answer or lacks the model or alias. Check the tracking URI, or train first."""


class NotJudged(RegistryError):
    """The gate has not judged this version, so it says nothing about its promotion. Judge it first."""


class ChampionMoved(RegistryError):
    """Another training was promoted meanwhile. Judge the model against the new champion, then promote it or not."""
