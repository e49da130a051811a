"""Records what TSB-AD 1.5's `get_metrics` returns for small series, as metrics.json beside this file.

    pip install numpy scikit-learn && pip install --no-deps TSB-AD==1.5
    python tests/reference/metrics.py

The series are drawn from a fixed seed: events at either end, single windows, dense events, ties.
Left out are the cases in which the reference returns NaN: scores that are all the same.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
from TSB_AD.evaluation.metrics import get_metrics

CASES = 60


def labels(random, length):
    """Runs of about three windows, more or less dense; sometimes at the very ends."""
    found = np.zeros(length, dtype=np.int8)
    for _ in range(random.integers(1, 1 + max(1, length // 8))):
        start = random.integers(0, length)
        found[start : start + random.integers(1, 6)] = 1
    if random.random() < 0.25:
        found[0] = 1
    if random.random() < 0.25:
        found[-1] = 1
    return found


def scores(random, found):
    length = len(found)
    kind = random.integers(0, 4)
    noise = random.random(length)
    if kind == 0:
        return noise
    if kind == 1:
        return random.integers(0, 5, length).astype(float)
    if kind == 2:
        return np.round(3 * found * random.random(length) + noise, 1)
    return np.exp(3 * noise) + 8 * np.roll(found, random.integers(-2, 3)) * random.random(length)


def main():
    warnings.simplefilter("ignore")
    random = np.random.default_rng(20261124)
    cases = []
    while len(cases) < CASES:
        found = labels(random, random.integers(4, 60))
        score = np.round(scores(random, found), 4)
        window = int(random.integers(0, 16))
        if found.all():
            continue
        expected = {name: float(value) for name, value in get_metrics(score, found, window).items()}
        if any(math.isnan(value) for value in expected.values()):
            continue
        cases.append(
            {
                "labels": "".join(map(str, found)),
                "scores": score.tolist(),
                "sliding_window": window,
                "expected": expected,
            }
        )
    path = Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


if __name__ == "__main__":
    main()
