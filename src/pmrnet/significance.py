"""Whether one method's scores differ from another's by more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pmrnet.protocol import Protocol
from pmrnet.results import Result
from pmrnet.summary import ALL, bootstrap_interval, pair_matrix, pair_scores

HD95_COLUMN = "HD95, mm"


@dataclass(frozen=True)
class Comparison:
    """A method against the reference, in one column.

    Attributes
    ----------
    method, title : str
        The method that the reference is compared with.
    column : str
        A group, all labels (Dice) or `HD95_COLUMN`.
    pairs : int
        Pairs that both methods have a score for.
    higher : int
        Pairs in which the reference's score is the higher one.
    difference : float
        Mean over pairs of the reference's score less the method's.
    low, high : float
        95 % interval of that mean by resampling subjects, in both roles.
    p : float
        Wilcoxon's signed-rank test over pairs, two-sided.
    p_holm : float
        The same after Holm's correction for all tests of the table.
    """

    method: str
    title: str
    column: str
    pairs: int
    higher: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float = math.nan


def compare_all(
    results: Mapping[str, tuple[str, Result]],
    reference: str,
    protocol: Protocol,
    resamples: int = 2000,
    seed: int = 2019,
) -> list[Comparison]:
    """Compare the reference with every other method in every column.

    Parameters
    ----------
    results : mapping of str to (str, Result)
        Titles and results by method, the reference among them.
    reference : str
        The method that is compared with the others.
    protocol : Protocol
        Of all results.
    resamples, seed : int
        Of the bootstrap, see `pmrnet.summary.bootstrap_interval`.

    Returns
    -------
    list of Comparison
        By method, then column. HD95 is left out where one of the two results has none.

    Raises
    ------
    InputError
        If a result is of another protocol or incomplete.

    Notes
    -----
    Holm's correction is over the whole list, methods and columns together, which is stricter than
    one for every column.
    """
    ours = _scores(results[reference][1], protocol)
    comparisons = []
    for method, (title, result) in results.items():
        if method == reference:
            continue
        theirs = _scores(result, protocol)
        for column, scores in ours.items():
            difference = (scores - theirs[column]).dropna()
            if difference.empty:
                continue
            values = difference.to_numpy(float)
            low, high = bootstrap_interval(pair_matrix(difference, protocol), resamples, seed)
            comparisons.append(
                Comparison(
                    method,
                    title,
                    column,
                    len(values),
                    int((values > 0).sum()),
                    float(values.mean()),
                    low,
                    high,
                    signed_rank(values),
                )
            )
    corrected = holm([comparison.p for comparison in comparisons])
    return [replace(c, p_holm=float(p)) for c, p in zip(comparisons, corrected, strict=True)]


def _scores(result: Result, protocol: Protocol) -> dict[str, object]:
    dice = pair_scores(result, protocol)
    distances = pair_scores(result, protocol, "hd95")[ALL]
    return {**{str(column): dice[column] for column in dice}, HD95_COLUMN: distances}


def signed_rank(differences: ArrayLike) -> float:
    """Wilcoxon's signed-rank test of paired differences, two-sided.

    Parameters
    ----------
    differences : array_like, shape (n,)
        Finite.

    Returns
    -------
    float
        The p-value; 1 where all differences are 0, which leaves nothing to rank.
    """
    values = np.asarray(differences, float)
    return float(stats.wilcoxon(values).pvalue) if values.any() else 1.0


def holm(p_values: Sequence[float]) -> NDArray:
    """Adjust p-values by Holm's step-down procedure (Holm, Scand. J. Statist. 1979).

    Parameters
    ----------
    p_values : sequence of float

    Returns
    -------
    ndarray, same length and order
        At most 1. To reject those at or below a level keeps the chance of any false rejection at
        or below it, however the tests depend on each other.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    factors = np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
