"""The text of the comparisons with one method, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from pmrnet.aligned_text import aligned
from pmrnet.significance import HD95_COLUMN, Comparison


def significance_markdown(
    heading: str, reference: str, comparisons: Sequence[Comparison], resamples: int
) -> str:
    """Markdown text of comparisons.

    Parameters
    ----------
    heading : str
        Heading of the text.
    reference : str
        Title of the method that is compared with the others.
    comparisons : sequence of Comparison
        From `pmrnet.significance.compare_all`.
    resamples : int
        Of the bootstrap, for the text.

    Returns
    -------
    str
    """
    head = ["Against", "Column", "Difference", "95 % interval", "Higher in", "p", "p, Holm"]
    body = []
    for c in comparisons:
        digits = 2 if c.column == HD95_COLUMN else 4
        interval = f"{c.low:+.{digits}f} to {c.high:+.{digits}f}"
        share = f"{c.higher} of {c.pairs}"
        difference = f"{c.difference:+.{digits}f}"
        body.append(
            [c.title, c.column, difference, interval, share, f"{c.p:.2g}", f"{c.p_holm:.2g}"]
        )
    parts = (
        f"# {heading}",
        f"Difference: mean over pairs of the score of {reference} less that of the other "
        "method. Of Dice more is better, of HD95 less is. Higher in: pairs in which "
        f"{reference} has the higher score.",
        aligned(head, body),
        "p: Wilcoxon's signed-rank test over pairs, two-sided; p, Holm: corrected for all "
        f"{len(comparisons)} tests of this table together. The test takes pairs for "
        "independent, and they are not: every subject takes part in many of them, as the "
        "moving and as the fixed one, so that these p-values are smaller than the evidence of "
        "so few brains allows. The interval does not take them so: it comes from a bootstrap "
        f"over subjects, in both roles at once ({resamples} resamples), and is stretched for their "
        "small number. Where it contains 0, "
        "other subjects might turn the difference round, whatever p says.",
    )
    return "\n\n".join(parts) + "\n"


def significance_csv(comparisons: Sequence[Comparison]) -> str:
    """CSV text of comparisons: the fields of `Comparison`, six significant digits.

    Parameters
    ----------
    comparisons : sequence of Comparison

    Returns
    -------
    str
    """
    stream = io.StringIO()
    names = [field.name for field in fields(Comparison)]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for comparison in comparisons:
        record = asdict(comparison)
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in record.items()})
    return stream.getvalue()
