"""Finding Mindboggle-101's cohorts on the Open Science Framework, through its public API."""

from __future__ import annotations

import heapq
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pmrnet.data.http import WAITS, TemporaryFailure, open_url, read_chunks
from pmrnet.errors import InputError

API = "https://api.osf.io/v2/"
PROJECT = "yhkde"

#: what to do where the search fails
BY_HAND = (
    "to go on by hand, download {names} from https://osf.io/yhkde, or Mindboggle101_release3.zip "
    "from https://zenodo.org/records/22070005, and give its folder or file as RAW"
)

# Folders or components on the way to the cohorts' archives; others called Mindboggle101* are
# looked into after these.
_PATH = ("mindboggle101individuals", "mindboggle101release3", "mindboggle101volumes")

# The API allows strangers about a hundred requests an hour; the direct way takes less than ten.
_MAX_REQUESTS = 40
_MAX_BYTES = 10 * 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file to download, as the server describes it.

    Parameters
    ----------
    name
        Name of the file.
    size
        Number of bytes.
    url
        Address to download it from.
    sha256, md5
        Checksums in hexadecimal digits, None where the server gives none.
    """

    name: str
    size: int
    url: str
    sha256: str | None = None
    md5: str | None = None

    @property
    def checked_by(self) -> str:
        """What a download can be checked by."""
        if self.sha256 is not None:
            return "SHA-256"
        if self.md5 is not None:
            return "MD5 and size, since the server gave no SHA-256"
        return "size alone, since the server gave no checksum"


def find_sites(
    sites: Sequence[str],
    api: str = API,
    project: str = PROJECT,
    waits: Sequence[float] = WAITS,
) -> dict[str, RemoteFile]:
    """Find the archives ``<site>_volumes.tar.gz`` in a public project and its components.

    Parameters
    ----------
    sites
        Cohorts, such as ``OASIS-TRT-20``.
    api
        Base address of the API.
    project
        Identifier of the project.
    waits
        Seconds between attempts of a request; there is one attempt more than there are waits.

    Returns
    -------
    dict
        Cohort to file, in the order of `sites`.

    Raises
    ------
    InputError
        If the API cannot be reached, answers in an unknown form, or the archives are not there;
        the message says how to download them by hand.
    """
    names = {f"{site}_volumes.tar.gz": site for site in sites}
    try:
        found = _search(names, api.rstrip("/"), project, _Client(waits))
        absent = [name for name, site in names.items() if site not in found]
        if absent:
            raise InputError(
                f"{api}: expected {', '.join(absent)} in the project {project}, found no such file"
            )
    except InputError as error:
        by_hand = BY_HAND.format(names=", ".join(names))
        raise InputError(f"{str(error).rstrip('.')}; {by_hand}.") from error
    return {site: found[site] for site in sites}


class _Client:
    """The API's answers, a limited number of them."""

    def __init__(self, waits: Sequence[float]) -> None:
        self._waits = waits
        self._asked: set[str] = set()

    def entries(self, url: str) -> Iterator[Mapping[str, Any]]:
        """Entries of a listing, over all its pages; none if it was listed before."""
        following: str | None = f"{url}{'&' if '?' in url else '?'}page%5Bsize%5D=100"
        while following is not None and following not in self._asked:
            if len(self._asked) == _MAX_REQUESTS:
                raise InputError(
                    f"{url}: expected the archives within {_MAX_REQUESTS} requests, found more "
                    "folders than that"
                )
            self._asked.add(following)
            page = self._json(following)
            yield from page["data"]
            following = page["links"].get("next")

    def _json(self, url: str) -> dict[str, Any]:
        for wait in (*self._waits, None):
            try:
                text = _text_of(url)
                break
            except TemporaryFailure as error:
                if wait is None:
                    raise InputError(f"{url}: expected an answer, found that {error}") from error
                time.sleep(wait)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{url}: expected JSON, found something else ({error})") from error
        return content


def _text_of(url: str) -> bytes:
    with open_url(url) as response:
        if response.status_code != 200:
            raise InputError(
                f"{url}: expected an answer, found HTTP {response.status_code} ({response.reason})"
            )
        text = bytearray()
        for chunk in read_chunks(response):
            text += chunk
            if len(text) > _MAX_BYTES:
                raise InputError(f"{url}: expected a list of files, found more than 10 MiB of it")
    return bytes(text)


def _search(
    names: Mapping[str, str], api: str, project: str, client: _Client
) -> dict[str, RemoteFile]:
    """Look into what is called like the way to the archives, the best named first."""
    found: dict[str, RemoteFile] = {}
    order = itertools.count()
    queue: list[tuple[int, int, str]] = []

    def add_node(detour: int, node: str) -> None:
        for listing in ("files/osfstorage", "children"):
            heapq.heappush(queue, (detour, next(order), f"{api}/nodes/{node}/{listing}/"))

    add_node(0, project)
    while queue and len(found) < len(names):
        detour, _, url = heapq.heappop(queue)
        try:
            for entry in client.entries(url):
                about = entry["attributes"]
                name = _text(about, "title" if "kind" not in about else "name")
                further = _detour(name, names)
                if about.get("kind") == "file":
                    if name in names:
                        found.setdefault(names[name], _remote_file(entry))
                elif further is None:
                    continue
                elif "kind" not in about:
                    add_node(detour + further, _text(entry, "id"))
                else:
                    href = _text(entry["relationships"]["files"]["links"]["related"], "href")
                    heapq.heappush(queue, (detour + further, next(order), href))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{url}: expected a list of files as OSF's API gives it, found another form "
                f"({type(error).__name__}: {error})"
            ) from error
    return found


def _detour(name: str, names: Mapping[str, str]) -> int | None:
    """0 for a folder or component on the way, 1 for one that may be, None for any other."""
    plain = re.sub("[^a-z0-9]", "", name.lower())
    if plain in _PATH or f"{name}.tar.gz" in names:
        return 0
    return 1 if plain.startswith("mindboggle101") else None


def _remote_file(entry: Mapping[str, Any]) -> RemoteFile:
    about = entry["attributes"]
    size = about["size"]
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise TypeError(f"a size of {size!r}")
    hashes = (about.get("extra") or {}).get("hashes") or {}
    return RemoteFile(
        name=_text(about, "name"),
        size=size,
        url=_text(entry["links"], "download"),
        sha256=_digest(hashes, "sha256", 64),
        md5=_digest(hashes, "md5", 32),
    )


def _digest(hashes: Mapping[str, Any], name: str, length: int) -> str | None:
    if hashes.get(name) is None:
        return None
    digest = _text(hashes, name).lower()
    if not re.fullmatch(f"[0-9a-f]{{{length}}}", digest):
        raise TypeError(f"a {name} of {digest!r}")
    return digest


def _text(mapping: Mapping[str, Any], key: str) -> str:
    text = mapping[key]
    if not isinstance(text, str):
        raise TypeError(f"{key} is {text!r}")
    return text
