"""Memory that is needed, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.doctor.memory import memory_finding, registration_bytes, training_bytes

GIB = 2**30
SHAPE = (160, 192, 160)
SHAPES = st.tuples(*[st.integers(1, 10).map(lambda n: 32 * n)] * 3)


def test_measured_points():
    assert training_bytes(SHAPE) == pytest.approx(3.1 * GIB)
    assert registration_bytes(SHAPE) == pytest.approx(1.4 * GIB)
    assert training_bytes(SHAPE, 2) == pytest.approx((0.8 + 2.3 / 8) * GIB)


@given(shape=SHAPES, times=st.integers(2, 4))
def test_linear_in_voxels_above_the_libraries(shape, times):
    for needed in (training_bytes, registration_bytes):
        libraries = 0.8 * GIB
        one, longer = (needed((n, *shape[1:])) - libraries for n in (shape[0], times * shape[0]))
        assert longer == pytest.approx(times * one, rel=1e-6)
        assert needed(shape, 2) - libraries == pytest.approx(one / 8, rel=1e-6, abs=2)
    assert training_bytes(shape) > registration_bytes(shape)


@pytest.mark.parametrize(
    ("free", "level", "advice"),
    [
        (3.2, "ok", None),
        (3.0, "warning", "Train at 2 mm"),
        (1.0, "warning", "register only"),
        (0.8, "error", "more memory"),
    ],
)
def test_what_is_said(free, level, advice):
    finding = memory_finding(SHAPE, round(free * GIB))
    assert finding.level == level
    assert f"{free:.1f} GiB free; for a grid of 160 x 192 x 160 mm" in finding.what
    assert "3.1 GiB at 1 mm and 1.1 GiB at 2 mm" in finding.what
    assert (advice or "") in (finding.advice or "")


def test_memory_is_asked_for(monkeypatch):
    monkeypatch.setattr("pmrnet.doctor.memory.free_memory", lambda: 7 * GIB)
    assert "7.0 GiB free" in memory_finding(SHAPE).what
