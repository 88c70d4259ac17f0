"""All figures of a data set as PDF and PNG files, and what is missing for the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from pmrnet.config import Experiment
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.figures.built_in import score_pair_here
from pmrnet.figures.comparison import draw_comparison
from pmrnet.figures.dice_boxes import draw_dice_boxes
from pmrnet.figures.latents import draw_latents, split_latents
from pmrnet.figures.material import (
    build_method,
    load_method,
    load_pair,
    scores_of,
    shown_methods,
    views_of,
)
from pmrnet.figures.network_diagram import draw_network
from pmrnet.figures.posteriors import draw_posteriors, level_posteriors
from pmrnet.files import atomic_path
from pmrnet.make_command import make_command
from pmrnet.methods import method_of


def network_figure(dataset: str) -> Figure:
    """Figure 1: PMR-Net as the data set's experiment builds it, on the grid that it trains on."""
    data = Dataset.load(dataset)
    spacing = Experiment.load(data.experiment("pmrnet")).stages[-1].spacing
    shape = tuple(n // spacing for n in data.protocol.data.shape)
    return draw_network(build_method(dataset), shape, f"PMR-Net, images of {spacing:g} mm")


def posteriors_figure(dataset: str, make: bool = False) -> Figure:
    """Figure 2, of the first test pair; `make`: see `pmrnet.figures.material.load_pair`."""
    pair = load_pair(dataset, make)
    network, description, source = load_method(dataset)
    spacing = description["spacing"]
    images = pair.images(spacing)
    levels = level_posteriors(network, *images, spacing)
    return draw_posteriors(levels, *images, spacing, f"{pair.title}, weights {source}")


def latents_figure(dataset: str, make: bool = False) -> Figure:
    """Figure 3, of the first test pair; `make`: see `pmrnet.figures.material.load_pair`."""
    pair = load_pair(dataset, make)
    network, description, source = load_method(dataset)
    spacing = description["spacing"]
    images = pair.images(spacing)
    latents = split_latents(network, level_posteriors(network, *images, spacing), spacing)
    return draw_latents(latents, *images, spacing, f"{pair.title}, weights {source}")


def comparison_figure(
    dataset: str, make: bool = False, methods: Sequence[str] | None = None
) -> Figure:
    """Figure 4, of the first test pair.

    `make`: see `pmrnet.figures.material.load_pair`; `methods`: see `shown_methods` there. All of
    them are minutes of work at full resolution: each is applied anew.
    """
    pair = load_pair(dataset, make)
    return draw_comparison(*views_of(pair, methods), pair.title)


def dice_figure(dataset: str, make: bool = False, methods: Sequence[str] | None = None) -> Figure:
    """Figure 5, from the stored results; `make`: where there are none, score one pair for it.

    `methods`: see `pmrnet.figures.material.shown_methods`.
    """
    data = Dataset.load(dataset)
    scores, absent = scores_of(data, methods)
    if not scores and make:
        scores = score_pair_here(load_pair(dataset, make))
        absent = {title: reason for title, reason in absent.items() if title not in scores}
    if not scores:
        raise InputError(
            f"{data.results}: expected the stored result of one method or more, found none; run "
            f"`{make_command('evaluate', dataset)}`."
        )
    title = f"Dice on {data.name}, {len(next(iter(scores.values())))} pairs"
    return draw_dice_boxes(scores, absent, title, beyond=(method_of("none").title,))


#: by the end of the files' names
FIGURES: dict[str, Callable[..., Figure]] = {
    "1-network": network_figure,
    "2-posteriors": posteriors_figure,
    "3-latents": latents_figure,
    "4-comparison": comparison_figure,
    "5-dice": dice_figure,
}
#: figures with a place for every method
_OF_METHODS = {"4-comparison", "5-dice"}


def save_figure(figure: Figure, stem: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a figure as `<stem>.pdf` and `<stem>.png`, replacing earlier ones.

    Parameters
    ----------
    figure
        Lines and text stay such in the PDF; images in it are of their own resolution.
    stem
        Path without ending.

    Returns
    -------
    tuple of pathlib.Path
        PDF and PNG. The same figure gives the same bytes: no date is written.
    """
    pdf, png = (Path(f"{os.fspath(stem)}.{ending}") for ending in ("pdf", "png"))
    with rc_context({"pdf.fonttype": 42}), atomic_path(pdf) as temporary:
        figure.savefig(temporary, format="pdf", dpi=300, metadata={"CreationDate": None})
    return pdf, save_png(figure, png, dpi=200)


def save_png(figure: Figure, path: Path, dpi: int) -> Path:
    """Write a figure as PNG, replacing an earlier one; the same figure gives the same bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
    return path


def write_figures(
    dataset: str,
    out: str | os.PathLike[str],
    only: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
) -> tuple[list[Path], dict[str, str]]:
    """Write the figures of a data set that can be made.

    Parameters
    ----------
    dataset
        Name or YAML file.
    out
        Folder for `<dataset>-<figure>.pdf` and `.png`.
    only
        Names of the figures to write; None for all.
    methods
        Those that figures 4 and 5 show; see `pmrnet.figures.material.shown_methods`.

    Returns
    -------
    written : list of pathlib.Path
    missing : dict of str to str
        Names of the other figures, and why they could not be made.

    Raises
    ------
    InputError
        If there is no such data set, figure or method.
    """
    unknown = set(only or ()) - set(FIGURES)
    if unknown:
        raise InputError(
            f"figures: expected some of {', '.join(FIGURES)}, found {', '.join(sorted(unknown))}; "
            "name those."
        )
    data = Dataset.load(dataset)
    chosen = {} if methods is None else {"methods": shown_methods(data, methods)}
    written: list[Path] = []
    missing: dict[str, str] = {}
    for ending, draw in FIGURES.items():
        if only is not None and ending not in only:
            continue
        try:
            figure = draw(dataset, **(chosen if ending in _OF_METHODS else {}))
        except InputError as reason:
            missing[ending] = str(reason)
            continue
        written += save_figure(figure, Path(out) / f"{data.name}-{ending}")
    return written, missing
