"""Data keys as they are stored."""

from typing import NamedTuple

NO_VERSION = 0
"""The version of no master key: of a data key that was destroyed."""


class Wrapped(NamedTuple):
    """A data key as it is stored."""

    version: int
    """Of the master key that wraps it, from 1."""
    key: bytes


DESTROYED = Wrapped(NO_VERSION, b"")
"""What stands in place of the data key of a member that was erased."""
