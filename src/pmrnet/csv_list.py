"""Lists of files in CSV: which columns there are, and which file each cell names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pmrnet.data.formats import check_file
from pmrnet.errors import InputError

# Reserved on some system, or a separator of folders.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def read_rows(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """Read a CSV file with a header.

    Parameters
    ----------
    path
        UTF-8, separated by commas. Empty lines are skipped, and blanks around a cell are dropped.
    required, optional
        Columns that it must and may have.

    Returns
    -------
    list of (str, dict)
        For every row, where it is, such as ``pairs.csv, line 3``, and its cells that are not empty.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing, unknown or there twice, a row has too many cells
        or a required one empty, or there is no row.
    """
    known = (*required, *optional)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
            lines = [(number, row) for number, row in rows if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{path}: expected a CSV file in UTF-8, found otherwise ({reason}); check the path and "
            "the file."
        ) from error
    header = lines[0][1] if lines else []
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in known]
    if missing or unknown or len(set(header)) != len(header):
        raise InputError(
            f"{path}: expected the columns {', '.join(required)} and perhaps "
            f"{', '.join(optional)}, separated by commas, found {', '.join(header) or 'none'}; "
            "correct its first line."
        )
    rows = []
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        if len(cells) > len(header):
            raise InputError(
                f"{where}: expected {len(header)} cells as in the header, found {len(cells)}; put "
                "names with a comma into quotation marks."
            )
        row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
        if empty := [name for name in required if name not in row]:
            raise InputError(f"{where}: expected a file for {empty[0]}, found none; fill it in.")
        rows.append((where, row))
    if not rows:
        raise InputError(f"{path}: expected a row below the header, found none; add one.")
    return rows


def listed_files(
    rows: Iterable[tuple[str, Mapping[str, str]]], columns: Sequence[str], folder: Path
) -> list[dict[str, Path]]:
    """Absolute paths of the files that rows name, by column, after a look at each.

    Parameters
    ----------
    rows
        From `read_rows`.
    columns
        Those that name files.
    folder
        What relative paths start from.

    Raises
    ------
    InputError
        If a file is missing or is no volume: the first that is at fault, and how many more are.
    """
    result, faults = [], []
    for where, row in rows:
        found = {}
        for column in columns:
            if column in row:
                found[column] = (folder / Path(row[column]).expanduser()).absolute()
                try:
                    check_file(found[column])
                except InputError as error:
                    faults.append(f"{where}, {column}: {error}")
        result.append(found)
    if faults:
        more = f" ({len(faults) - 1} more entries have faults)" if len(faults) > 1 else ""
        raise InputError(faults[0].rstrip(".") + more + ".")
    return result


def check_names(
    names: Sequence[str], where: Sequence[str], taken: Mapping[str, str] | None = None
) -> None:
    """Refuse names that cannot all be names of folders side by side.

    Parameters
    ----------
    names
        One for every row.
    where
        Where the row is, for the message.
    taken
        Names that the folders cannot have, and whose they are.

    Raises
    ------
    InputError
        If a name holds what a folder's cannot, or two are the same but for capitals.
    """
    seen = {name.casefold(): owner for name, owner in (taken or {}).items()}
    for name, place in zip(names, where, strict=True):
        if _FORBIDDEN.search(name) or name.startswith(".") or name.endswith((".", " ")):
            raise InputError(
                f"{place}: expected a name that a folder can have, found {name!r}; use letters, "
                "digits, - and _ in the column name."
            )
        # Some file systems do not tell capitals from small letters.
        if (key := name.casefold()) in seen:
            raise InputError(
                f"{place}: expected a name of its own, found {name!r}, that of {seen[key]}; tell "
                "them apart in a column name."
            )
        seen[key] = place
