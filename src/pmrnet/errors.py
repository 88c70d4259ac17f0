"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """A user's input cannot be used.

    The message is one sentence: what was expected, what was found, what to do. The command line
    prints it without a traceback and ends with status 2.
    """
