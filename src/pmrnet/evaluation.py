"""Scoring a registration method by a locked protocol, pair by pair, resuming after a kill."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pmrnet.errors import InputError
from pmrnet.folder_lock import folder_lock
from pmrnet.label_warp import ScoredSubject, header_moved_labels, moved_labels
from pmrnet.partial_result import PartialResult
from pmrnet.protocol import Protocol
from pmrnet.provenance import sha256_of
from pmrnet.results import Result, load_result, write_result
from pmrnet.scoring import Alignment, DisplacementFunction, SubjectCache, score_pair

__all__ = [
    "ScoredSubject",
    "evaluate",
    "header_moved_labels",
    "identity_of",
    "moved_labels",
    "score_pair",
]


def evaluate(
    method_name: str,
    pairs: Sequence[tuple[str, str]],
    subjects: Mapping[str, ScoredSubject],
    displacement_fn: DisplacementFunction | None,
    protocol: Protocol,
    out_folder: str | os.PathLike[str],
    provenance: Mapping[str, Any],
    network_images: Callable[[str], NDArray] | None = None,
    *,
    alignment: Alignment = "affine",
    overwrite: bool = False,
    progress: bool = True,
    hd95: bool = True,
) -> Result:
    """Register and score pairs of subjects; store the result.

    Parameters
    ----------
    method_name : str
        Name of the method, as the result carries it.
    pairs : sequence of (str, str)
        Ordered pairs (moving, fixed), usually ``protocol.pairs("test")``.
    subjects : mapping of str to ScoredSubject
        The subjects by name.
    displacement_fn : callable or None
        ``displacement_fn(moving, fixed)`` returns the displacement field, shape (X, Y, Z, 3), in
        voxels of the network grid, of the map that moves the moving subject onto the fixed one.
        None for no deformation.
    protocol : Protocol
        Labels to score and what else the result is tied to.
    out_folder : path-like
        Where the result is stored; see `pmrnet.results` for the files.
    provenance : mapping
        From `pmrnet.provenance.collect`; its weights, configuration and data are part of the
        result's identity.
    network_images : callable, optional
        ``network_images(name)`` returns a subject's image on the network grid, shape (X, Y, Z),
        whose voxels above 0 are the brain. Needed with `displacement_fn` only.
    alignment : {"affine", "header"}
        "header" scores the labels where the files' headers put them, without the affine
        alignment: the row "no registration" of a table. It excludes a `displacement_fn`.
    overwrite : bool
        Replace a finished result, whatever its identity.
    progress : bool
        Show a progress bar on the terminal.
    hd95 : bool
        Measure the distance of the labels' surfaces too. It is no part of the identity: a finished
        result without it stays as it is until it is overwritten.

    Returns
    -------
    Result
        The stored one, without any computing, if it is finished and of the same identity. Pairs
        that an interrupted evaluation of the same identity has finished are not computed again.

    Raises
    ------
    InputError
        If the folder holds a finished result of another identity and `overwrite` is false or
        another process evaluates into it, a subject is missing or its labels do not fit its grid,
        or a displacement field has another shape than the network image or is not finite.

    Notes
    -----
    Deformation figures are taken on the network grid; without a deformation they are 0 and the
    seconds are empty. Seconds are those of `displacement_fn` alone, which in the first pair may
    include compilation.
    """
    if alignment == "header" and displacement_fn is not None:
        raise ValueError(
            "a displacement field lives on the aligned grid, not in the headers' space"
        )
    if displacement_fn is not None and network_images is None:
        raise ValueError("network_images is needed to count folding within the brain")
    _check_pairs(pairs, subjects)
    identity = identity_of(method_name, pairs, protocol, provenance, alignment)
    if not overwrite and (stored := _stored(out_folder, identity)) is not None:
        return stored
    cache = SubjectCache(subjects, network_images)
    start = {key: provenance.get(key) for key in ("git", "backend", "packages", "machine")}
    with folder_lock(Path(out_folder), "evaluation"):
        # Another process may have finished between the first look and the lock.
        if not overwrite and (stored := _stored(out_folder, identity)) is not None:
            return stored
        with PartialResult(out_folder, identity, start) as partial, _bar(progress) as bar:
            # A pair that was scored without HD95 is scored again where it is wanted now.
            done = {pair for pair, r in partial.records.items() if not hd95 or "hd95" in r}
            task = bar.add_task(method_name, total=len(pairs), completed=len(done))
            for moving, fixed in pairs:
                if (moving, fixed) not in done:
                    partial.append(
                        score_pair(moving, fixed, cache, displacement_fn, protocol, alignment, hd95)
                    )
                    bar.advance(task)
            # One that was stopped may have gone on elsewhere, or with other code.
            several = {"starts": partial.starts} if len(partial.starts) > 1 else {}
            write_result(
                out_folder,
                method_name,
                {"name": protocol.name, "hash": protocol.hash},
                identity,
                {**provenance, **several},
                list(partial.records.values()),
            )
            partial.remove()
    result = load_result(out_folder)
    assert result is not None
    return result


def _stored(out_folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> Result | None:
    """The finished result of this identity; refuses a folder that has one of another."""
    stored = load_result(out_folder)
    if stored is None or stored.identity == identity:
        return stored
    keys = identity.keys() | stored.identity.keys()
    other = sorted(k for k in keys if identity.get(k) != stored.identity.get(k))
    raise InputError(
        f"Expected no other result in {os.fspath(out_folder)}, found one that differs in "
        f"{', '.join(other)}: pass overwrite to replace it, or use another folder."
    )


def identity_of(
    method_name: str,
    pairs: Sequence[tuple[str, str]],
    protocol: Protocol,
    provenance: Mapping[str, Any],
    alignment: Alignment = "affine",
) -> dict[str, Any]:
    """Say what makes a stored result this one and no other: method, protocol, weights, data.

    Parameters
    ----------
    method_name, pairs, protocol, provenance, alignment
        As in `evaluate`.

    Returns
    -------
    dict
        Of JSON types. Code and library versions are recorded in the provenance and are not part
        of it: they do not make stored results unusable.
    """
    return {
        "method": method_name,
        "protocol_hash": protocol.hash,
        "alignment": alignment,
        "weights_sha256": provenance.get("weights_sha256"),
        "config_sha256": provenance.get("config_sha256"),
        "data_sha256": sha256_of(provenance.get("data")),
        "pairs_sha256": sha256_of(sorted(map(list, pairs))),
    }


def _check_pairs(pairs: Sequence[tuple[str, str]], subjects: Mapping[str, ScoredSubject]) -> None:
    if not pairs or len(set(pairs)) != len(pairs):
        raise InputError(
            f"Expected pairs to register, none twice, found {len(pairs)} with {len(set(pairs))} "
            "different ones: correct the list."
        )
    missing = sorted({name for pair in pairs for name in pair} - set(subjects))
    if missing:
        raise InputError(
            f"Expected the subjects of all pairs, found none of {', '.join(missing)}: prepare "
            "them first."
        )


def _bar(show: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # On the error stream: the standard output is for what the user may want to keep.
    return Progress(*columns, console=Console(file=sys.stderr), disable=not show)
