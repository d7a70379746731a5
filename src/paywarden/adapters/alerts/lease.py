"""Who of several processes does a piece of work: the holder of a lease that runs out by itself."""

from __future__ import annotations

from typing import final

from sqlalchemy import insert, select, update

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.tables import leases
from paywarden.clock import Clock, system_clock


@final
class SqlLease:
    """A lease of the name for the owner. It is taken and prolonged by :meth:`hold`, and free again at its end."""

    def __init__(
        self, database: CaseDatabase, name: str, owner: str, *, for_ms: int = 30_000, clock: Clock = system_clock
    ) -> None:
        self._database = database
        self._name = name
        self._owner = owner
        self._for_ms = for_ms
        self._clock = clock

    def hold(self) -> bool:
        """Whether the owner holds it now, for so long from now on; False where another one does."""
        now = self._clock()
        with self._database.writing() as connection:
            row = connection.execute(select(leases).where(leases.c.name == self._name).with_for_update()).first()
            mine = {"owner": self._owner, "until": now + self._for_ms}
            if row is None:
                connection.execute(insert(leases).values(name=self._name, **mine))
            elif row.owner == self._owner or row.until < now:
                connection.execute(update(leases).where(leases.c.name == self._name).values(**mine))
            else:
                return False
        return True

    def give_back(self) -> None:
        """Another one may take it at once."""
        mine = (leases.c.name == self._name) & (leases.c.owner == self._owner)
        with self._database.writing() as connection:
            connection.execute(update(leases).where(mine).values(until=0))
