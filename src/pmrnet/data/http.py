"""HTTP requests of the downloads: redirects to http(s) alone, failures told apart.

A failure that may pass (no connection, an overloaded server) is a `TemporaryFailure`, which the
caller tries again after the waits of `WAITS`; any other is the user's to solve, an `InputError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pmrnet.errors import InputError

#: seconds between the attempts; there is one attempt more than there are waits
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)

_MAX_REDIRECTS = 10
_TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of an answer
_CHUNK = 1 << 16


class TemporaryFailure(Exception):
    """Something that may go well another time; the message completes "found that ..."."""


@contextmanager
def open_url(url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
    """Ask for a URL; the answer's body is not read yet.

    Parameters
    ----------
    url
        http or https.
    headers
        Headers beyond the usual ones.

    Yields
    ------
    requests.Response
        The answer after all redirects: a success, or an error of the 400s other than 429.

    Raises
    ------
    TemporaryFailure
        If there is no answer, or one of 429 and the 500s.
    InputError
        If the URL or a redirect leads to anything but http(s), or in circles.
    """
    # Without "identity" a server may compress on the way, and sizes and ranges lose their meaning.
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    target = url
    with _Session() as session:
        for _ in range(_MAX_REDIRECTS + 1):
            _require_http(url, target)
            with _get(session, target, headers) as response:
                if response.is_redirect:
                    target = _joined(target, response.headers["Location"])
                    continue
                if response.status_code == 429 or response.status_code >= 500:
                    raise TemporaryFailure(f"the server answered HTTP {response.status_code}")
                yield response
                return
    raise InputError(
        f"{url}: expected at most {_MAX_REDIRECTS} redirects, found more, the last one to "
        f"{target!r}; check the address."
    )


def read_chunks(response: requests.Response) -> Iterator[bytes]:
    """Body of an answer as it was sent, in pieces of at most 64 KiB.

    Raises
    ------
    TemporaryFailure
        If the connection breaks off before the end that the server announced.
    """
    try:
        yield from response.raw.stream(_CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TemporaryFailure("the connection broke off") from error


class _Session(requests.Session):
    """Leaves redirects alone, whose bodies requests would read, however long they are."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, whatever the answer."""


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # no address at all, which is found out next
        return location


def _require_http(url: str, target: str) -> None:
    try:
        scheme = urlsplit(target).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https"):
        raise InputError(
            f"{url}: expected an address of http or https, found {target!r}; check the address."
        )


def _get(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    try:
        return session.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=_TIMEOUT
        )
    except requests.Timeout as error:
        raise TemporaryFailure("the server did not answer in time") from error
    except requests.ConnectionError as error:
        raise TemporaryFailure("the server could not be reached") from error
    except (requests.RequestException, ValueError) as error:
        raise InputError(
            f"{url}: expected an address to download from, found that it is of no use ({error}); "
            "check the address."
        ) from error
