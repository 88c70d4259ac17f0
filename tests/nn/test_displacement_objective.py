"""The loss on a displacement: its terms, and that they reach the displacement."""

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.nn.correlation import local_correlation
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.jacobian import folding


@pytest.fixture
def outputs(rng, grid):
    return {
        "moved": rng.random((1, *grid, 1)).astype(np.float32),
        "displacement": rng.normal(0, 0.8, (1, *grid, len(grid))).astype(np.float32),
    }


def test_terms(rng, grid, outputs):
    fixed = rng.random((1, *grid, 1)).astype(np.float32)
    objective = DisplacementObjective(window=3, gradient_weight=0.7, folding_weight=0.02)
    terms = {name: float(value) for name, value in objective(fixed, outputs).items()}
    u = outputs["displacement"].astype(float)
    squares = [np.mean(np.diff(u, axis=a + 1) ** 2) for a in range(len(grid))]
    assert list(terms) == objective.term_names(4) == objective.term_names()
    assert terms == pytest.approx(
        {
            "image_correlation": 1 - float(local_correlation(fixed, outputs["moved"], 3)),
            "gradient": 0.7 * np.mean(squares),
            "folding": 0.02 * float(folding(outputs["displacement"])),
        },
        rel=1e-4,
    )
    assert terms["folding"] > 0


def test_defaults_are_the_authors(rng, grid, outputs):
    fixed = rng.random((1, *grid, 1)).astype(np.float32)
    found = DisplacementObjective()(fixed, outputs)
    given = DisplacementObjective(window=9, gradient_weight=1.0, folding_weight=1e-3)
    assert all(
        float(found[name]) == pytest.approx(float(value))
        for name, value in given(fixed, outputs).items()
    )


def test_contrast_does_not_matter_to_likeness(rng, grid):
    fixed = ndimage.gaussian_filter(rng.random((1, *grid, 1)), 0.5).astype(np.float32)
    still = {"moved": 0.5 * fixed, "displacement": np.zeros((1, *grid, len(grid)), np.float32)}
    terms = DisplacementObjective(window=3)(fixed, still)
    assert float(terms["image_correlation"]) < 0.1
    assert float(terms["gradient"]) == float(terms["folding"]) == 0


@pytest.mark.parametrize("window", [0, 4, -3])
def test_an_even_window_has_no_middle(window):
    with pytest.raises(ValueError, match=f"odd number of voxels; got {window}"):
        DisplacementObjective(window=window)
