"""Twenty weeks of simulated payments in which two things go wrong, as a Parquet file: see monitor.md.

python docs/examples/monitor_data.py payments.parquet
"""

import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from paywarden.simulation.world import World

TRAINED, SERVED = 90, 49
"""Days before the model serves, and days that it serves."""
FRAUDSTERS_CHANGE = TRAINED + 14
FEED_BREAKS = TRAINED + 46
"""The day from which online payments come without their country."""
BEFORE = World(seed=1, cards=2_000, merchants=700, pattern_shares=(0.5, 0.5, 0.0, 0.0))
AFTER = replace(BEFORE, pattern_shares=(0.0, 0.0, 0.5, 0.5))

days = [*BEFORE.days(0, FRAUDSTERS_CHANGE), *AFTER.days(FRAUDSTERS_CHANGE, TRAINED + SERVED)]
payments = pa.concat_tables([day.transactions.append_column("is_fraud", day.truth["is_fraud"]) for day in days])
late = pc.greater_equal(payments["occurred_at"], days[FEED_BREAKS].begins_at_ms)
broken = pc.and_(late, pc.equal(payments["channel"], "online"))
country = pc.if_else(broken, None, payments["country"])
pq.write_table(payments.set_column(payments.column_names.index("country"), "country", country), sys.argv[1])
