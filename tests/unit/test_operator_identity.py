"""The operator runs as a user who has no name, as its image does."""

import asyncio
import getpass
from typing import Any, NoReturn, cast

import kopf
import pytest
from kopf._core.engines import peering

from tradingmesh_operator import __main__ as program
from tradingmesh_operator.settings import Settings


def _nobody() -> NoReturn:
    raise KeyError("getpwuid(): uid not found: 10001")


async def test_kopf_looks_up_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told who it is: what it would find out by itself, it cannot in a container."""
    told: dict[str, Any] = {}

    async def operator(**options: Any) -> None:
        told.update(options)
        if options.get("identity") is None:
            peering.detect_own_id(manual=False)

    async def defined(api: Any) -> bool:  # noqa: ARG001 - nobody is asked here
        return True

    monkeypatch.setattr(getpass, "getuser", _nobody)
    monkeypatch.setattr(kopf, "operator", operator)
    monkeypatch.setattr(program, "_defined", defined)
    settings = Settings(instance="operator-0")
    await program._operator(settings, cast("Any", None), cast("Any", None), asyncio.Event())
    assert told["identity"] == "operator-0"
