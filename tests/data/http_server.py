"""A web server on 127.0.0.1 that serves files well or badly, and nothing else to connect to."""

import gzip
import hashlib
import io
import json
import socket
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from pmrnet.data.download import download, make_progress

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class ServedFile:
    """A file, and how the server treats those who ask for it."""

    content: bytes
    etag: str | None = '"1"'
    last_modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    length: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes after which connections break, in turn
    statuses: list[int] = field(default_factory=list)  # errors sent first
    announce: int = 0  # added to Content-Length
    shift: int = 0  # added to the start in Content-Range
    content_type: str = "application/gzip"
    before: Callable[["ServedFile"], None] | None = None  # called at each request

    def __call__(self, handler):
        if self.before is not None:
            self.before(self)
        if self.statuses:
            return handler.reply(self.statuses.pop(0))
        start = self._start(handler.headers)
        if start is not None and start >= len(self.content):
            return handler.reply(416)
        body = self.content[start or 0 :]
        headers = {"Content-Type": self.content_type}
        if self.length:
            headers["Content-Length"] = str(len(body) + self.announce)
        if self.etag:
            headers["ETag"] = self.etag
        if self.last_modified:
            headers["Last-Modified"] = self.last_modified
        if start is not None:
            first = start + self.shift
            headers["Content-Range"] = f"bytes {first}-{len(self.content) - 1}/{len(self.content)}"
        cut = self.cuts.pop(0) if self.cuts else None
        return handler.reply(200 if start is None else 206, headers, body[:cut])

    def _start(self, headers):
        if not self.ranges or "Range" not in headers:
            return None
        same = headers.get("If-Range") in (None, self.etag, self.last_modified)
        if self.if_range and not same:
            return None
        return int(headers["Range"].removeprefix("bytes=").removesuffix("-"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        route = self.server.routes.get(urlsplit(self.path).path)
        if route is None:
            self.reply(404)
        elif callable(route):
            route(self)
        else:
            text = route if isinstance(route, str) else json.dumps(route)
            kind = "text/html" if text.startswith("<") else "application/json"
            self.reply(200, {"Content-Type": kind}, text.encode())

    def reply(self, status, headers=None, body=b""):
        headers = headers or ({"Content-Type": "text/html"} if status >= 400 else {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes, self.requests = {}, []
        self.base = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Print the error, unless it is only that the client has hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def serve(self, path, content, **behaviour):
        """Serve bytes; returns the file, whose behaviour may be changed later."""
        self.routes[path] = ServedFile(content, **behaviour)
        return self.routes[path]

    def redirect(self, path, target):
        self.routes[path] = lambda handler: handler.reply(302, {"Location": target})

    def ranges(self):
        """`Range` of each request so far."""
        return [headers.get("Range") for _, headers in self.requests]


@pytest.fixture
def server(monkeypatch):
    """The server; a connection to any other address fails the test."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    connect = socket.socket.connect

    def guarded(self, address):
        assert address[0] == "127.0.0.1", f"a connection to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    """Download /a from the server to `tmp_path / "a"`, without waiting."""
    console = Console(file=io.StringIO(), width=200)

    def run(**options):
        options = {"progress": make_progress(console), "waits": (0, 0, 0)} | options
        return download(f"{server.base}/a", tmp_path / "a", **options)

    run.path, run.server = tmp_path / "a", server
    return run


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def site_archive(site, subjects=2, top=True, seed=0):
    """`<site>_volumes.tar.gz` of the official layout, with tiny volumes."""
    rng = np.random.default_rng(seed)
    content = {}
    for i in range(1, subjects + 1):
        folder = f"{site}_volumes/{site}-{i}" if top else f"{site}-{i}"
        for name in ("t1weighted_brain", "labels.DKT31.manual"):
            volume = nib.Nifti1Image(rng.integers(0, 99, (7, 8, 9), np.uint8), np.eye(4))
            content[f"{folder}/{name}.nii.gz"] = volume.to_bytes()
    return tar_bytes(content)


def tar_bytes(content, compressed=True):
    """A tar archive of names and bytes, or of `TarInfo`s; always the same for the same content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in content.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0) if compressed else stream.getvalue()


def zip_bytes(content):
    """A zip archive of names and bytes, or of `ZipInfo`s; always the same for the same content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in content.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
