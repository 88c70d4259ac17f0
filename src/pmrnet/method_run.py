"""How a method registers the subjects of a data set, and what its record says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pmrnet.dataset import Dataset
from pmrnet.methods import ALIGNMENTS, method_of
from pmrnet.optimised import Optimised, recipe_of
from pmrnet.process_memory import peak_memory_gib
from pmrnet.provenance import collect
from pmrnet.trained_weights import training_cost, training_machines, weights_of

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.scoring import Alignment, DisplacementFunction


@dataclass(frozen=True, eq=False)
class MethodRun:
    """A method that is ready to register.

    Attributes
    ----------
    displacement
        ``displacement(moving, fixed)``: (X, Y, Z, 3), voxels of the network grid. None for a
        method that computes no deformation.
    provenance
        See `pmrnet.provenance.collect`; `cost` is complete after the first registration.
    alignment
        How labels are aligned, see `pmrnet.evaluation.evaluate`.
    """

    displacement: DisplacementFunction | None
    provenance: dict[str, Any]
    alignment: Alignment = "affine"


def method_run(
    data: Dataset,
    method: str,
    subjects: Mapping[str, PreparedSubject],
    identity: Mapping[str, Any],
    weights: str | None = None,
) -> MethodRun:
    """Make a method ready to register.

    Parameters
    ----------
    data, method
        The data set and the method's name.
    subjects
        By name; a network is compiled on the first two.
    identity
        What the data are, for the record.
    weights
        See `pmrnet.trained_weights.weights_of`.

    Raises
    ------
    InputError
        If there are no weights, an experiment file is wrong, or a package is not installed.
    """
    if method in ALIGNMENTS:
        record = collect({"method": method}, identity, None, None, None)
        return MethodRun(None, record, ALIGNMENTS[method])
    recipe = None if weights else recipe_of(data, method)
    if recipe is not None:
        return _by_optimisation(Optimised.load(recipe), identity)
    return _by_network(method, weights_of(data.given, method, weights), subjects, identity)


def used_config(config: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Settings of a method: its training's, and of how it uses the network otherwise."""
    return {**config, **settings_of_use(method)}


def settings_of_use(method: str) -> dict[str, Any]:
    """Settings with which a method uses a network otherwise than it was trained, as JSON has them.

    Returns
    -------
    dict
        ``refinement``, settings, of a refined one; ``passes`` where it looks a number of times of
        its own; ``symmetric`` where it looks in both directions. Empty for all others.
    """
    from pmrnet.refinement_settings import Refinement

    shown, settings = method_of(method), {}
    if shown.refined:
        settings["refinement"] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(Refinement()).items()
        }
    if shown.passes is not None:
        settings["passes"] = shown.passes
    if shown.symmetric:
        settings["symmetric"] = True
    return settings


def _by_optimisation(optimised: Optimised, identity: Mapping[str, Any]) -> MethodRun:
    registers = optimised.displacement_function()
    record = collect(optimised.as_dict(), identity, optimised.seed, None, None)
    record["packages"] |= optimised.versions()
    cost = record["cost"] = {}

    def displacement(moving: PreparedSubject, fixed: PreparedSubject) -> Any:
        field = registers(moving, fixed)
        # Of the first registration, before its scoring adds to it. One more to measure it by, as
        # networks have it, would take minutes.
        cost.setdefault("peak_memory_gib", peak_memory_gib())
        return field

    return MethodRun(displacement, record)


def _by_network(
    method: str,
    weights: str,
    subjects: Mapping[str, PreparedSubject],
    identity: Mapping[str, Any],
) -> MethodRun:
    from pmrnet.inference import registrar_of
    from pmrnet.weights import load_network

    shown = method_of(method)
    network, description = load_network(weights)
    training = description["training"]
    config = used_config(training["config"], method)
    registrar = registrar_of(method, network, description)
    first, second = list(subjects.values())[:2]
    registrar.displacement(first, second)  # compile before timing
    record = collect(config, identity, training["seed"], training["steps"], description["sha256"])
    trained = training_cost(training)
    record["cost"] = {
        "parameters": network.count_params(),
        "steps": trained["steps"],
        "training_seconds": trained["seconds"],
        "training_machines": training_machines(training),
        "peak_memory_gib": peak_memory_gib(),
    }
    if shown.trained_on is not None:
        record["trained_on"] = shown.trained_on
    return MethodRun(registrar.displacement, record)
