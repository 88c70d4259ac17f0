"""Data sets, their preparation for the networks, and the built-in one."""
