"""What the files of all subjects together show: one line for each thing that is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from pmrnet.doctor.finding import Finding, some
from pmrnet.doctor.raw_files import RawReport
from pmrnet.protocol import Protocol

# A label so much of which the image does not show cannot be aligned by the image.
_OUTSIDE = 0.5


def raw_findings(protocol: Protocol, reports: Mapping[str, RawReport]) -> list[Finding]:
    """Findings on the files of a protocol's subjects.

    Parameters
    ----------
    protocol
        Its labels, splits and source of data.
    reports
        What was read, by subject.

    Returns
    -------
    list of Finding
    """
    findings = [
        Finding("error", f"{name}: {problem}")
        for name, report in reports.items()
        for problem in report.problems
    ]
    grids = Counter(report.grid for report in reports.values() if report.grid)
    if grids:
        # Many data sets have a grid of each subject's own.
        shown = ", ".join(f"{grid} ({count})" for grid, count in grids.most_common(3))
        more = f" and {len(grids) - 3} other grids" if len(grids) > 3 else ""
        findings.append(Finding("ok", f"Images read: {grids.total()}, of {shown}{more}."))
    return [
        *findings,
        *_assumptions(protocol, reports),
        *_copies(reports),
        *_labels(protocol, reports),
    ]


def _assumptions(protocol: Protocol, reports: Mapping[str, RawReport]) -> list[Finding]:
    if protocol.data.source != "files":  # known data sets are oriented by their labels
        return []
    names = defaultdict(list)
    for name, report in reports.items():
        if report.assumed:
            names[report.assumed].append(name)
    return [
        Finding(
            "warning",
            f"{some(subjects)}: {assumed}.",
            "Look whether left and right are right after the preparation; if not, correct the "
            "headers.",
        )
        for assumed, subjects in names.items()
    ]


def _copies(reports: Mapping[str, RawReport]) -> list[Finding]:
    names = defaultdict(list)
    for name, report in reports.items():
        for role, checksum in report.content.items():
            if role != "mask":  # one mask may well serve several images
                names[role, checksum].append(name)
    return [
        Finding(
            "error",
            f"{some(subjects)}: {'one image' if role == 'image' else 'one label map'} for "
            f"{len(subjects)} subjects.",
            "Give each its own files, or strike out all but one.",
        )
        for (role, _), subjects in names.items()
        if len(subjects) > 1
    ]


def _labels(protocol: Protocol, reports: Mapping[str, RawReport]) -> list[Finding]:
    maps = {name: report for name, report in reports.items() if report.ids is not None}
    if not (maps and protocol.labels):
        return []
    lacking: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    foreign: Counter[int] = Counter()
    outside: defaultdict[int, list[str]] = defaultdict(list)
    for name, report in maps.items():
        if absent := tuple(sorted(protocol.labels.keys() - set(report.ids))):
            lacking[absent].append(name)
        foreign.update(set(report.ids) - protocol.labels.keys())
        for label, share in report.outside.items():
            if share > _OUTSIDE:
                outside[label].append(name)
    findings = [
        Finding(
            "warning",
            f"{some(names)}: no label {some(absent)} of the {len(protocol.labels)} labels.",
            "A pair of which one has it scores 0 for it, one of which neither has it nothing; "
            "check the label map, or strike the label out.",
        )
        for absent, names in lacking.items()
    ]
    findings += _foreign(foreign, len(maps))
    findings += [
        Finding(
            "warning",
            f"Label {label} ({protocol.labels[label]}): the image is 0 over most of it in "
            f"{len(names)} of {len(maps)} subjects ({some(names)}).",
            "No method that looks at the image can align it: list it under `not_scored`, or check "
            "whether image and labels belong together.",
        )
        for label, names in sorted(outside.items())
    ]
    if not (lacking or outside):
        findings.append(
            Finding("ok", f"Label maps: {len(maps)}, each with all {len(protocol.labels)} labels.")
        )
    return findings


def _foreign(counts: Counter[int], maps: int) -> list[Finding]:
    """Labels that the protocol does not score: harmless in all maps, doubtful in some."""
    what = "Labels that the protocol does not score and that are ignored"
    common = [label for label in sorted(counts) if counts[label] == maps]
    rare = [f"{label} (in {counts[label]})" for label in sorted(counts) if counts[label] < maps]
    findings = []
    if common:
        findings.append(Finding("ok", f"{what}: {some(common)}, in all label maps."))
    if rare:
        findings.append(
            Finding(
                "warning",
                f"{what}: {some(rare)} of {maps} label maps.",
                "Strays of a few voxels do no harm; many may come from another way of labelling.",
            )
        )
    return findings
