"""Quix Streams with the peers' windows and model; runs in .cache/quix: `python quix_app.py CONFIG.json`.

At least once: offsets, state and its changelog are committed together every five seconds (its default), output is
sent by an idempotent producer. Rows are decided one by one, as its API hands them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from quixstreams import Application, State

sys.path.insert(0, str(Path(__file__).parent))
from windows import vector


def main(config: dict[str, Any]) -> None:
    """Run until killed."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(Path(config["model"]).read_bytes()))
    booster.set_param({"nthread": 1})
    thresholds = config["thresholds"]

    def decide(message: dict[str, Any], state: State) -> dict[str, Any]:
        values, after = vector(state.get_bytes("windows"), message)
        state.set_bytes("windows", after)
        inputs = np.array([values], np.float32)
        margin = float(booster.inplace_predict(inputs, predict_type="margin")[0])
        return {
            "transaction_id": message["transaction_id"],
            "raw_score": margin,
            "decision": sum(margin >= threshold for threshold in thresholds),
            "vector": values,
        }

    app = Application(
        broker_address=config["bootstrap_servers"],
        consumer_group="quix",
        auto_offset_reset="earliest",
        state_dir=config["state"],
        producer_extra_config={"enable.idempotence": True, "acks": "all", "linger.ms": 20, "compression.type": "lz4"},
        processing_guarantee="at-least-once",
        loglevel="WARNING",
    )
    transactions = app.dataframe(app.topic(config["input"], key_deserializer="bytes", value_deserializer="json"))
    decisions = transactions.apply(decide, stateful=True)
    decisions.to_topic(app.topic(config["output"], key_serializer="bytes", value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
