import numpy as np
import pytest

from pmrnet.report.words import plain, rows, sentences

METRICS = {
    "correlation_before": 0.5,
    "correlation_after": np.float32(0.875),
    "dice_before": 0.6,
    "dice_after": 0.55,
    "displacement_mean_mm": 2.04,
    "displacement_max_mm": 9.96,
    "folding_fraction": 0.0,
    "jacobian_min": 0.25,
    "jacobian_max": 2,
    "uncertainty_mean_mm": 0.3,
    "uncertainty_p95_mm": 0.8,
}


def test_sentences():
    text = " ".join(sentences(METRICS))
    assert "correlation of the two images rose from 0.500 to 0.875" in text
    assert "labels fell from 0.600 to 0.550" in text
    assert "2.0 mm on average and by 10.0 mm at most" in text
    assert "Beyond the affine alignment, a small part" in text
    assert "between 0.25 and 2.00 times its volume" in text
    assert "folds nowhere" in text
    assert "0.30 mm on average" in text
    assert "less than 0.80 mm in 95%" in text


def test_a_temperature_is_said_where_it_does_something():
    said = " ".join(sentences({**METRICS, "uncertainty_temperature": 9.0}))
    assert "the network's own times 3, the root of its temperature" in said
    for as_it_is in ({}, {"uncertainty_temperature": 1.0}):
        said = " ".join(sentences({**METRICS, **as_it_is}))
        assert "temperature" not in said
        assert "the network's own, fitted to no errors: real ones are many times larger" in said
    assert rows({"uncertainty_temperature": 1810.0})[0].value == "1810"


def test_how_far_there_and_back_is():
    said = " ".join(sentences({"folding_fraction": 0.0, "round_trip_p99_mm": 0.034}))
    assert "99% of the brain's points return to within 0.03 mm" in said


def test_other_courses():
    assert "stayed the same, 0.500" in sentences({**METRICS, "correlation_after": 0.5})[0]
    assert "folds at 0.012% of" in " ".join(sentences({"folding_fraction": 0.00012}))
    (only,) = sentences({"dice_after": 0.7})
    assert "mean Dice of 0.700" in only
    # What folds has no volume to compare.
    assert sentences({"jacobian_min": -0.1, "jacobian_max": 2}) == []


@pytest.mark.parametrize("value", [float("nan"), None, "high", np.nan])
def test_what_is_no_number_is_left_out(value):
    assert sentences({"correlation_before": value, "correlation_after": 0.5}) == []
    assert sentences({"folding_fraction": value}) == []


def test_rows_have_units_and_keep_the_unknown():
    table = rows({"epochs": 12, "displacement_max_mm": 3.14159, "folding_fraction": 0.0012})
    assert [(row.name, row.value) for row in table] == [
        ("Largest displacement", "3.14 mm"),
        ("Folded share", "0.1200%"),
        ("epochs", "12"),
    ]
    assert all(row.meaning for row in table[:2])
    assert rows({"template_overlap_fixed": 0.912})[0].value == "91.2%"
    assert rows({"correlation_after": float("nan")})[0].value == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (np.int64(123456789), "123456789"),
        (0.12345678, "0.123457"),
        (np.float32(0.5), "0.5"),
        ("a\nb", "a\nb"),
        (np.array([1, 2]), "[1 2]"),
    ],
)
def test_plain(value, text):
    assert plain(value) == text
