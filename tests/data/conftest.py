"""Fixtures of the tests that download."""

from http_server import fetch, server

__all__ = ["fetch", "server"]
