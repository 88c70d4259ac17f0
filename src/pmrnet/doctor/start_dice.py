"""Overlap of labels before any registration, which shows whether a data set fits together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Console

from pmrnet.data.batch import try_batch
from pmrnet.data.prepared import PreparedSubject
from pmrnet.doctor.finding import Finding, some
from pmrnet.label_warp import header_moved_labels, moved_labels
from pmrnet.metrics import dice_per_label
from pmrnet.protocol import Protocol
from pmrnet.scoring import SubjectCache

_PAIRS = 10
# Brains of different people, aligned affinely, overlap by about 0.4 to 0.7.
_LOW, _HIGH = 0.3, 0.95


def start_findings(
    protocol: Protocol, subjects: Mapping[str, PreparedSubject], console: Console
) -> list[Finding]:
    """Score up to ten pairs of prepared subjects without registering them.

    Parameters
    ----------
    protocol
        Labels and splits: the test pairs if two test subjects have labels, else others.
    subjects
        Prepared subjects by name.
    console
        Where progress goes.
    """
    if not protocol.labels:
        return []
    for split in ("test", "validation", "train"):
        names = [
            name
            for name in getattr(protocol, split)
            if name in subjects and subjects[name].labels_path is not None
        ]
        if len(names) > 1:
            return _of_pairs(protocol, split, names, subjects, console)
    return []


def _of_pairs(
    protocol: Protocol,
    split: str,
    names: list[str],
    subjects: Mapping[str, PreparedSubject],
    console: Console,
) -> list[Finding]:
    # Each to the next, so that many subjects are seen with few pairs.
    pairs = list(zip(names, names[1:] + names[:1], strict=True))[:_PAIRS]
    cache = SubjectCache(subjects)
    labels = list(protocol.labels)
    jobs = {f"{m} to {f}": (cache, m, f, labels) for m, f in pairs}
    scores, failed = try_batch("Scoring pairs", _score, jobs, 1, console)
    findings = [
        Finding("error", f"{pair}: {' '.join(str(error).split())}")
        for pair, error in failed.items()
    ]
    if not scores:
        return findings
    header, affine = np.mean(list(scores.values()), axis=0)
    what = (
        f"Mean Dice of {len(scores)} {split} pairs before registration: {affine:.2f} after the "
        f"affine alignment, {header:.2f} where the files' headers put them."
    )
    if affine < _LOW:
        findings.append(
            Finding(
                "warning",
                what,
                "That is low for brains of people: check that labels belong to their images, that "
                "left and right are right, and that the labels mean the same in all subjects.",
            )
        )
    else:
        findings.append(Finding("ok", what))
    if alike := [pair for pair, score in scores.items() if max(score) > _HIGH]:
        findings.append(
            Finding(
                "warning",
                f"Nearly the same labels before registration: {some(alike)}.",
                "If they are of one person, put them into one split and name them under "
                "`same_person`; if they were registered to each other already, use the originals.",
            )
        )
    return findings


def _score(cache: SubjectCache, moving: str, fixed: str, labels: list[int]) -> tuple[float, float]:
    """Mean Dice where the headers put the labels, and after the affine alignment."""
    onto, moved = cache.subject(fixed), cache.subject(moving)
    target = onto.labels().data
    header, affine = (
        _mean(dice_per_label(source, target, labels))
        for source in (header_moved_labels(onto, moved), moved_labels(onto, moved))
    )
    return header, affine


def _mean(dice: Mapping[int, float]) -> float:
    """Mean over the labels that one of the maps has at least; 0 if there is none."""
    known = [value for value in dice.values() if not np.isnan(value)]
    return float(np.mean(known)) if known else 0.0
