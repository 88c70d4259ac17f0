"""Which file belongs to which subject, by how the paths repeat themselves.

A way of naming subjects, such as "by the folders below the first", cuts each path into the
subject's name and the rest, the pattern. Under the right one the same few patterns come back for
every subject; under a wrong one there are about as many patterns as files.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pmrnet.data.draft.roles import role_of, tells_processing, tells_role, tokens
from pmrnet.data.draft.search import VolumeFile

#: stands for the subject's name in a pattern
STAR = "*"

_BIDS = re.compile(r"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")
_PIECE = re.compile(r"[^A-Za-z0-9]*[A-Za-z0-9]+")


@dataclass(frozen=True)
class Named:
    """A file whose subject is known.

    Attributes
    ----------
    file
        The volume.
    subject
        Name of its subject.
    folders, stem
        Where it lies and what it is called, with `STAR` for the subject's name.
    prefix
        The folders before the subject's name.
    """

    file: VolumeFile
    subject: str
    folders: tuple[str, ...]
    stem: str
    prefix: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """What the files of all subjects that correspond to this one have in common."""
        return "/".join((*self.folders, self.stem))


Naming = Callable[[VolumeFile], Named | None]


def name_subjects(files: Sequence[VolumeFile]) -> tuple[list[Named], list[VolumeFile]]:
    """Tell the files' subjects.

    Parameters
    ----------
    files
        The volumes of a folder.

    Returns
    -------
    list of Named
        Files with a subject, in the order given.
    list of VolumeFile
        Files that lie beside the subjects' and belong to none.
    """
    named = _best(files)
    if _collides(named):
        named = [_qualified(n) for n in named]
    paths = {n.file.path for n in named}
    return named, [file for file in files if file.path not in paths]


def _best(files: Sequence[VolumeFile]) -> list[Named]:
    """The files' subjects by the naming whose patterns repeat themselves most."""
    bids = _apply(_by_entity, files)
    if len(bids) >= len(files) / 2:
        return bids
    deepest = max(len(file.folders) for file in files)
    ways = [_apply(_by_folder(depth), files) for depth in range(deepest)]
    ways.append(_by_file_name(files))
    # The first of the best: the outermost folder, and folders before file names.
    return max(ways, key=lambda way: _repetition(way, len(files)))


def _apply(naming: Naming, files: Sequence[VolumeFile]) -> list[Named]:
    return [named for file in files if (named := naming(file)) is not None]


def _repetition(named: Sequence[Named], files: int) -> float:
    """Mean number of files of a pattern; a file without subject is a pattern of its own."""
    patterns = len({n.pattern for n in named}) + files - len(named)
    return len(named) / patterns


def _is_name(text: str) -> bool:
    """Whether it can be a subject's name, and is not a kind of file, such as images or atlas."""
    words = tokens(text)
    return not all(tells_role(word) for word in words) and not words[0].startswith("fsaverage")


def _starred(text: str, name: str) -> str:
    """Text with the name as a whole word replaced by `STAR`."""
    word = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
    return re.sub(word, STAR, text)


def _by_entity(file: VolumeFile) -> Named | None:
    """BIDS: the part ``sub-01`` of the path, wherever it is."""
    found = _BIDS.search("/".join((*file.folders, file.stem)))
    if not found:
        return None
    name = found.group()
    folders = tuple(_starred(folder, name) for folder in file.folders)
    return Named(file, name, folders, _starred(file.stem, name))


def _by_folder(depth: int) -> Naming:
    def naming(file: VolumeFile) -> Named | None:
        if len(file.folders) <= depth:
            return None
        name = file.folders[depth]
        if not _is_name(name):
            return None
        before, after = file.folders[:depth], file.folders[depth + 1 :]
        inner = tuple(_starred(folder, name) for folder in after)
        return Named(file, name, (*before, STAR, *inner), _starred(file.stem, name), before)

    return naming


def _by_file_name(files: Sequence[VolumeFile]) -> list[Named]:
    """Subjects by the first words of the files' names, else by what is left without role words."""
    longest = max(len(_pieces(file.stem)) for file in files)
    for count in range(1, longest + 1):
        named = _apply(_by_first_words(count), files)
        subjects = Counter(n.subject for n in named)
        several = sum(number > 1 for number in subjects.values())
        if len(subjects) > 1 and several >= len(subjects) / 2 and _are_kinds(named, len(subjects)):
            return named
    return _apply(_by_core, files)


def _are_kinds(named: Sequence[Named], subjects: int) -> bool:
    """Whether the patterns are kinds of files, rather than the subjects' names themselves."""
    kinds = {(n.folders, n.stem) for n in named}
    told = [kind for kind in kinds if role_of("/".join(kind[0]), kind[1])[0] is not None]
    return len(kinds) < subjects or len(told) > len(kinds) / 2


def _pieces(stem: str) -> list[str]:
    """Words of a name, each with the separators before it."""
    return _PIECE.findall(stem)


def _by_first_words(count: int) -> Naming:
    def naming(file: VolumeFile) -> Named | None:
        pieces = _pieces(file.stem)
        name = "".join(pieces[:count])
        return _in_file_name(file, name, STAR + "".join(pieces[count:]))

    return naming


def _by_core(file: VolumeFile) -> Named | None:
    pieces = _pieces(file.stem)
    core = [piece for piece in pieces if not tells_role(tokens(piece)[0])]
    name = re.sub(r"^[^A-Za-z0-9]+", "", "".join(core))
    rest = "".join(piece for piece in pieces if piece not in core)
    return _in_file_name(file, name, STAR + rest)


def _in_file_name(file: VolumeFile, name: str, stem: str) -> Named | None:
    if not _is_name(name):
        return None
    folders = tuple(_starred(folder, name) for folder in file.folders)
    return Named(file, name, folders, stem, folders)


def _collides(named: Sequence[Named]) -> bool:
    """Whether a name stands for several subjects: the same image in two sites' folders, say."""
    # By what the folders before the subject tell: those of images, and those that tell nothing.
    images: dict[tuple[str, tuple[str, ...], str], dict[bool, set[tuple[str, ...]]]]
    images = defaultdict(lambda: {True: set(), False: set()})
    for n in named:
        if role_of("/".join(n.folders), n.stem)[0] not in ("image", None):
            continue
        if any(tells_processing(token) for token in tokens(" ".join(n.prefix))):
            continue
        told = role_of("/".join(n.prefix), "")[0] == "image"
        images[n.subject, n.folders[len(n.prefix) :], n.stem][told].add(n.prefix)
    # Beside a folder of images, one of unknown kind holds something else of the same subjects.
    return any(len(prefixes[True] or prefixes[False]) > 1 for prefixes in images.values())


def _qualified(named: Named) -> Named:
    """The same with the folders before the subject as a part of its name, but kinds of files."""
    before = [part for part in named.prefix if part != STAR]
    kinds = [part for part in before if all(tells_role(word) for word in tokens(part))]
    names = [part for part in before if part not in kinds]
    after = named.folders[len(named.prefix) :]
    return Named(named.file, "_".join((*names, named.subject)), (STAR, *kinds, *after), named.stem)
