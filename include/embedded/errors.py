"""Errors of the embedded stack: each message says which program, what happened, and where to look."""


class StackError(Exception):
    """The stack, or the job that runs on it, did not do what was asked."""
