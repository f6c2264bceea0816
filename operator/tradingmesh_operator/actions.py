"""What a reconcile decides to do. Nothing here acts; apply.py does."""

from typing import NamedTuple

from tradingmesh_operator.differences import Difference
from tradingmesh_operator.objects import Manifest, Reference


class Notice(NamedTuple):
    """A Kubernetes Event of the system."""

    reason: str
    message: str
    warning: bool = False


class Apply(NamedTuple):
    """Make an object, or put it right."""

    manifest: Manifest
    because: tuple[Difference, ...] = ()
    """Where the live one differs; empty where there is none."""
    tells: tuple[Notice, ...] = ()
    """What a person may want to know of it, once it is done."""


class Delete(NamedTuple):
    """Take an object away that is no longer asked for."""

    reference: Reference


class Touch(NamedTuple):
    """Annotate a pod, so that its kubelet looks at the mounted manifest at once."""

    pod: str
    manifest_hash: str


class MakeToken(NamedTuple):
    """Make the Secret with a new random token; one that is there stays."""

    manifest: Manifest


class SetFinalizer(NamedTuple):
    """Hold the system until it is drained, or let it go."""

    held: bool


class Scale(NamedTuple):
    """Ask for another number of fill processors, as `kubectl scale` does."""

    replicas: int
    tells: tuple[Notice, ...] = ()
    """Why, once it is done."""


Action = Apply | Delete | Touch | MakeToken | SetFinalizer | Scale


Problem = tuple[str, str]
"""Reason and message."""


class Plan(NamedTuple):
    """What to do now, and what a person may want to know whatever becomes of it."""

    actions: tuple[Action, ...] = ()
    events: tuple[Notice, ...] = ()
    held: tuple[str, ...] = ()
    """What waits for the risk manager."""
    problems: tuple[Problem, ...] = ()
    """What cannot be done."""
    concerns: tuple[Problem, ...] = ()
    """What is done in another way than was asked for."""
    state: str = ""
    """`Paused`, `Draining` or nothing particular."""


class Desired(NamedTuple):
    """What the chart makes of a spec, or why it makes nothing."""

    manifests: tuple[Manifest, ...] = ()
    problem: Problem | None = None
