"""What kopf keeps of an object between two events: nothing.

Its own storages put what they keep into annotations, and copy each object that they are told of to find out what of it
is worth keeping: a fifth of the operator's work, for handlers that it does not have.
"""

from collections.abc import Iterable
from typing import Any

import kopf


class NoDifference(kopf.MultiDiffBaseStorage):
    """Has no version of an object to compare with, and makes none."""

    def __init__(self) -> None:
        super().__init__([])

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002 - the shape that kopf gives it
        extra_fields: Iterable[Any] | None = None,  # noqa: ARG002 - the shape that kopf gives it
    ) -> kopf.BodyEssence:
        """Of every object the same."""
        return kopf.BodyEssence()


def no_progress() -> kopf.ProgressStorage:
    """A storage without a place to store: handlers of events make none."""
    return kopf.MultiProgressStorage([])
