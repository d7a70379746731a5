"""The model bundle: everything a decision needs, in verified, pickle-free files that say nothing of when or where.

A bundle is equal to another exactly when their digests are: times and run ids stay with the registry, so that equal
training gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from paywarden.errors import BundleError, ConfigurationError, ContractMismatch
from paywarden.features.catalogue import Catalogue
from paywarden.scoring.boosters import BOOSTER_FILES, Booster, load_booster
from paywarden.scoring.bundle_files import MANIFEST, build_manifest, read_files, verify_files, write_files
from paywarden.scoring.calibration import Calibrator, calibrator_from_dict
from paywarden.scoring.canonical import canonical_bytes, parse_canonical, require_keys, sha256_hex
from paywarden.scoring.encoding import TargetEncoder
from paywarden.scoring.policy import Policy
from paywarden.scoring.reasons import ReasonBook


@dataclass(frozen=True)
class ModelBundle:
    """A trained model with its contract, encoder, calibrator, policy, reasons, provenance and metrics.

    `feature_names` are the columns in order; `encoder` makes rates of those that are codes, before the booster.
    `contract_digest` is the digest of that contract and `state_layout_digest` that of the state which the features were
    read from; `catalogue` defines that state and all features, so that a stream can serve the model whatever it served
    before. `training` holds settings and split, `data_versions` the versions of the tables that were read, `metrics`
    a document per window ("validation", "test"): all plain JSON values. Raises BundleError where the encoder has a
    table for no feature of the contract.
    """

    booster_kind: str
    booster_bytes: bytes = field(repr=False)
    feature_names: tuple[str, ...]
    contract_digest: str
    state_layout_digest: str
    calibrator: Calibrator
    policy: Policy
    encoder: TargetEncoder = field(default_factory=TargetEncoder, repr=False)
    catalogue: Catalogue | None = field(default=None, repr=False)
    reasons: ReasonBook = field(default_factory=ReasonBook, repr=False)
    training: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data_versions: Mapping[str, int | str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        strays = sorted(set(self.encoder.tables) - set(self.feature_names))
        if strays:
            raise BundleError(
                f"The model bundle encodes {strays}, which its contract does not name. Train and register again."
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical manifest, and so of every byte in the bundle."""
        return sha256_hex(self.to_files()[MANIFEST])

    def to_files(self) -> dict[str, bytes]:
        """The bundle as file name → content, the manifest among them; small enough to broadcast to Spark workers."""
        if self.booster_kind not in BOOSTER_FILES:
            raise BundleError(f"Unknown booster {self.booster_kind!r}; known are {sorted(BOOSTER_FILES)}.")
        documents = {
            "calibrator.json": self.calibrator.to_dict(),
            "catalogue.json": self.catalogue.to_dict() if self.catalogue else {},
            "contract.json": {
                "contract_digest": self.contract_digest,
                "feature_names": list(self.feature_names),
                "state_layout_digest": self.state_layout_digest,
            },
            "encoders.json": self.encoder.to_dict(),
            "metrics.json": dict(self.metrics),
            "policy.json": self.policy.to_dict(),
            "reasons.json": self.reasons.to_dict(),
            "training.json": {"data_versions": dict(self.data_versions), "training": dict(self.training)},
        }
        files = {name: canonical_bytes(document) for name, document in documents.items()}
        files[BOOSTER_FILES[self.booster_kind]] = self.booster_bytes
        return {MANIFEST: build_manifest(self.booster_kind, files), **files}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ModelBundle:
        """The bundle of these files, each verified against the manifest.

        Raises BundleError for a missing, unknown, altered or unreadable file; nothing in a bundle is ever executed.
        """
        kind = str(verify_files(files)["booster"])
        documents = {name: parse_canonical(name, content) for name, content in files.items() if name.endswith(".json")}
        contract, training = documents["contract.json"], documents["training.json"]
        require_keys("contract.json", contract, {"contract_digest", "feature_names", "state_layout_digest"})
        require_keys("training.json", training, {"data_versions", "training"})
        try:
            bundle = cls(
                booster_kind=kind,
                booster_bytes=files[BOOSTER_FILES[kind]],
                feature_names=tuple(map(str, contract["feature_names"])),
                contract_digest=str(contract["contract_digest"]),
                state_layout_digest=str(contract["state_layout_digest"]),
                calibrator=calibrator_from_dict(documents["calibrator.json"]),
                policy=Policy.from_dict(documents["policy.json"]),
                encoder=TargetEncoder.from_dict(documents["encoders.json"]),
                catalogue=_catalogue(documents["catalogue.json"]),
                reasons=ReasonBook.from_dict(documents["reasons.json"]),
                training=training["training"],
                data_versions=training["data_versions"],
                metrics=documents["metrics.json"],
            )
        except ConfigurationError as error:
            raise BundleError(f"The model bundle cannot be read: {error}") from error
        if bundle.to_files() != dict(files):
            raise BundleError("The model bundle does not read back as it was written. Train and register again.")
        return bundle

    def save(self, directory: Path) -> None:
        """The bundle's files in a new or empty directory, which appears whole or not at all."""
        write_files(Path(directory), self.to_files())

    @classmethod
    def load(cls, directory: Path) -> ModelBundle:
        """The verified bundle of a directory. Raises BundleError as `from_files` does, and for links or folders."""
        return cls.from_files(read_files(Path(directory)))

    def load_booster(self, threads: int = 1) -> Booster:
        """The booster, ready to predict. Raises ContractMismatch if its columns are not the contract's."""
        booster = load_booster(self.booster_kind, self.booster_bytes, threads)
        if booster.feature_count != len(self.feature_names):
            raise ContractMismatch(
                f"The booster expects {booster.feature_count} features, its contract names {len(self.feature_names)}. "
                "Train and register the model again."
            )
        return booster

    def require_contract(self, contract_digest: str, state_layout_digest: str | None = None) -> None:
        """Nothing, where the bundle was trained on this feature contract (and state layout, if one is given).

        Raises ContractMismatch saying which of the two differs and what to do.
        """
        if contract_digest != self.contract_digest:
            raise ContractMismatch(
                f"The model was trained on feature contract {self.contract_digest[:12]}, this catalogue gives "
                f"{contract_digest[:12]}. Use the catalogue it was trained with, or train again."
            )
        if state_layout_digest is not None and state_layout_digest != self.state_layout_digest:
            raise ContractMismatch(
                f"The model was trained on state layout {self.state_layout_digest[:12]}, the online state has "
                f"{state_layout_digest[:12]}. Build a new state epoch (`paywarden state build`), or train again."
            )

    def with_policy(self, policy: Policy) -> ModelBundle:
        """The same model under another policy: another bundle with another digest."""
        return replace(self, policy=policy)


def _catalogue(document: Mapping[str, Any]) -> Catalogue | None:
    try:
        return Catalogue.from_dict(document) if document else None
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"catalogue.json of the model bundle cannot be read: {error!r}. Train and register again."
        ) from error
