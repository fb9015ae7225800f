"""Promises R2 to R5, held over many runs of the real actors and sockets in which much goes wrong.

`PARLEY_SEEDS=10000 pytest -n auto tests/simulation -k every_seed` runs more of them, and
`PARLEY_SEED=123 pytest tests/simulation -k one_seed` one alone, with all that the actors log.
"""

import os

import pytest

from tests.simulation.seeds import run_many, run_seed

SEEDS = int(os.environ.get("PARLEY_SEEDS", "500"))
CHUNKS = 20
"""So that workers can share them."""


@pytest.mark.parametrize("first", range(1, CHUNKS + 1))
def test_promises_hold_for_every_seed(first: int) -> None:
    run_many(range(first, SEEDS + 1, CHUNKS))


def test_the_chunks_are_all_seeds() -> None:
    chunks = [range(first, SEEDS + 1, CHUNKS) for first in range(1, CHUNKS + 1)]
    assert sorted(seed for chunk in chunks for seed in chunk) == list(range(1, SEEDS + 1))


@pytest.mark.skipif("PARLEY_SEED" not in os.environ, reason="PARLEY_SEED names no seed to run again")
def test_one_seed() -> None:
    run_seed(int(os.environ["PARLEY_SEED"]))
