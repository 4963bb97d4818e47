"""Every instantiation of MLX's kernels compiles; the report counts them by family."""

import pytest

import driver
import families


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.name)
def test_compiles(family, record_property):
    wanted = set(family.instantiations())
    try:
        compiled, error = driver.check(family) & wanted, None
    except driver.Failure as failure:
        # One by one, so that the report is a count and not a yes or no.
        compiled, error = set(), str(failure)
        for name in wanted:
            try:
                compiled |= driver.check(family, {name}) & wanted
            except driver.Failure:
                pass
    record_property("compiled", f"{len(compiled)} of {len(wanted)}")
    assert compiled == wanted, error
