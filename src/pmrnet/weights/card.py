"""The model card of shipped weights, from their JSON: data, licence, protocol, results, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pmrnet.config import Stage
from pmrnet.dataset import Dataset
from pmrnet.methods import METHODS, method_of
from pmrnet.rows import PAPER_TABLES
from pmrnet.trained_weights import training_machines
from pmrnet.weights.passes import passes_of

# By data set: what it is called, whose it is, and what its weights have not seen.
_DATA = {
    "lpba40": (
        "LPBA40 (Shattuck et al., 2008)",
        "LPBA40 itself may be had from LONI for research only and is not contained",
        "LPBA40 is one scanner's images of healthy young adults, without cerebellum and brain stem",
    ),
    "oasis-trt": (
        "OASIS-TRT-20 of Mindboggle-101 (Klein and Tourville, 2012)",
        "the data set has terms of its own and is not contained",
        "OASIS-TRT-20 is twenty healthy young adults",
    ),
    "demo": (
        "built-in subjects, made from the ICBM152 template",
        "nothing else is contained",
        "the built-in subjects are one brain, deformed",
    ),
}
_OTHER = (
    "{}",
    "the data set has terms of its own and is not contained",
    "the weights know one data set",
)


def model_card(name: str, description: Mapping[str, Any], data: Dataset, method: str) -> str:
    """Card of weights as Markdown.

    Parameters
    ----------
    name
        That they are loaded by.
    description
        Their JSON, with the provenance of a training.
    data
        The data set that they are trained on.
    method
        The row that they belong to.
    """
    training, protocol = description["training"], data.protocol
    config, spacing = training["config"], description["spacing"]
    known, licence, unseen = _DATA.get(data.name, (_OTHER[0].format(data.name), *_OTHER[1:]))
    trained = f"{known}, {len(protocol.train)} subjects: {_span(protocol.train)}"
    chosen = _span(protocol.validation)
    if mixed := config.get("mix"):
        others = ", ".join(_DATA.get(other, (other,))[0] for other in mixed)
        trained += f"; mixed with {others}"
        chosen += " and the validation subjects of what was mixed in, data sets counting alike"
    steps = " and ".join(
        f"{Stage(**stage).steps_taken} steps at {stage['spacing']} mm"
        + (f" with {stage['passes']} pass" if stage.get("passes") else "")
        for stage in config["stages"]
    )
    start = f", from the weights {config['init']}" if config.get("init") else ""
    changes = ", images changed at random" if config.get("augment") else ""
    if config.get("labels"):
        changes += ", labels of the training subjects in the loss"
    best = training["best"]
    score = f", validation Dice {best['val_dice']:.3f}" if "val_dice" in best else ""
    if score and mixed:
        score += " (the mean of the data sets', which compares with no other card's)"
    machines = ", then ".join(training_machines(training))
    rows = {
        "load": "`from pmrnet.weights import load_network; network, description = "
        f'load_network("{name}")`',
        "input": "two skull-stripped T1 images, affinely aligned to ICBM152 by `make data` or "
        "`pmrnet register`, intensities whitened and brought to [0, 1], at "
        f"{spacing:g} mm on a grid of multiples of {_multiple(description['network'])}",
        "output": f"displacement at {spacing:g} mm (`Registrar` brings it to 1 mm), moved image"
        + ("" if description["network"]["type"] == "faim" else ", velocity on half the grid"),
        **_passes(description),
        "training data": f"{trained}; weights chosen on {chosen}{score}",
        "training": f"{steps}, batch of one pair, seed {training['seed']}{start}{changes}; "
        f"{training['seconds']} s on {machines}",
        "code of the training": ", then ".join(_code(training)),
        "protocol": f"{protocol.name}, hash {protocol.hash}: {_span(protocol.test)}, "
        f"{len(protocol.pairs('test'))} ordered pairs, {len(protocol.labels)} labels, scored in "
        "the fixed image's own grid",
        "results": f"`{data.experiments}/{PAPER_TABLES.get(data.name, 'table')}.md`, from "
        + " and ".join(f"`{data.results}/{row}/`" for row in _rows(description, method)),
        "licence of the weights": f"Apache-2.0; {licence}",
    }
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{method_of(method).title} as trained by `{data.experiment(method)}`; the JSON "
            "beside this file holds the network, the SHA-256 of the weights and the whole "
            "provenance of the training. `pmrnet ship` wrote this card.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {key} | {value} |" for key, value in rows.items()),
            "",
            f"Limits: {unseen}. {_never_shown(config)} One seed.",
            "",
        ]
    )


def _passes(description: Mapping[str, Any]) -> dict[str, str]:
    """How often the network should look, where that is not as often as it was trained to."""
    if description.get("passes") is None:
        return {}
    trained = passes_of(description)
    return {"passes": f"{description['passes']} in `pmrnet register`, trained with {trained}"}


def _rows(description: Mapping[str, Any], method: str) -> list[str]:
    """Rows of the table with these weights as they were trained and as registrations use them.

    Without options, that is.
    """
    passes = description.get("passes")
    used = [
        name
        for name, shown in METHODS.items()
        if shown.uses == method
        and shown.passes == passes
        and not (shown.refined or shown.symmetric)
    ]
    return [method, *used]


def _code(training: Mapping[str, Any]) -> list[str]:
    """Commit and backend of each start of a training, those that differ."""
    changes = {True: " with changes", False: ""}
    found = []
    for start in training.get("starts") or [training]:
        git = start.get("git") or {}
        commit = str(git.get("commit", "unknown"))[:12]
        changed = changes.get(git.get("dirty"), ", changes to it unknown")
        found.append(f"commit {commit}{changed}, on {start.get('backend', 'an unknown backend')}")
    return list(dict.fromkeys(found))


def _never_shown(config: Mapping[str, Any]) -> str:
    """What no training image was, and what is known from simulated ones alone."""
    never, simulated = ["pathology", "children", "other modalities"], []
    augment = config.get("augment") or {}
    if "demo" in (config.get("mix") or ()):
        simulated.append("whole brains")
    (simulated if augment.get("contrast") else never).append("other contrasts")
    misaligned = "images that are not affinely aligned"
    (simulated if augment.get("rotation_degrees") else never).append(misaligned)
    never.append("images that are not skull-stripped")
    said = f"{_listed(never)} were never shown".capitalize()
    return f"{said}, {_listed(simulated)} only as simulated." if simulated else f"{said}."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _multiple(settings: Mapping[str, Any]) -> int:
    """Voxels of which every size of a network's images is a multiple."""
    from pmrnet.nn.build import build_network

    return build_network(settings).multiple


def _span(names: tuple[str, ...] | list[str]) -> str:
    """First and last of many names, or all of a few."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]}"
