"""Differences that docs/results.md names are those of the stored comparisons."""

from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = " ".join((ROOT / "docs/results.md").read_text(encoding="utf-8").split())
TABLE_1 = ROOT / "experiments/lpba40"
TABLE_2 = ROOT / "experiments/oasis-trt"


def comparison(folder: Path, better: str, worse: str) -> dict[str, object]:
    """How much a method is above another, as the page writes it, from either one's comparisons."""
    for reference, other, sign in ((better, worse, 1), (worse, better, -1)):
        own = "significance.csv" if reference == "pmrnet" else f"significance-{reference}.csv"
        if (folder / own).is_file():
            rows = pd.read_csv(folder / own)
            row = rows[(rows["method"] == other) & (rows["column"] == "All labels")].iloc[0]
            low, high = sorted((sign * row["low"], sign * row["high"]))
            above = row["higher"] if sign == 1 else row["pairs"] - row["higher"]
            return {"size": sign * row["difference"], "low": low, "high": high, "above": above}
    raise AssertionError(f"no comparison with {better} or {worse} is stored in {folder.name}")


@pytest.mark.parametrize(
    ("better", "worse", "words"),
    [
        (
            "pmrnet-deep",
            "pmrnet",
            "{size:.3f} more (higher in all {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-grown",
            "pmrnet-deep",
            "({size:.3f} more; higher in {above} pairs). That is above",
        ),
        (
            "pmrnet-grown",
            "voxelmorph-1mm",
            "VoxelMorph at 1 mm by {size:.3f} ({above} pairs; {low:.3f} to {high:.3f})",
        ),
        ("pmrnet-grown", "faim", "FAIM by {size:.3f} (all {above}; {low:.3f} to {high:.3f})"),
        ("pmrnet-1mm", "pmrnet", "at 1 mm give PMR-Net {size:.3f} ({low:.3f} to {high:.3f})"),
        (
            "pmrnet-grown-two-passes",
            "pmrnet-grown",
            "({size:.3f} more; higher in {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-grown-coarse-to-fine",
            "pmrnet-grown-two-passes",
            "{size:.3f} more (higher in all {above} pairs; {low:.3f} to {high:.3f}), above SyN",
        ),
        (
            "pmrnet-grown-coarse-to-fine",
            "syn",
            "default metric ({size:.3f}; {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-grown-coarse-to-fine-three-passes",
            "pmrnet-grown-coarse-to-fine",
            "{size:.3f} more (higher in {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-grown-coarse-to-fine-six-passes",
            "pmrnet-grown-coarse-to-fine",
            "{size:.3f} more than a coarse and two (higher in {above} of 90 pairs; {low:.3f} to "
            "{high:.3f})",
        ),
        (
            "pmrnet-1mm",
            "pmrnet-no-levels-1mm",
            "{size:.3f} higher with them ({low:.4f} to {high:.4f}; in {above} of 90 pairs)",
        ),
        (
            "baseline1-deep",
            "pmrnet-deep",
            "{size:.3f} above it ({low:.3f} to {high:.3f}; higher in {above} of 90 pairs)",
        ),
        (
            "pmrnet-1mm",
            "baseline1-1mm",
            "{size:.3f} above Baseline-1 ({above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-refined",
            "syn",
            "{size:.3f} above that with the default metric, mutual information (all {above} "
            "pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-refined",
            "syn-cc",
            "{size:.3f} above that with cross-correlation ({above} pairs; {low:.3f} to {high:.3f};",
        ),
        (
            "general-three-passes-refined",
            "syn-cc",
            "{size:.3f} above the better of the two (higher in all {above} pairs; {low:.3f} to "
            "{high:.3f})",
        ),
        (
            "pmrnet-plus-labels-refined",
            "syn-cc",
            "{size:.3f} above that SyN (higher in {above} of 90 pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-plus-labels-augmented",
            "syn-cc",
            "{size:.3f} above SyN with cross-correlation (higher in {above} of 90 pairs; "
            "{low:.3f} to {high:.3f})",
        ),
        (
            "general-1mm-coarse-to-fine",
            "general-1mm-three-passes",
            "{size:.3f} more than without it (higher in {above} of 90 pairs; {low:.3f} to "
            "{high:.3f})",
        ),
        (
            "general-1mm-coarse-to-fine",
            "syn",
            "{size:.3f} above SyN with its default metric (all {above} pairs; {low:.3f} to "
            "{high:.3f})",
        ),
        (
            "general-three-passes-symmetric",
            "general-three-passes",
            "{size:.3f} more (higher in {above} of 90 pairs; {low:.4f} to {high:.4f})",
        ),
        (
            "general-three-passes-symmetric-refined",
            "general-three-passes-refined",
            "{size:.3f} more than refined in one ({above} of 90 pairs; {low:.4f} to {high:.4f})",
        ),
        (
            "general-three-passes-symmetric-refined",
            "syn-cc",
            "{size:.3f} above SyN with cross-correlation (all {above} pairs; {low:.3f} to "
            "{high:.3f})",
        ),
        (
            "general-three-passes@lpba40",
            "general-three-passes-symmetric@lpba40",
            "{size:.3f} less (lower in {above} of 20 pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "pmrnet-grown-coarse-to-fine-three-passes@lpba40",
            "syn-cc",
            "is {size:.3f} above that (all {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "general-1mm-coarse-to-fine@lpba40",
            "general-1mm-three-passes@lpba40",
            "has {size:.3f} more Dice (all {above} pairs; {low:.3f} to {high:.3f})",
        ),
        (
            "general-1mm-coarse-to-fine@lpba40",
            "syn-cc",
            "{size:.3f} above SyN with cross-correlation (all {above} pairs; {low:.3f} to "
            "{high:.3f})",
        ),
    ],
)
def test_differences(better, worse, words):
    # On the other scanner's images all that are named were trained on LPBA40.
    folder = TABLE_2 if "@" in better else TABLE_1
    assert words.format(**comparison(folder, better, worse)) in PAGE
