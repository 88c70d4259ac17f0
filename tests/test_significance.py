import io
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fake_subjects import tiny_protocol
from pmrnet.significance import HD95_COLUMN, compare_all, holm, signed_rank
from pmrnet.significance_text import significance_csv, significance_markdown
from pmrnet.summary import bootstrap_interval, pair_matrix, pair_scores
from test_summary import store

PROTOCOL = tiny_protocol(test=("p", "q", "r", "s"))
PAIRS = PROTOCOL.pairs("test")
TITLES = {"pmrnet": "PMR-Net", "affine": "Affine", "faim": "FAIM"}


def scores(seed, shift):
    rng = np.random.default_rng(seed)
    return [{label: rng.uniform(0.3, 0.4) + shift for label in (1, 2, 3, 4)} for _ in PAIRS]


@pytest.fixture
def results(tmp_path):
    shifts = {"affine": 0.0, "pmrnet": 0.3, "faim": 0.28}
    return {
        method: (
            TITLES[method],
            store(tmp_path / method, scores(seed, shift), PAIRS, PROTOCOL),
        )
        for seed, (method, shift) in enumerate(shifts.items())
    }


def test_every_other_method_in_every_column(results):
    found = compare_all(results, "pmrnet", PROTOCOL, 200, 5)
    keys = [(c.method, c.column) for c in found]
    # Without a stored HD95 there is nothing to compare in its column.
    assert keys == list(product(["affine", "faim"], ["Left", "Right", "All labels"]))
    ours = pair_scores(results["pmrnet"][1], PROTOCOL)
    for c in found:
        theirs = pair_scores(results[c.method][1], PROTOCOL)
        difference = ours[c.column] - theirs[c.column]
        assert c.title == TITLES[c.method]
        assert c.pairs == 12
        assert c.higher == (difference > 0).sum()
        assert c.difference == pytest.approx(difference.mean())
        assert c.p == pytest.approx(stats.wilcoxon(difference).pvalue)
        matrix = pair_matrix(difference, PROTOCOL)
        assert (c.low, c.high) == bootstrap_interval(matrix, 200, 5)
    assert [c.p_holm for c in found] == pytest.approx(holm([c.p for c in found]))
    clear = {c.column: c for c in found if c.method == "affine"}["All labels"]
    assert clear.higher == 12
    assert clear.p == pytest.approx(2 / 2**12)  # all ranks on one side, by hand
    assert 0.2 < clear.low < clear.difference < clear.high < 0.4


def test_hd95_is_compared_where_both_have_it(tmp_path):
    results = {}
    for seed, method in enumerate(("pmrnet", "affine", "faim")):
        extra = {"hd95": [[n, 3.0 + seed] for n in (1, 2, 3, 4)]} if method != "faim" else {}
        stored = store(tmp_path / method, scores(seed, 0), PAIRS, PROTOCOL, **extra)
        results[method] = (method, stored)
    found = [c for c in compare_all(results, "pmrnet", PROTOCOL) if c.column == HD95_COLUMN]
    assert [c.method for c in found] == ["affine"]
    assert found[0].difference == pytest.approx(-1)
    assert found[0].higher == 0


def test_the_matrix_of_pairs_has_the_moving_subject_as_its_row():
    values = pd.Series([1.0, 2.0], pd.MultiIndex.from_tuples([("p", "q"), ("s", "p")]))
    values.index.names = ["moving", "fixed"]
    matrix = pair_matrix(values, PROTOCOL)
    assert matrix.shape == (4, 4)
    assert matrix[0, 1] == 1
    assert matrix[3, 0] == 2
    assert np.isfinite(matrix).sum() == 2


def test_signed_rank():
    values = np.random.default_rng(0).normal(0.3, 1, 70)
    assert signed_rank(values) == stats.wilcoxon(values).pvalue
    assert signed_rank(values) == pytest.approx(signed_rank(-values))
    assert signed_rank(np.zeros(5)) == 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.2))
def test_holm_rejects_what_its_step_down_procedure_does(p_values, level):
    order = np.argsort(p_values, kind="stable")
    rejected = set()
    for step, index in enumerate(order):
        if p_values[index] * (len(p_values) - step) > level:
            break
        rejected.add(index)
    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected


def test_texts(results):
    found = compare_all(results, "pmrnet", PROTOCOL, 200, 5)
    text = significance_markdown("Table: significance", "PMR-Net", found, 200)
    assert text.startswith("# Table: significance\n")
    assert "every subject takes part in many of them" in text
    assert "all 6 tests" in text
    rows = [line for line in text.splitlines() if line.startswith(("| Affine", "| FAIM"))]
    assert len(rows) == 6
    assert f"{found[0].difference:+.4f}" in rows[0]
    table = pd.read_csv(io.StringIO(significance_csv(found)))
    assert table["difference"].tolist() == pytest.approx([c.difference for c in found], rel=1e-5)
    assert table["p_holm"].tolist() == pytest.approx([c.p_holm for c in found], rel=1e-5)
