"""A bundle carries the whole catalogue that its features come from."""

import dataclasses

import pytest

from paywarden.errors import BundleError
from paywarden.events.schema import EventSchema
from paywarden.features.engine import Engine
from paywarden.features.templates import core_catalogue, full_catalogue
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.bundle_files import build_manifest
from paywarden.scoring.canonical import canonical_bytes

FULL = full_catalogue(EventSchema(extra_numbers=("age",), aggregated=("age",)))


def test_the_catalogue_reads_back_equal(bundle, tmp_path):
    whole = dataclasses.replace(bundle, catalogue=FULL)
    whole.save(tmp_path / "bundle")
    found = ModelBundle.load(tmp_path / "bundle").catalogue
    assert (found.names, found.contract()) == (FULL.names, FULL.contract())
    assert Engine(found).digest == Engine(FULL).digest
    assert ModelBundle.from_files(bundle.to_files()).catalogue is None


def test_another_catalogue_is_another_bundle(bundle):
    digests = {dataclasses.replace(bundle, catalogue=c).digest for c in (None, FULL, core_catalogue())}
    assert len(digests) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"features": [{"entity": "card"}]},
        {"memory": {}},
        {"pairs": 3},
        {"calendar": {"timezone": "Mars", "holidays": "ECB"}},
    ],
)
def test_a_catalogue_that_cannot_be_read_is_refused(bundle, change):
    files = dict(dataclasses.replace(bundle, catalogue=FULL).to_files())
    files["catalogue.json"] = canonical_bytes({**FULL.to_dict(), **change})
    files.pop("manifest.json")
    with pytest.raises(BundleError):
        ModelBundle.from_files({"manifest.json": build_manifest(bundle.booster_kind, files), **files})


def test_an_altered_catalogue_is_refused(bundle):
    files = dict(dataclasses.replace(bundle, catalogue=FULL).to_files())
    files["catalogue.json"] = canonical_bytes(core_catalogue().to_dict())
    with pytest.raises(BundleError, match="not the file that was registered"):
        ModelBundle.from_files(files)
