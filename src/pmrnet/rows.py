"""Which methods a data set's table has, and the commands that make their rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pmrnet.dataset import RECIPES, Dataset
from pmrnet.errors import InputError
from pmrnet.make_command import make_command
from pmrnet.methods import ALIGNMENTS, METHODS, in_order, method_of, trained_elsewhere
from pmrnet.optimised import recipe_of
from pmrnet.table_rows import Row
from pmrnet.trained_weights import methods_with_weights, misfit

#: data sets of the paper's tables
PAPER_TABLES = {"lpba40": "table1", "mindboggle": "table2", "oasis-trt": "table2"}


def listed(data: Dataset) -> list[str]:
    """Methods of a data set's table, in its order, whatever was run.

    The paper's tables have all that are known, and those of other data sets than LPBA40 also the
    networks as LPBA40 trained them, used so or otherwise. Other tables have those with an
    experiment or a result.
    """
    known = [*ALIGNMENTS, *(path.stem for path in data.experiments.glob("*.yaml"))]
    known += [path.parent.name for path in data.results.glob("*/result.json")]
    if data.name in PAPER_TABLES:
        networks = [method for method, shown in METHODS.items() if shown.trained or shown.uses]
        at_recipes = [method for method in networks if METHODS[method].home in (None, RECIPES)]
        known += [*_at_home(data, METHODS), *_elsewhere(data, at_recipes)]
    return in_order(known)


def to_make(data: Dataset) -> list[str]:
    """Methods that can be run on a data set, in the order of its table.

    Those with an experiment, of the data set or LPBA40's, those that need none, and the networks
    that LPBA40 has weights of.
    """
    recipes = (data.experiments, Path("experiments") / RECIPES)
    files = [path.stem for folder in recipes for path in folder.glob("*.yaml")]
    untrained = [method for method, shown in METHODS.items() if not shown.trained]
    try:
        with_weights = methods_with_weights(Dataset.load(RECIPES))
    except InputError:  # no such protocol here
        with_weights = []
    with_weights += [m for m, shown in METHODS.items() if shown.uses in with_weights]
    here = _at_home(data, [*untrained, *files])
    return in_order([*here, *_elsewhere(data, with_weights)])


def _at_home(data: Dataset, methods: Iterable[str]) -> list[str]:
    """Those methods that are not trained on another data set alone."""
    return [method for method in methods if method_of(method).home in (None, data.name)]


def row_of(data: Dataset, method: str) -> Row:
    """Row of a method: its title and the command that makes it."""
    shown = method_of(method)
    goals = "train evaluate" if is_trained_here(data, method) else "evaluate"
    command = make_command(goals, data.given, method)
    return Row(method, shown.title, command, shown.paper)


def is_trained_here(data: Dataset, method: str) -> bool:
    """Whether a method is a network to be trained on this data set."""
    return method_of(method).trained and recipe_of(data, method) is None


def _elsewhere(data: Dataset, methods: list[str]) -> list[str]:
    """Those methods with LPBA40's weights; none where these do not fit the data set."""
    try:
        reason = misfit(Dataset.load(RECIPES), data)
    except InputError:  # no such protocol here
        return []
    return [] if reason else [trained_elsewhere(method, RECIPES) for method in methods]
