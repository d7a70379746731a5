"""Which challenger may score beside the model that acts: one that reads what that model's state and catalogue give."""

from __future__ import annotations

from paywarden.jobs.serving import ServedModel


def unfit_beside(challenger: ServedModel, acting: ServedModel) -> str | None:
    """Why the challenger cannot be scored on the vectors that the acting model's catalogue gives; None where it can.

    A challenger on another state would need a second stream: it is judged by replay instead.
    """
    if challenger.engine.digest != acting.engine.digest:
        return f"it needs the state of layout {challenger.engine.digest[:16]}, the stream is on another"
    catalogue = acting.engine.catalogue
    missing = sorted(set(challenger.bundle.feature_names) - set(catalogue.names))
    if missing:
        return f"the acting model's catalogue lacks {', '.join(missing)}"
    if catalogue.contract(challenger.bundle.feature_names).digest != challenger.bundle.contract_digest:
        return "it computes features of the same names in another way"
    return None
