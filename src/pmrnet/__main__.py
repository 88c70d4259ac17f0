"""`python -m pmrnet`."""

from pmrnet.cli import command

command()
