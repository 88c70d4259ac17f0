"""The brains that a template is built of, as a command line or a list names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pmrnet.csv_list import check_names, listed_files, read_rows
from pmrnet.data.formats import image_stem
from pmrnet.errors import InputError


@dataclass(frozen=True)
class TemplateSubject:
    """A brain's files, absolute paths; without a mask the image is skull-stripped."""

    name: str
    image: Path
    mask: Path | None = None


def list_subjects(given: Sequence[Path]) -> list[TemplateSubject]:
    """Name and check the brains.

    Parameters
    ----------
    given
        Images; or a ``.txt`` file alone, with a path a line, lines of ``#`` left out; or a ``.csv``
        file alone, with the column image and perhaps mask and name. Paths in a list are relative
        to its folder. A brain without a name is called as its file or, where several files are
        called alike, as its folders and file, with as many folders as tell them apart.

    Returns
    -------
    list of TemplateSubject
        By name, so that the order in which they are given does not matter.

    Raises
    ------
    InputError
        If a list cannot be read, a file is missing, two brains have one name, or there are fewer
        than two.
    """
    folder, rows = Path(), [(str(path), {"image": str(path)}) for path in given]
    if len(given) == 1 and given[0].suffix.lower() in (".txt", ".csv"):
        folder, rows = given[0].parent, _read_list(given[0])
    files = listed_files(rows, ("image", "mask"), folder)
    found = _names_of([own["image"] for own in files])
    names = [row.get("name") or name for (_, row), name in zip(rows, found, strict=True)]
    check_names(names, [where for where, _ in rows])
    if len(names) < 2:
        raise InputError(
            f"Template: expected two brains or more, found {len(names)}; name their images, or one "
            "list that ends in .txt or .csv."
        )
    subjects = [TemplateSubject(name, **own) for name, own in zip(names, files, strict=True)]
    return sorted(subjects, key=lambda subject: subject.name)


def _names_of(images: Sequence[Path]) -> list[str]:
    """Name files by their stems, and those that are called alike by their folders, too."""
    names = [image_stem(image) for image in images]
    counts = Counter(name.casefold() for name in names)
    alike = [place for place, name in enumerate(names) if counts[name.casefold()] > 1]
    folders = [images[place].parent.parts[1:] for place in alike]
    for depth in range(1, max(map(len, folders), default=0) + 1):
        pairs = zip(alike, folders, strict=True)
        longer = ["_".join((*own[-depth:], names[place])) for place, own in pairs]
        if len({name.casefold() for name in longer}) == len(longer):
            break
    else:
        return names
    for place, name in zip(alike, longer, strict=True):
        names[place] = name
    return names


def _read_list(path: Path) -> list[tuple[str, dict[str, str]]]:
    if path.suffix.lower() == ".csv":
        return read_rows(path, ("image",), ("mask", "name"))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a list of files in UTF-8, found otherwise ({error}); check the path."
        ) from error
    return [
        (f"{path}, line {number}", {"image": line.strip()})
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
