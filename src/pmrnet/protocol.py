"""Evaluation protocols: subjects, splits, labels and groups.

A protocol is locked by its hash. Every stored result carries it, so that numbers which were not
scored alike are never put into one table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pmrnet.data.section import DataSection
from pmrnet.errors import InputError
from pmrnet.protocol_file import SCORING, SPLITS, read_protocol
from pmrnet.provenance import sha256_of


@dataclass(frozen=True)
class Protocol:
    """Who is registered to whom, and how the result is scored.

    Attributes
    ----------
    name : str
        Name of the protocol, for example ``lpba40``.
    train, validation, test : tuple of str
        Subject names, no subject in two splits. `test` may be empty: there is nothing to score.
    labels : dict of int to str
        The scored labels and their names; empty for data without labels.
    groups : dict of str to tuple of int
        Regions of a table: every label is a key of `labels`.
    spacing_mm : float
        Spacing of the network grid on which displacements are given, in millimetres.
    merge : dict of int to int
        Labels that count as another one, a key of `labels`, before anything is scored.
    not_scored : dict of int to str
        Labels that are known and left out. Not part of the hash.
    data : DataSection
        Where the volumes come from. Of it the space alone is part of the hash, if it is not native.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    labels: dict[int, str] = field(hash=False)
    groups: dict[str, tuple[int, ...]] = field(hash=False)
    spacing_mm: float = 1.0
    merge: dict[int, int] = field(default_factory=dict, hash=False)
    not_scored: dict[int, str] = field(default_factory=dict, hash=False)
    data: DataSection = field(default_factory=DataSection)

    @classmethod
    def load(cls, path_or_name: str | os.PathLike[str]) -> Protocol:
        """Read and check a protocol.

        Parameters
        ----------
        path_or_name : path-like
            A YAML file, or a name such as ``lpba40``, which stands for ``data_splits/lpba40.yaml``
            in the current folder or, failing that, in the project's.

        Returns
        -------
        Protocol

        Raises
        ------
        InputError
            If the file is missing or not YAML, or if a key is missing, unknown, of the wrong type
            or contradicts another; the message names the file and the key.
        """
        return cls(**read_protocol(_find(path_or_name)))

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of all that can change a score.

        The name is part of it, since two data sets may well name their subjects alike; texts and
        the order of lists are not.
        """
        content: dict[str, object] = {"name": self.name}
        content |= {split: sorted(getattr(self, split)) for split in SPLITS}
        content["labels"] = sorted(self.labels)
        content["groups"] = {name: sorted(members) for name, members in self.groups.items()}
        content["scoring"] = {**SCORING, "spacing_mm": float(self.spacing_mm)}
        # Only where there is one, so that protocols without keep the hash that results carry.
        if self.merge:
            content["merge"] = sorted(self.merge.items())
        if self.data.space != "native":
            content["space"] = self.data.space
        return sha256_of(content)[:12]

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """All ordered pairs (moving, fixed) of two different subjects of a split.

        Parameters
        ----------
        split : {"train", "validation", "test"}

        Returns
        -------
        list of (str, str)
            ``n * (n - 1)`` pairs for `n` subjects, in the protocol's order.

        Raises
        ------
        InputError
            If there is no such split.
        """
        if split not in SPLITS:
            raise InputError(
                f"Expected a split among {', '.join(SPLITS)}, found {split!r}: name one of them."
            )
        subjects: tuple[str, ...] = getattr(self, split)
        return [(moving, fixed) for moving in subjects for fixed in subjects if moving != fixed]


def _find(path_or_name: str | os.PathLike[str]) -> Path:
    given = Path(path_or_name)
    if given.suffix in {".yaml", ".yml"} or len(given.parts) != 1:
        if given.is_file():
            return given
        raise InputError(f"Expected a protocol file at {given}, found none: check the path.")
    folders = [Path("data_splits"), Path(__file__).resolve().parents[2] / "data_splits"]
    for folder in folders:
        if (folder / f"{given}.yaml").is_file():
            return folder / f"{given}.yaml"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    names = ", ".join(known) or "none found in data_splits, as outside of the project's folder"
    raise InputError(
        f"Expected the name of a protocol ({names}) or "
        f"the path of a YAML file, found {str(given)!r}: give one of these."
    )
