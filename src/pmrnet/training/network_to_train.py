"""The network of an experiment as a training begins with it, its settings checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pmrnet.config import Experiment, Stage
from pmrnet.errors import InputError
from pmrnet.label_supervision import LabelSupervision
from pmrnet.nn.build import build_objective, network_with_weights
from pmrnet.nn.cascade import CascadedNetwork
from pmrnet.nn.growing import GROWING, coarser_settings, grow
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.trained_weights import training_cost
from pmrnet.training.validation_callback import DataSet
from pmrnet.weights import load_network


def network_to_train(
    experiment: Experiment, data_sets: Sequence[DataSet]
) -> tuple[RegistrationNetwork, dict[str, Any]]:
    """Build an experiment's network with its objective and the weights that it starts from.

    Parameters
    ----------
    experiment
        Network, objective, stages and weights to start from; its seed is not set here.
    data_sets
        Whose images the network is to take.

    Returns
    -------
    network
        With random weights, or those that the experiment names.
    start
        What the weights that it started from are, under the key ``init``; empty for random ones.

    Raises
    ------
    InputError
        If the network, its objective, the passes of a stage, the images' size or the weights do
        not fit together; the message names the experiment.
    """
    try:
        supervision = supervision_of(experiment)
        network = network_with_weights(
            experiment.network,
            build_objective(experiment.objective),
            supervision.weight if supervision else 0.0,
        )
        _check_grids(network, experiment, data_sets)
        for stage in experiment.stages:
            _check_passes(network, stage, experiment)
        return network, _start_from(network, experiment) if experiment.init else {}
    except InputError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from error


def supervision_of(experiment: Experiment) -> LabelSupervision | None:
    """How labels enter the loss; None where they do not."""
    return LabelSupervision(**experiment.labels) if experiment.labels else None


def _check_grids(
    network: RegistrationNetwork, experiment: Experiment, data_sets: Sequence[DataSet]
) -> None:
    """Refuse images that the network cannot halve as often as it wants, before any work."""
    for _, subjects in data_sets:
        subject = next(iter(subjects.values()))
        for stage in experiment.stages:
            if stage.spacing % subject.spacing:
                raise InputError(
                    f"spacing: expected a multiple of the {subject.spacing:g} mm that the volumes "
                    f"are stored at, found {stage.spacing}; choose another spacing."
                )
            shape = tuple(n * subject.spacing / stage.spacing for n in subject.image.shape)
            if any(n % network.multiple for n in shape):
                raise InputError(
                    f"spacing: expected images of multiples of {network.multiple} voxels for this "
                    f"network, found {' x '.join(f'{n:g}' for n in shape)} at {stage.spacing} mm; "
                    "choose another spacing, or another shape of the data."
                )


def _check_passes(network: RegistrationNetwork, stage: Stage, experiment: Experiment) -> None:
    """Refuse a stage of more passes than the network has."""
    cascaded = isinstance(network, CascadedNetwork)
    if stage.passes is None or (cascaded and stage.passes <= network.passes):
        return
    expected = f"{network.passes} or fewer passes" if cascaded else "no passes"
    raise InputError(
        f"stage: expected {expected} for this network {experiment.network['type']}, found "
        f"{stage.passes}; correct the stage, or the passes of the network."
    )


def _start_from(network: RegistrationNetwork, experiment: Experiment) -> dict[str, Any]:
    """Give the network the weights that the experiment names; says which they were.

    They are of its own network, or of the one for half the resolution that it grows from; the
    number of passes may differ, which take the same weights.
    """
    found, description = load_network(experiment.init)
    spacing, theirs = experiment.stages[0].spacing, description["network"]
    theirs, ours = _of_one_pass(theirs), _of_one_pass(experiment.network)
    if theirs == ours:
        network.set_weights(found.get_weights())
    elif (
        theirs.get("type") in GROWING
        and theirs == coarser_settings(ours)
        and description["spacing"] == 2 * spacing
    ):
        grow(network, found)
    else:
        raise InputError(
            f"init: expected weights of the experiment's network {ours}, or, at "
            f"{2 * spacing} mm, of the one without its finest level ({', '.join(GROWING)}), found "
            f"{experiment.init}, which are of {theirs} at {description['spacing']} mm; make them "
            "agree."
        )
    cost = training_cost(description.get("training", {}))
    return {"init": {"weights": experiment.init, "sha256": description["sha256"], **cost}}


def _of_one_pass(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("passes", "coarse_passes")}
