import dataclasses

import numpy as np
import pandas as pd
import pytest

from fake_subjects import provenance, tiny_protocol
from pmrnet import summary
from pmrnet.errors import InputError
from pmrnet.results import load_result, write_result
from pmrnet.summary import ALL, bootstrap_interval, pair_scores, summarise

NAN = float("nan")
PROTOCOL = tiny_protocol()
PAIRS = PROTOCOL.pairs("test")
PROVENANCE = provenance()

# Label 2 of the first pair is in neither volume; label 4 is in no group.
DICE = [
    {1: 0.2, 2: NAN, 3: 0.9, 4: 0.1},
    {1: 0.4, 2: 0.6, 3: 0.7, 4: 0.3},
    {1: 0.4, 2: 0.6, 3: 0.7, 4: 0.3},
    {1: 0.4, 2: 0.6, 3: 0.7, 4: 0.3},
    {1: 0.4, 2: 0.6, 3: 0.7, 4: 0.3},
    {1: 0.5, 2: 0.9, 3: NAN, 4: 0.4},
]


def store(folder, dice=DICE, pairs=PAIRS, protocol=PROTOCOL, provenance=PROVENANCE, **extra):
    records = [
        {
            "moving": moving,
            "fixed": fixed,
            "dice": list(values.items()),
            "seconds": 0.5 + 10 * (i == 0),  # the first one compiles
            "folding": 0.01 * i,
            "folding_brain": 0.001 * i,
            "sdlogj": 0.1 + 0.01 * i,
        }
        | extra
        for i, ((moving, fixed), values) in enumerate(zip(pairs, dice, strict=True))
    ]
    header = {"name": protocol.name, "hash": protocol.hash}
    write_result(folder, folder.name, header, {"method": folder.name}, provenance, records)
    return load_result(folder)


def test_labels_are_averaged_within_a_pair_before_pairs_are(tmp_path):
    summary = summarise(store(tmp_path), PROTOCOL)
    left = [0.2, 0.5, 0.5, 0.5, 0.5, 0.7]  # mean over pairs .4833; over all labels at once .5091
    assert summary.dice["Left"].mean == pytest.approx(np.mean(left))
    assert summary.dice["Left"].sd == pytest.approx(np.std(left, ddof=1))
    assert summary.dice["Right"].mean == pytest.approx((0.9 + 4 * 0.7) / 5)
    every = [0.4, 0.5, 0.5, 0.5, 0.5, 0.6]  # label 4 counts here, though it is in no group
    assert summary.dice[ALL].mean == pytest.approx(np.mean(every))
    assert list(summary.dice) == ["Left", "Right", ALL]


def test_deformation_figures(tmp_path):
    summary = summarise(store(tmp_path / "a"), PROTOCOL)
    assert summary.folding == pytest.approx(0.025)
    assert summary.folding_brain == pytest.approx(0.0025)
    assert summary.sdlogj == pytest.approx(0.125)
    assert summary.seconds == 0.5  # the median
    assert np.isnan(summarise(store(tmp_path / "b", seconds=None), PROTOCOL).seconds)


def test_hd95_is_averaged_over_the_labels_that_have_one(tmp_path):
    hd95 = [[1, 2.0], [2, NAN], [3, 5.0], [4, 5.0]]
    summary = summarise(store(tmp_path / "with", hd95=hd95), PROTOCOL)
    assert {name: s.mean for name, s in summary.hd95.items()} == {"Left": 2, "Right": 5, ALL: 4}
    assert summary.hd95[ALL].low == summary.hd95[ALL].high == pytest.approx(4)
    summary = summarise(store(tmp_path / "without"), PROTOCOL)
    assert all(np.isnan([s.mean, s.low]).all() for s in summary.hd95.values())


def test_the_interval_of_a_column_is_the_bootstrap_of_its_pair_matrix(tmp_path):
    matrix = np.full((3, 3), NAN)
    for (moving, fixed), value in zip(PAIRS, [0.2, 0.5, 0.5, 0.5, 0.5, 0.7], strict=True):
        matrix["pqr".index(moving), "pqr".index(fixed)] = value
    left = summarise(store(tmp_path), PROTOCOL, resamples=300, seed=5).dice["Left"]
    assert (left.low, left.high) == bootstrap_interval(matrix, 300, 5)


def test_pair_scores_are_indexed_by_pair(tmp_path):
    scores = pair_scores(store(tmp_path), PROTOCOL)
    assert scores.loc[("p", "q"), "Left"] == pytest.approx(0.2)
    assert np.isnan(scores.loc[("r", "q"), "Right"])


# -- refusals


def test_another_protocol_is_refused(tmp_path):
    other = tiny_protocol(groups={"Left": (1,), "Right": (3,)})
    with pytest.raises(InputError, match=f"{other.hash}.*{PROTOCOL.hash}"):
        summarise(store(tmp_path), other)


