"""What the figures of a data set are drawn from: a test pair, networks, methods and scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.figures.built_in import make_built_in
from pmrnet.methods import ALIGNMENTS, METHODS, SHOWN, in_order, method_of, split_name
from pmrnet.optimised import Optimised, recipe_of
from pmrnet.protocol import Protocol
from pmrnet.results import Result, load_result
from pmrnet.rows import listed
from pmrnet.summary import pair_scores
from pmrnet.trained_weights import weights_of

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.figures.comparison import View
    from pmrnet.nn.network import RegistrationNetwork

BUILT_IN = "demo"
#: weights that do for the built-in subjects until there are ones trained on them
SUBSTITUTE = "lpba40-pmrnet"

#: in place of methods' names: every one
ALL = "all"


@dataclass(frozen=True, eq=False)
class Pair:
    """The first test pair of a data set.

    Attributes
    ----------
    dataset
        The data set.
    protocol
        Its protocol, with the test subjects that are used here.
    moving, fixed
        The prepared subjects.
    """

    dataset: Dataset
    protocol: Protocol
    moving: PreparedSubject
    fixed: PreparedSubject

    @property
    def title(self) -> str:
        """Say which pair it is."""
        return f"{self.dataset.name}: {self.moving.name} (moving) onto {self.fixed.name} (fixed)"

    def images(self, spacing: int) -> tuple[Any, Any]:
        """Both images (X, Y, Z) in [0, 1] at a spacing in mm."""
        return self.moving.image_at(spacing), self.fixed.image_at(spacing)


def load_pair(dataset: str, make: bool = False) -> Pair:
    """Find the first test pair of a data set.

    Parameters
    ----------
    dataset
        Name or YAML file.
    make
        Make the pair where the data set is the built-in one and it is not there yet: half a minute
        or less, in the folders where `make data DATASET=demo` puts all of them.

    Raises
    ------
    InputError
        If the data set has no two test subjects, or they are not prepared.
    """
    data = Dataset.load(dataset)
    if len(data.protocol.test) < 2:
        raise InputError(
            f"{dataset}: expected two test subjects or more to draw a pair of, found "
            f"{len(data.protocol.test)}; add some to `test:` in its file."
        )
    names = data.protocol.test[:2]
    protocol = data.protocol
    if make and data.name == BUILT_IN:
        protocol = make_built_in(data, test=names)
    subjects = data.subjects(names)
    return Pair(data, protocol, *(subjects[name] for name in names))


def load_method(
    dataset: str, method: str = "pmrnet"
) -> tuple[RegistrationNetwork, dict[str, Any], str]:
    """Load a method's network: trained here, shipped, or a substitute for the built-in subjects.

    Returns
    -------
    network : RegistrationNetwork
    description : dict
        See `pmrnet.weights.load_network`.
    source : str
        Which weights they are.

    Raises
    ------
    InputError
        If there are no weights.
    """
    from pmrnet.weights import load_network

    try:
        source = weights_of(dataset, method)
    except InputError:
        if Dataset.load(dataset).name != BUILT_IN or method != "pmrnet":
            raise
        source = SUBSTITUTE
    return (*load_network(source), source)


def build_method(dataset: str, method: str = "pmrnet") -> RegistrationNetwork:
    """Build the network of a method's experiment, without weights.

    Raises
    ------
    InputError
        If it has no experiment.
    """
    from pmrnet.config import Experiment
    from pmrnet.nn.build import network_with_weights

    experiment = Experiment.load(Dataset.load(dataset).experiment(method))
    return network_with_weights(experiment.network)


def stored_results(data: Dataset) -> dict[str, Result]:
    """Stored results by method; of the built-in data also those that `make demo` left."""
    found: dict[str, Result] = {}
    for folder in _result_folders(data):
        if folder.name not in found and (result := load_result(folder)) is not None:
            found[folder.name] = result
    return found


def _result_folders(data: Dataset) -> list[Path]:
    """Folders of stored results, called as their methods; the first of a name counts."""
    folders = [data.results]
    folders += [Path("runs/demo-report/results")] if data.name == BUILT_IN else []
    return [path.parent for of in folders for path in sorted(of.glob("*/result.json"))]


def shown_methods(data: Dataset, only: Sequence[str] | None = None) -> list[str]:
    """Methods of the figures of a data set, in the order of its table.

    Parameters
    ----------
    data
        The data set.
    only
        Names as in commands and files, such as `pmrnet-plus`, or `all` alone; None for those of
        `pmrnet.methods.SHOWN` and the data set's own.

    Raises
    ------
    InputError
        If one is named that the data set does not have.
    """
    known = in_order({*listed(data), *(folder.name for folder in _result_folders(data))})
    if only is None:
        return [method for method in known if _is_shown(method)]
    if list(only) == [ALL]:
        return known
    unknown = sorted(set(only) - set(known))
    if unknown or not only:
        raise InputError(
            f"figures of {data.name}: expected some of the methods {', '.join(known)}, found "
            f"{', '.join(unknown) or 'none'}; name those, or {ALL}."
        )
    return [method for method in known if method in only]


def _is_shown(method: str) -> bool:
    """Whether a method stands in a figure that names none."""
    name, elsewhere = split_name(method)
    if name not in METHODS:
        return elsewhere is None
    return name in SHOWN and (elsewhere is None or METHODS[name].home is not None)


def scores_of(
    data: Dataset, only: Sequence[str] | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Dice of every pair and region by title of the method, and why others have none.

    `only`: see `shown_methods`.
    """
    results = stored_results(data)
    scores, absent = {}, {}
    for method in shown_methods(data, only):
        title = method_of(method).title
        if method not in results:
            absent[title] = "no result stored"
        elif results[method].protocol_hash != data.protocol.hash:
            absent[title] = "its stored result is of another protocol"
        else:
            scores[title] = pair_scores(results[method], data.protocol)
    return scores, absent


