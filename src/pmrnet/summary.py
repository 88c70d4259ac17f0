"""From the Dice of every pair and label to means, deviations and confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pmrnet.errors import InputError
from pmrnet.protocol import Protocol
from pmrnet.results import HD95, Result

ALL = "All labels"
"""Name of the column that averages over every scored label."""


@dataclass(frozen=True)
class Statistic:
    """Mean over pairs of a score, with its spread and its uncertainty.

    Attributes
    ----------
    mean, sd : float
        Over pairs; the standard deviation is the sample's (n - 1).
    low, high : float
        Confidence interval of the mean, see `bootstrap_interval`.
    """

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """What a row of a table says of one method.

    Attributes
    ----------
    dice : dict of str to Statistic
        By the protocol's groups, and `ALL`.
    folding, folding_brain : float
        Mean over pairs of the share of folded voxels, on the whole grid and in the fixed brain.
    sdlogj : float
        Mean over pairs.
    seconds : float
        Median over pairs, so that the first one's compilation does not count; NaN for a method
        that computes no deformation.
    hd95 : dict of str to Statistic
        As `dice`, in millimetres; NaN where the result was stored without.
    """

    dice: dict[str, Statistic]
    folding: float
    folding_brain: float
    sdlogj: float
    seconds: float
    hd95: dict[str, Statistic]


def summarise(
    result: Result, protocol: Protocol, resamples: int = 2000, seed: int = 2019
) -> Summary:
    """Reduce a stored result to a row of a table.

    Parameters
    ----------
    result : Result
        Of all test pairs of the protocol.
    protocol : Protocol
        The protocol that the result was scored by.
    resamples : int
        Bootstrap resamples of the test subjects.
    seed : int
        Seed of the resampling. Methods that share it share the resamples.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If the result is of another protocol, or does not cover its test pairs and labels.
    """
    dice, hd95 = (
        _statistics(pair_scores(result, protocol, value), protocol, resamples, seed)
        for value in ("dice", HD95)
    )
    table = result.registrations
    return Summary(
        dice=dice,
        hd95=hd95,
        folding=float(table["folding"].mean()),
        folding_brain=float(table["folding_brain"].mean()),
        sdlogj=float(table["sdlogj"].mean()),
        seconds=float(table["seconds"].median()),
    )


def _statistics(
    scores: pd.DataFrame, protocol: Protocol, resamples: int, seed: int
) -> dict[str, Statistic]:
    statistics = {}
    for column in scores:
        values = scores[column]
        low, high = bootstrap_interval(pair_matrix(values, protocol), resamples, seed)
        statistics[str(column)] = Statistic(
            float(values.mean()), float(values.std(ddof=1)), low, high
        )
    return statistics


def pair_matrix(values: pd.Series, protocol: Protocol) -> NDArray:
    """Arrange one number per pair as a matrix of test subjects.

    Parameters
    ----------
    values : pandas.Series
        Indexed by (moving, fixed).
    protocol : Protocol

    Returns
    -------
    ndarray, shape (n, n)
        Row: moving subject, column: fixed subject, in the protocol's order; NaN on the diagonal.
    """
    subjects = list(protocol.test)
    matrix = values.unstack("fixed").reindex(index=subjects, columns=subjects)
    return matrix.to_numpy(float)


def pair_scores(result: Result, protocol: Protocol, value: str = "dice") -> pd.DataFrame:
    """Mean score of every pair over the labels of every group.

    Parameters
    ----------
    result : Result
    protocol : Protocol
    value : {"dice", "hd95"}
        The score.

    Returns
    -------
    pandas.DataFrame
        Indexed by (moving, fixed); a column for each group of the protocol and one, `ALL`, for
        all its labels. Labels without a score are left out of the mean: for Dice those that
        neither volume has, for HD95 those that either lacks. NaN where a group has no other.

    Raises
    ------
    InputError
        If the result is of another protocol, or does not cover its test pairs and labels.
    """
    if result.protocol_hash != protocol.hash:
        raise InputError(
            f"Expected results of protocol {protocol.name} ({protocol.hash}), found "
            f"{result.protocol} ({result.protocol_hash}) for {result.method}: evaluate it again."
        )
    try:
        dice = result.pairs.pivot(index=["moving", "fixed"], columns="label", values=value)
    except ValueError as error:
        raise _incomplete(result, "one row per pair and label", "some twice") from error
    expected = set(protocol.pairs("test"))
    for what, found in (("pairs", dice.index), ("registrations", _keys(result))):
        if set(found) != expected or len(found) != len(expected):
            raise _incomplete(result, f"{len(expected)} test {what}", f"{len(found)}, not the same")
    if set(dice.columns) != set(protocol.labels):
        raise _incomplete(result, f"{len(protocol.labels)} labels", f"{len(dice.columns)}")
    groups = {name: list(labels) for name, labels in protocol.groups.items()}
    return pd.DataFrame(
        {
            name: dice[labels].mean(axis=1)
            for name, labels in (groups | {ALL: list(protocol.labels)}).items()
        }
    )


def bootstrap_interval(
    scores: NDArray, resamples: int = 2000, seed: int = 2019, level: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of the mean over pairs, by resampling subjects.

    Parameters
    ----------
    scores : ndarray, shape (n, n)
        Score of the pair (i, j) of subjects; NaN, the diagonal above all, where there is none.
    resamples : int
        Number of resamples.
    seed : int
        Seed of the random numbers.
    level : float
        Coverage of the interval.

    Returns
    -------
    low, high : float
        Percentiles of the resampled means, stretched about the mean; NaN where no resample has a
        pair.

    Notes
    -----
    The pairs share subjects and are not independent: to resample pairs would claim the certainty
    of n (n - 1) independent scores where n brains were seen. Each resample draws n subjects with
    replacement (Efron, 1979) and takes the pairs among them, a pair as many times as its subjects
    were drawn together. Pairs of a subject with itself have no score and are left out; a resample
    of one subject only has no pair and is dropped.

    Percentiles of a bootstrap are too narrow for few subjects: those drawn vary by (n - 1) / n of
    the variance, and no more than n brains tell how much they vary. So the interval is stretched by
    sqrt(n / (n - 1)) t / z, with the quantiles of Student's distribution of n - 1 degrees and of
    the normal one (Hesterberg, The American Statistician 2015, who stretches the percentiles'
    levels to the same end): 1.22 for 10 subjects, 1.58 for 5. Where subjects differ more than
    pairs, it then holds the mean in 93 % of cases for 10 and in 90 % for 5; without, in 88 and 76.
    """
    count = len(scores)
    present = np.isfinite(scores)
    filled = np.where(present, scores, 0.0)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    # Weight of pair (i, j) is drawn[i] * drawn[j]: quadratic forms, all resamples at once.
    total = ((drawn @ filled) * drawn).sum(axis=1)
    weight = ((drawn @ present.astype(float)) * drawn).sum(axis=1)
    means = total[weight > 0] / weight[weight > 0]
    if means.size == 0:
        return float("nan"), float("nan")
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = np.nanmean(scores)
    low, high = mean + _stretch(count, level) * (ends - mean)
    return float(low), float(high)


def _stretch(count: int, level: float) -> float:
    """How much wider than the bootstrap's percentiles an interval of so few subjects must be."""
    quantile = (1 + level) / 2
    student = stats.t.ppf(quantile, count - 1) / stats.norm.ppf(quantile)
    return float(np.sqrt(count / (count - 1)) * student)


def _keys(result: Result) -> list[tuple[str, str]]:
    table = result.registrations
    return list(zip(table["moving"], table["fixed"], strict=True))


def _incomplete(result: Result, expected: str, found: str) -> InputError:
    return InputError(
        f"Expected {expected} in the stored result of {result.method}, found {found}: evaluate "
        "it again, on all test pairs."
    )