@pytest.mark.parametrize(
    ("pairs", "dice", "match"),
    [
        (PAIRS[:5], DICE[:5], "6 test pairs"),
        ([*PAIRS[:5], ("r", "a")], DICE, "6 test pairs"),
        ([*PAIRS, ("p", "a")], [*DICE, DICE[0]], "6 test pairs"),
        ([*PAIRS, PAIRS[0]], [*DICE, DICE[0]], "twice"),
        (PAIRS, [{k: v for k, v in d.items() if k != 4} for d in DICE], "4 labels"),
        (PAIRS, [d | {5: 0.1} for d in DICE], "4 labels"),
    ],
)
def test_a_result_that_is_not_the_whole_test_set_is_refused(tmp_path, pairs, dice, match):
    with pytest.raises(InputError, match=match):
        summarise(store(tmp_path, dice, pairs), PROTOCOL)


def test_registrations_that_are_not_one_for_each_pair_are_refused(tmp_path):
    result = store(tmp_path)
    table = result.registrations
    for wrong in (table[:5], pd.concat([table, table[:1]])):
        with pytest.raises(InputError, match="6 test registrations"):
            summarise(dataclasses.replace(result, registrations=wrong), PROTOCOL)


# -- bootstrap over subjects


def plain_bootstrap(scores, resamples, seed):
    """The definition: list the subjects drawn and average the pairs among them."""
    n = len(scores)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
    means = []
    for count in counts:
        drawn = np.repeat(np.arange(n), count)
        values = [scores[i, j] for i in drawn for j in drawn if i != j]
        values = [v for v in values if not np.isnan(v)]
        if values:
            means.append(np.mean(values))
    ends = np.quantile(means, [0.025, 0.975])
    # Of n - 1 degrees of freedom: 2.571 for 6 subjects, 1.960 for endless ones.
    factor = {6: np.sqrt(6 / 5) * 2.570582 / 1.959964}[n]
    return tuple(np.nanmean(scores) + factor * (ends - np.nanmean(scores)))


@pytest.mark.parametrize("holes", [0, 5])
def test_bootstrap_is_its_definition(holes):
    rng = np.random.default_rng(1)
    scores = rng.uniform(0, 1, (6, 6))
    np.fill_diagonal(scores, NAN)
    scores[tuple(rng.integers(0, 6, (2, holes)))] = NAN
    expected = plain_bootstrap(scores, 200, 3)
    assert bootstrap_interval(scores, 200, 3) == pytest.approx(expected)


def test_bootstrap_covers_subjects_rather_than_pairs():
    # Scores that depend on one subject only: 90 pairs, and no more information than 10 brains.
    rng = np.random.default_rng(2)
    effect = rng.normal(0, 1, 10)
    scores = np.repeat(effect[:, None], 10, axis=1)
    np.fill_diagonal(scores, NAN)
    low, high = bootstrap_interval(scores)
    standard_error = effect.std(ddof=1) / np.sqrt(10)
    assert low < effect.mean() < high
    assert 0.75 < (high - low) / (2 * 1.96 * standard_error) < 1.25


@pytest.mark.parametrize(
    ("count", "least", "documented", "unstretched"), [(5, 0.86, 0.90, 0.76), (10, 0.90, 0.93, 0.88)]
)
def test_the_interval_holds_the_mean_about_as_often_as_it_says(
    count, least, documented, unstretched
):
    """The worst case: scores are what their subjects make them."""
    rng = np.random.default_rng(4)
    held, plainly = [], []
    for seed in range(300):
        scores = rng.normal(size=(count, 1)) + rng.normal(size=(1, count))
        np.fill_diagonal(scores, NAN)
        low, high = bootstrap_interval(scores, 400, seed)
        held.append(low <= 0 <= high)
        mean, factor = np.nanmean(scores), summary._stretch(count, 0.95)
        low, high = (mean + (end - mean) / factor for end in (low, high))
        plainly.append(low <= 0 <= high)
    assert least < np.mean(held) < 0.99
    # Within two standard errors of 300 cases, the percentages that `bootstrap_interval` tells.
    assert np.mean(held) == pytest.approx(documented, abs=0.035)
    assert np.mean(plainly) == pytest.approx(unstretched, abs=0.05)


def test_bootstrap_of_equal_scores_and_of_none():
    scores = np.full((4, 4), 0.5)
    np.fill_diagonal(scores, NAN)
    assert bootstrap_interval(scores) == pytest.approx((0.5, 0.5))
    assert np.isnan(bootstrap_interval(np.full((4, 4), NAN))).all()


def test_bootstrap_is_seeded():
    scores = np.random.default_rng(3).uniform(0, 1, (5, 5))
    assert bootstrap_interval(scores, seed=1) == bootstrap_interval(scores, seed=1)
    assert bootstrap_interval(scores, seed=1) != bootstrap_interval(scores, seed=2)