def views_of(
    pair: Pair, only: Sequence[str] | None = None
) -> tuple[View, list[View], dict[str, str]]:
    """Apply every method that can be applied to a pair.

    Parameters
    ----------
    pair
        The pair.
    only
        See `shown_methods`.

    Returns
    -------
    fixed : View
    methods : list of View
        No registration, affine, the methods with weights and, of those that optimise every pair
        anew, the ones whose Dice of this pair is stored.
    absent : dict of str to str
        Titles of the others, and why.
    """
    from pmrnet.figures.comparison import view_of

    data, groups = pair.dataset, pair.protocol.groups
    methods = shown_methods(data, only)
    scored = dict(_pair_dice(pair))
    fixed = view_of("Fixed", pair.fixed, pair.fixed, None, groups)
    views, absent = [], {}
    for method in methods:
        title = method_of(method).title
        displacement = None
        if method not in ALIGNMENTS:
            try:
                displacement = _displacement(pair, method, method in scored)
            except InputError as reason:
                absent[title] = str(reason)
                continue
        views.append(
            view_of(
                title,
                pair.moving,
                pair.fixed,
                displacement,
                groups,
                header=ALIGNMENTS.get(method) == "header",
                dice=scored.get(method),
            )
        )
    return fixed, views, absent


def _displacement(pair: Pair, method: str, scored: bool) -> Any:
    """Field of a method for the pair; an InputError says in two words why there is none."""
    from pmrnet.inference import registrar_of

    recipe = recipe_of(pair.dataset, method)
    if recipe is not None:
        return _optimised(pair, recipe, scored)
    try:
        network, description, _ = load_method(pair.dataset.given, method)
    except InputError as error:
        raise InputError("no weights") from error
    return registrar_of(method, network, description).displacement(pair.moving, pair.fixed)


def _optimised(pair: Pair, recipe: Path, scored: bool) -> Any:
    """Minutes of work: only for what stands in the table."""
    if not scored:
        raise InputError("not scored")
    try:
        register = Optimised.load(recipe).displacement_function()
    except InputError as error:
        raise InputError("its package is not installed") from error
    return register(pair.moving, pair.fixed)


def _pair_dice(pair: Pair) -> Iterator[tuple[str, float]]:
    """Mean Dice over all labels of the pair, where a method's result is stored."""
    for method, result in stored_results(pair.dataset).items():
        table = result.pairs
        rows = (table["moving"] == pair.moving.name) & (table["fixed"] == pair.fixed.name)
        if rows.any() and result.protocol_hash == pair.protocol.hash:
            yield method, float(table.loc[rows, "dice"].mean())
