from __future__ import annotations

import pytest

from paywarden.simulation import World, WorldDay


@pytest.fixture(scope="session")
def world() -> World:
    return World(seed=7, cards=2_400, merchants=700)


@pytest.fixture(scope="session")
def days(world: World) -> list[WorldDay]:
    return list(world.days(0, 24))
