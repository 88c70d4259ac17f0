"""The parser of a command, which may know why an argument is missing."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Parser that explains a missing argument where an option before it has taken it.

    Attributes
    ----------
    takes_all : str or None
        Option that takes whatever follows it, up to the next option.
    """

    takes_all: str | None = None

    def error(self, message: str) -> NoReturn:
        """End with the message, status 2."""
        missing = message.partition("the following arguments are required: ")[2]
        if self.takes_all and missing and "-" not in missing:  # options have been given
            message += f"; {self.takes_all} takes all that follows it, so put these first"
        super().error(message)
