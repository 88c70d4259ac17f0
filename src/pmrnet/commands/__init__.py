"""Sub-commands by theme: each module adds its own to the parser and says what they run.

Modules of the package are imported when a command runs, so that ``--help`` answers at once.
"""
