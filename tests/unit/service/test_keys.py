import json

import pytest

from paywarden.errors import ConfigurationError
from paywarden.features.windows import DAY_MS
from paywarden.jobs.api_keys import create_key, key_of, revoke_key
from paywarden.settings import load_settings
from paywarden.wiring.scoring_api import key_file


@pytest.fixture
def file(tmp_path):
    return key_file(load_settings(api={"keys": tmp_path / "keys.json"}))


def create(file, name="shop", now=0, lives=None, hexes="0123456789ab", **more):
    return create_key(
        file,
        name,
        ["score"],
        now_ms=now,
        lives_ms=lives,
        random_hex=lambda n: hexes,
        random_text=lambda n: "s" * 43,
        **more,
    )


def test_a_key_opens_until_it_ends_and_only_its_hash_is_kept(file):
    key, text = create(file, lives=DAY_MS)
    assert key_of(text, file.read()) == key
    assert (key.problem(DAY_MS - 1), key.problem(DAY_MS)) == (None, "expired")
    assert "s" * 43 not in file.path.read_text()
    assert file.path.stat().st_mode & 0o077 == 0
    assert key_of(text[:-1] + "t", file.read()) is None
    assert key_of("", file.read()) is None


def test_a_revoked_key_opens_nothing(file):
    key, _ = create(file)
    assert revoke_key(file, key.key_id, 5).problem(6) == "revoked"
    with pytest.raises(ConfigurationError, match="paywarden keys list"):
        revoke_key(file, "nobody", 5)


def test_a_replaced_key_opens_until_the_overlap_ends(file):
    old, _ = create(file)
    create(file, now=100, hexes="ba9876543210", replaces=old.key_id, overlap_ms=50)
    kept = {key.key_id: key for key in file.read()}
    assert kept[old.key_id].expires_at == 150
    assert kept["ba9876543210"].expires_at is None
    with pytest.raises(ConfigurationError, match="is expired already"):
        create(file, now=200, hexes="aaaaaaaaaaaa", replaces=old.key_id)


def test_names_and_scopes_are_checked(file):
    with pytest.raises(ConfigurationError, match="no name"):
        create(file, name="\n")
    with pytest.raises(ConfigurationError, match="no scope all"):
        create_key(file, "a", ["all"], now_ms=0, lives_ms=None, random_hex=str, random_text=str)


def test_a_damaged_file_is_named(file):
    file.path.write_text(json.dumps({"keys": [{"name": 1}]}))
    with pytest.raises(ConfigurationError, match=str(file.path)):
        file.read()


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic eA=="}, {"Authorization": "Bearer pw_0_x"}, {"Authorization": "Bearer"}]
)
def test_without_a_key_nothing_is_answered(api, header):
    refused = api.client.post("/v1/score", json=api.transaction(), headers=header)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["code"] == "unauthorised"
    assert "paywarden keys create" in refused.json()["remedy"]


def test_scope_and_revocation_are_obeyed_by_a_running_api(start):
    now = [1_700_000_000_000]
    api = start(clock=lambda: now[0])
    _, narrow = create(api.parts.keys, now=now[0])
    now[0] += 600  # the file is looked at twice a second
    assert api.post(api.transaction(), Authorization=f"Bearer {narrow}").status_code == 200
    refused = api.client.get("/v1/model", headers={"Authorization": f"Bearer {narrow}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "out_of_scope")
    revoke_key(api.parts.keys, "0123456789ab", now[0])
    now[0] += 600
    assert api.post(api.transaction(), Authorization=f"Bearer {narrow}").status_code == 401
