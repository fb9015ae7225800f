"""The test of the test: every promise that is broken on purpose is caught."""

import pytest

from tests.simulation.broken_variants import VARIANTS
from tests.simulation.seeds import first_broken

SEEDS = range(1, 251)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_variant_is_caught(variant: str) -> None:
    with VARIANTS[variant]():
        assert first_broken(SEEDS) is not None
