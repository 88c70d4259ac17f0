"""`python -m pmrnet`."""

import sys

from pmrnet.cli import command

sys.exit(command())
