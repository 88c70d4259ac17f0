import threading
import time

import pytest
from http_server import CONTENT, SHA256, left_in

from pmrnet.data.download import download
from pmrnet.errors import InputError


def test_server_errors_are_tried_again(fetch):
    file = fetch.server.serve("/a", CONTENT, statuses=[500, 503, 429])
    assert fetch() == SHA256
    fetch.path.unlink()
    file.statuses = [502] * 9
    with pytest.raises(InputError, match="HTTP 502, 4 times in a row"):
        fetch()
    assert len(file.statuses) == 5


def test_nobody_listens(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="the server could not be reached, 4 times in a row"):
        download(f"{server.base}/a", tmp_path / "a", waits=(0, 0, 0))


def test_redirects(fetch):
    fetch.server.serve("/real", CONTENT, cuts=[100_000])
    fetch.server.redirect("/hop", f"{fetch.server.base}/real")
    fetch.server.redirect("/a", "/hop")
    assert fetch() == SHA256
    assert [p for p, h in fetch.server.requests if "Range" in h] == ["/a", "/hop", "/real"]


def test_the_body_of_a_redirect_is_not_read(fetch):
    fetch.server.serve("/real", CONTENT)
    released = threading.Event()

    def endless(handler):
        handler.reply(302, {"Location": "/real", "Content-Length": "1000000000"})
        released.wait(5)

    fetch.server.routes["/a"] = endless
    began = time.monotonic()
    assert fetch() == SHA256
    assert time.monotonic() - began < 4
    released.set()


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,x", "http://[", "javascript:1"]
)
def test_redirects_to_anything_but_http_are_refused(fetch, target):
    fetch.server.redirect("/a", target)
    with pytest.raises(InputError, match="expected an address of http"):
        fetch()
    assert left_in(fetch.path.parent) == []
    assert len(fetch.server.requests) == 1


def test_redirects_in_circles_end(fetch):
    fetch.server.redirect("/a", "/a")
    with pytest.raises(InputError, match="at most 10 redirects"):
        fetch()


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "/etc/hostname", "", "http://", "http://["]
)
def test_addresses_of_no_use(tmp_path, url):
    with pytest.raises(InputError, match="address"):
        download(url, tmp_path / "a", waits=())
    assert left_in(tmp_path) == []
