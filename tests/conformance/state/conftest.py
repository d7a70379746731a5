"""One fixture for every state store: the tests of this folder run on LMDB files, a Redis server and a Redis Cluster."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Processes started by these tests import their functions by module name.
sys.path.insert(0, str(Path(__file__).parent))

from servers import redis_cluster, redis_server

from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.adapters.state.redis_store import open_redis
from paywarden.features.state import OpenStore, StateStore

SHARDS = 4
STORES = ("lmdb", "redis", "redis_cluster")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(params=STORES)
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OpenStore]:
    """Gives the recipe of a store that does not exist yet, a new one at every call."""
    if request.param == "lmdb":
        return lambda: open_lmdb(tmp_path / f"store{next(_numbers)}", SHARDS)
    url = request.getfixturevalue(f"{request.param}_url")
    return lambda: open_redis(url, f"test{next(_numbers)}", SHARDS)


@pytest.fixture
def recipe(new_place: Callable[[], OpenStore]) -> OpenStore:
    return new_place()


@pytest.fixture
def store(recipe: OpenStore) -> Iterator[StateStore]:
    store = recipe()
    yield store
    store.close()
