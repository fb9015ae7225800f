"""Promises R2 to R5, held over many runs of the real actors and sockets in which much goes wrong.

`PARLEY_SEEDS=10000 pytest tests/simulation -k every_seed` runs more of them, and
`PARLEY_SEED=123 pytest tests/simulation -k one_seed` one alone, with all that the actors log.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.seeds import run_many, run_seed

SEEDS = int(os.environ.get("PARLEY_SEEDS", "500"))
PROCESSES = 2
CHUNKS = 8


def test_promises_hold_for_every_seed() -> None:
    # Spawned, not forked: this process may have threads and an event loop of its own.
    context = multiprocessing.get_context("spawn")
    chunks = [range(first, SEEDS + 1, CHUNKS) for first in range(1, CHUNKS + 1)]
    with ProcessPoolExecutor(PROCESSES, context) as executor:
        assert sum(executor.map(run_many, chunks)) == SEEDS


@pytest.mark.skipif("PARLEY_SEED" not in os.environ, reason="PARLEY_SEED names no seed to run again")
def test_one_seed() -> None:
    run_seed(int(os.environ["PARLEY_SEED"]))
