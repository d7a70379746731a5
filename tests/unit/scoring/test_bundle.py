import dataclasses
import json
import pickle

import pytest

from paywarden.errors import BundleError, ContractMismatch
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.bundle_files import FORMAT, MANIFEST, build_manifest
from paywarden.scoring.canonical import canonical_bytes
from paywarden.scoring.encoding import RateTable, TargetEncoder
from paywarden.scoring.policy import Policy


def forged(files, name, content):
    """The files with one replaced and a manifest that agrees: what someone with write access could make."""
    others = {key: value for key, value in files.items() if key != MANIFEST} | {name: content}
    return {MANIFEST: build_manifest("xgboost", others), **others}


def test_a_bundle_survives_disk_and_broadcast_with_its_digest(bundle, tmp_path):
    bundle.save(tmp_path / "deep" / "bundle")
    loaded = ModelBundle.load(tmp_path / "deep" / "bundle")
    assert loaded == bundle
    assert loaded.digest == bundle.digest == ModelBundle.from_files(bundle.to_files()).digest
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["bundle"]  # nothing half-written beside it


def test_the_manifest_lists_every_other_file_with_size_and_hash(bundle):
    files = bundle.to_files()
    manifest = json.loads(files[MANIFEST])
    assert set(manifest["files"]) == set(files) - {MANIFEST}
    assert all(
        len(entry["sha256"]) == 64 and entry["size"] == len(files[name]) for name, entry in manifest["files"].items()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"policy": Policy(0.6, 2.0)},
        {"metrics": {}},
        {"contract_digest": "d" * 64},
        {"state_layout_digest": "d" * 64},
        {"data_versions": {"transactions": 4}},
        {"feature_names": ("a", "b", "c")},
        {"training": {}},
        {"encoder": TargetEncoder({"amount": RateTable(0.0, (), ())})},
    ],
)
def test_the_digest_changes_with_every_part(bundle, change):
    assert dataclasses.replace(bundle, **change).digest != bundle.digest


def test_every_altered_byte_is_found(bundle):
    files = bundle.to_files()
    for name, content in files.items():
        altered = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
        told = "model bundle" if name == MANIFEST else f"{name} of the model bundle is not the file that was registered"
        with pytest.raises(BundleError, match=told):
            ModelBundle.from_files(files | {name: altered})


def test_every_missing_file_is_found(bundle):
    files = bundle.to_files()
    for name in files:
        with pytest.raises(BundleError):
            ModelBundle.from_files({key: value for key, value in files.items() if key != name})


@pytest.mark.parametrize("name", ["model.pkl", "Model.PICKLE", "x.joblib", "python_model", "python_model.pkl"])
def test_pickles_are_refused_unread(bundle, tmp_path, name):
    bundle.save(tmp_path / "bundle")
    (tmp_path / "bundle" / name).write_bytes(pickle.dumps("boom"))
    with pytest.raises(BundleError, match="pickles run code"):
        ModelBundle.load(tmp_path / "bundle")


@pytest.mark.parametrize("name", ["../policy.json", "/etc/passwd", "a/b.json", "MLmodel", "policy.json ", "", "a\x00b"])
def test_unknown_names_and_paths_are_refused(bundle, name):
    with pytest.raises(BundleError, match="unknown file"):
        ModelBundle.from_files(bundle.to_files() | {name: b"{}"})
    with pytest.raises(BundleError):
        ModelBundle.from_files(forged(bundle.to_files(), name, b"{}"))


def test_links_and_folders_are_refused(bundle, tmp_path):
    bundle.save(tmp_path / "linked")
    elsewhere = tmp_path / "elsewhere.json"
    (tmp_path / "linked" / "policy.json").rename(elsewhere)
    (tmp_path / "linked" / "policy.json").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="plain file"):
        ModelBundle.load(tmp_path / "linked")
    bundle.save(tmp_path / "nested")
    (tmp_path / "nested" / "policy.json").unlink()
    (tmp_path / "nested" / "policy.json").mkdir()
    with pytest.raises(BundleError, match="plain file"):
        ModelBundle.load(tmp_path / "nested")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("policy.json", {"review_threshold": "low", "decline_threshold": None}),
        ("policy.json", {"review_threshold": 0.0, "decline_threshold": None, "loader_module": "os"}),
        ("calibrator.json", {"kind": "python_function"}),
        ("contract.json", {"feature_names": [], "contract_digest": ""}),
        (
            "reasons.json",
            {"version": 1, "templates": {"amount": {"code": "A", "text": "{value.__class__}", "missing": None}}},
        ),
        ("training.json", {}),
        ("encoders.json", {}),
        ("encoders.json", {"tables": {"hour": {"codes": [2, 1], "prior": 0.0, "rates": [0.0, 0.0]}}}),
        ("encoders.json", {"tables": {"hour": {"codes": [1.5], "prior": 0.0, "rates": [0.0]}}}),
        ("encoders.json", {"tables": {"strange": {"codes": [], "prior": 0.0, "rates": []}}}),
    ],
)
def test_a_well_hashed_document_is_still_read_strictly(bundle, name, document):
    with pytest.raises(BundleError):
        ModelBundle.from_files(forged(bundle.to_files(), name, canonical_bytes(document)))


@pytest.mark.parametrize(("found", "remedy"), [(FORMAT + 1, "Update"), (FORMAT - 1, "train and register")])
def test_a_bundle_of_another_format_says_what_to_do(bundle, found, remedy):
    files = bundle.to_files()
    manifest = json.loads(files[MANIFEST]) | {"format": found}
    with pytest.raises(BundleError, match=remedy):
        ModelBundle.from_files(files | {MANIFEST: canonical_bytes(manifest)})


def test_an_unknown_booster_in_the_manifest_is_refused(bundle):
    files = bundle.to_files()
    manifest = json.loads(files[MANIFEST]) | {"booster": "sklearn"}
    with pytest.raises(BundleError, match="does not list"):
        ModelBundle.from_files(files | {MANIFEST: canonical_bytes(manifest)})


def test_saving_never_overwrites(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    with pytest.raises(BundleError, match="not an empty directory"):
        bundle.save(tmp_path / "bundle")
    with pytest.raises(BundleError, match="no model bundle"):
        ModelBundle.load(tmp_path / "absent")


def test_contract_and_layout_are_required_to_match(bundle):
    bundle.require_contract("c" * 64)
    bundle.require_contract("c" * 64, "s" * 64)
    with pytest.raises(ContractMismatch, match="train again"):
        bundle.require_contract("d" * 64)
    with pytest.raises(ContractMismatch, match="paywarden state build"):
        bundle.require_contract("c" * 64, "d" * 64)


def test_a_booster_of_another_width_than_its_contract_is_refused(bundle):
    with pytest.raises(ContractMismatch, match="expects 3 features"):
        dataclasses.replace(bundle, feature_names=("a", "b")).load_booster()


def test_another_policy_is_another_bundle_of_the_same_model(bundle):
    other = bundle.with_policy(Policy(9.0))
    assert other.digest != bundle.digest
    assert other.booster_bytes == bundle.booster_bytes
