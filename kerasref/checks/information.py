"""Information that is lost from layer to layer (dlnotes 1.3)."""

from __future__ import annotations

import numpy as np


def data_processing(chains: int = 2000, states: int = 5) -> dict[str, float]:
    """Mutual information along random Markov chains X -> Y -> Z of discrete variables.

    Half of the chains have nearly deterministic steps, where the inequality I(X;Z) <= I(X;Y) is
    tight. Ledger A1.3-13.

    Returns:
        `largest_gain`, the largest I(X;Z) - I(X;Y) in nats; `relabelling_loss`, the largest change
        where Z only renames the states of Y; `gains_without_markov`, the share of
        random triples, Z depending on X directly, for which I(X;Z) exceeds I(X;Y).
    """
    rng = np.random.default_rng(0)
    gain, loss, unordered = -np.inf, 0.0, 0
    for chain in range(chains):
        sharpness = 0.02 if chain % 2 else 1.0
        x = rng.dirichlet(np.ones(states))
        first, second = (rng.dirichlet(np.full(states, sharpness), size=states) for _ in range(2))
        joint = x[:, None] * first
        through = _mutual_information(joint)
        gain = max(gain, _mutual_information(joint @ second) - through)
        renamed = joint[:, rng.permutation(states)]
        loss = max(loss, abs(_mutual_information(renamed) - through))
        direct = x[:, None] * second
        unordered += _mutual_information(direct) > through
    return {
        "largest_gain": gain,
        "relabelling_loss": loss,
        "gains_without_markov": unordered / chains,
    }


def _mutual_information(joint: np.ndarray) -> float:
    """Mutual information in nats of two variables with the joint distribution `(x, y)`."""
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    present = joint > 0
    return float(np.sum(joint[present] * np.log(joint[present] / product[present])))
