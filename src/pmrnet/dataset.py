"""A data set by its name or its YAML file: its protocol, and where its files are.

All paths are relative to the current folder, the project's root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pmrnet.data.prepared import PreparedSubject
from pmrnet.errors import InputError
from pmrnet.make_command import make_command
from pmrnet.protocol import Protocol

#: whose experiments anyone's own data set is trained with, unless it has its own
RECIPES = "lpba40"


@dataclass(frozen=True)
class Dataset:
    """What the commands need to know of a data set.

    Parameters
    ----------
    given
        Name or path as the user gave it, for messages.
    protocol
        Subjects, splits, labels, and where the volumes come from.
    """

    given: str
    protocol: Protocol

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Dataset:
        """Read the protocol: `data_splits/<name>.yaml`, or a YAML file of one's own.

        Raises
        ------
        InputError
            If there is none, it is wrong, or a file of one's own takes a shipped protocol's name.
        """
        given = os.fspath(name_or_path)
        protocol = Protocol.load(given)
        if given.endswith((".yaml", ".yml")) and protocol.data.source == "files":
            shipped = Path("data_splits") / f"{protocol.name}.yaml"
            if shipped.is_file() and shipped.resolve() != Path(given).resolve():
                raise InputError(
                    f"{given}: expected a name of its own, found {protocol.name!r}, which is the "
                    f"name of {shipped}; change `name:` in the file."
                )
        return cls(given, protocol)

    @property
    def name(self) -> str:
        """The protocol's name."""
        return self.protocol.name

    @property
    def source(self) -> str:
        """Name under which raw and prepared volumes are kept; protocols may share them."""
        source = self.protocol.data.source
        return self.name if source == "files" else source

    @property
    def prepared(self) -> Path:
        """Folder of the network-ready volumes."""
        space = self.protocol.data.space
        suffix = "" if space == "native" else f"-{space}"
        return Path("data/prepared") / f"{self.source}{suffix}"

    @property
    def experiments(self) -> Path:
        """Folder of the experiments, results and tables."""
        return Path("experiments") / self.name

    @property
    def results(self) -> Path:
        """Folder of the stored results."""
        return self.experiments / "results"

    def experiment(self, method: str) -> Path:
        """Experiment file of a method: the data set's own, else the recipe of LPBA40.

        Raises
        ------
        InputError
            If neither exists.
        """
        check_project()
        own = self.experiments / f"{method}.yaml"
        recipe = Path("experiments") / RECIPES / f"{method}.yaml"
        if own.is_file():
            return own
        if recipe.is_file():
            return recipe
        elsewhere = "" if own == recipe else f" there nor in {recipe}"
        raise InputError(
            f"{own}: expected an experiment file, found none{elsewhere}; choose a METHOD that has "
            "one."
        )

    def run(self, method: str) -> Path:
        """Folder of checkpoints, logs and weights of a training."""
        return Path("runs") / self.name / method

    def subjects(self, names: tuple[str, ...]) -> dict[str, PreparedSubject]:
        """Prepared subjects by name.

        Raises
        ------
        InputError
            If one of them is not prepared.
        """
        command = make_command("data", self.given)
        if not self.prepared.is_dir():
            raise InputError(
                f"{self.prepared}: expected the prepared volumes of {self.name}, found none; run "
                f"`{command}`."
            )
        absent = [name for name in names if not (self.prepared / name / "subject.json").is_file()]
        if absent:
            more = f" and {len(absent) - 4} more" if len(absent) > 4 else ""
            raise InputError(
                f"{self.prepared}: expected {len(names)} subjects of {self.name}, found no "
                f"{', '.join(absent[:4])}{more}; run `{command}` with a folder that has them."
            )
        subjects = {
            name: PreparedSubject.load(self.prepared / name, merge=self.protocol.merge)
            for name in names
        }
        # Files of one's own are one protocol's alone; the others share theirs.
        shared = self.protocol.data.source != "files"
        for subject in subjects.values() if shared else ():
            expected = tuple(n // subject.spacing for n in self.protocol.data.shape)
            if tuple(subject.image.shape) != expected:
                raise InputError(
                    f"{subject.folder}: expected an image of the protocol's {_voxels(expected)} "
                    f"voxels, found {_voxels(subject.image.shape)}, as another protocol of the "
                    f"same data has it; run `{command}`."
                )
        return subjects


def _voxels(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def check_project() -> None:
    """Refuse to look for experiments in a folder that is not the project's.

    Raises
    ------
    InputError
        If there is no folder of experiments in the current one.
    """
    if not Path("experiments").is_dir():
        raise InputError(
            f"{Path.cwd()}: expected the project's folder, with a folder experiments/ in it, found "
            "none; run the command there."
        )
