"""A little of everything: few subjects, few steps, one scored pair; enough to look at."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pmrnet.dataset import Dataset
from pmrnet.methods import ALIGNMENTS, method_of
from pmrnet.protocol import Protocol
from pmrnet.summary import pair_scores

if TYPE_CHECKING:
    from pmrnet.figures.material import Pair
    from pmrnet.nn.network import RegistrationNetwork


def make_built_in(data: Dataset, test: tuple[str, ...], train: tuple[str, ...] = ()) -> Protocol:
    """Make some of the built-in subjects, about 5 s each; those that are there are kept.

    Parameters
    ----------
    data
        The built-in data set.
    test, train
        Names of subjects.

    Returns
    -------
    Protocol
        That of the data set with these subjects alone, so that its hash and its results are others.
        Where all subjects are there already, the data set's own.
    """
    from pmrnet.data.phantom import make_demo_dataset

    protocol = data.protocol
    everyone = (*protocol.train, *protocol.validation, *protocol.test)
    if all((data.prepared / name / "subject.json").is_file() for name in everyone):
        return protocol
    few = replace(protocol, train=train, validation=(), test=test)
    make_demo_dataset(Path("data/raw") / data.source, data.prepared, few)
    return few


def score_pair_here(pair: Pair, methods: tuple[str, ...] = ("none", "affine", "pmrnet")) -> dict:
    """Score methods on one pair, both ways, without storing anything.

    Parameters
    ----------
    pair
        What `pmrnet.figures.material.load_pair` gives.
    methods
        Names: `none`, `affine`, and ones with weights.

    Returns
    -------
    dict of str to pandas.DataFrame
        By title, what `pmrnet.summary.pair_scores` gives for the two ordered pairs.

    Raises
    ------
    InputError
        If a method has no weights.
    """
    from pmrnet.evaluation import evaluate
    from pmrnet.figures.material import load_method
    from pmrnet.inference import registrar_of

    subjects = {subject.name: subject for subject in (pair.moving, pair.fixed)}
    protocol = replace(pair.protocol, train=(), validation=(), test=tuple(subjects))
    scores: dict[str, pd.DataFrame] = {}
    for method in methods:
        registrar = None
        if method not in ALIGNMENTS:
            network, description, _ = load_method(pair.dataset.given, method)
            registrar = registrar_of(method, network, description)
        with tempfile.TemporaryDirectory() as folder:
            result = evaluate(
                method,
                protocol.pairs("test"),
                subjects,
                registrar.displacement if registrar else None,
                protocol,
                folder,
                {},
                network_images=lambda name: subjects[name].image,
                alignment=ALIGNMENTS.get(method, "affine"),
                progress=False,
                hd95=False,
            )
        scores[method_of(method).title] = pair_scores(result, protocol)
    return scores


def train_a_little(data: Dataset, steps: int = 20) -> RegistrationNetwork:
    """Train PMR-Net for a few steps on two training subjects: enough to see that it works.

    Parameters
    ----------
    data
        A data set; of the built-in one, the two subjects are made where they are not there yet.
    steps
        Optimiser steps.

    Returns
    -------
    RegistrationNetwork
        With weights; `make demo` trains in earnest.

    Raises
    ------
    InputError
        If the data set has no experiment, or its subjects are not prepared.
    """
    import keras

    from pmrnet.config import Experiment
    from pmrnet.nn.build import network_with_weights
    from pmrnet.nn.objective import Objective
    from pmrnet.training.pairs import PairSequence

    experiment = Experiment.load(data.experiment("pmrnet"))
    names = data.protocol.train[:2]
    if data.name == "demo":
        make_built_in(data, test=(), train=names)
    spacing = experiment.stages[0].spacing
    images = [subject.image_at(spacing) for subject in data.subjects(names).values()]
    keras.utils.set_random_seed(experiment.seed)
    network = network_with_weights(experiment.network, Objective(**experiment.objective))
    network.compile(
        optimizer=keras.optimizers.Adam(experiment.stages[0].learning_rate),
        # As in training: XLA is slow at 3D convolutions on a CPU, and JAX has nothing else.
        jit_compile=keras.backend.backend() == "jax",
    )
    network.fit(PairSequence(images, steps=steps, seed=experiment.seed), verbose=0)
    return network
