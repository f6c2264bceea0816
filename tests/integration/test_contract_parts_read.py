"""Each service reads, while it is built and runs, the parts of the spec that the table gives it: no more, no less."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.integration.built_service import MESH, built, context_in, system
from tradingmesh.contract import HOT_PARTS, Component, parts_of

READ_AND_NOT_USED = {
    Component.MARKET_DATA_FEED: {"broker.tradingUrl", "broker.tradingStreamUrl"},
    Component.EXECUTION_ENGINE: {"broker.dataStreamUrl", "broker.feed"},
}
"""Three URLs are made at once, and each of the two takes its own."""
OF_THE_RUNTIME = ("endpoints.", "observability.")
"""Read by the sockets and the tracer; that the channels are right is tried by their names in the source."""


class Listening:
    """A model that notes the path of every value that is read."""

    def __init__(self, model: BaseModel, read: set[str], path: str = "") -> None:
        self.__dict__.update(_model=model, _read=read, _path=path)

    def __getattr__(self, name: str) -> Any:
        model, value = self._model, getattr(self._model, name)
        field = type(model).model_fields.get(name)
        if field is None:
            return value
        path = f"{self._path}.{field.alias or name}".removeprefix(".")
        if isinstance(value, BaseModel):
            return Listening(value, self._read, path)
        self._read.add(path)
        return value


def read_by(component: Component, folder: Path) -> set[str]:
    found: set[str] = set()
    context = context_in(folder, component)
    context = context._replace(spec=Listening(context.spec, found))  # type: ignore[arg-type]
    try:
        service = built(context)
        for _ in range(3):
            context.loop.turn(50)
        service.status()
        service.drain()
    finally:
        context.sockets.close()
    return found


def of(path: str, parts: tuple[str, ...]) -> bool:
    return any(path == part or path.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize("component", MESH)
def test_a_service_reads_what_the_table_says(component: Component, folder: Path) -> None:
    """What it reads beyond that would change without a restart; what it does not read would restart it for nothing."""
    read, told = read_by(component, folder), parts_of(component)
    beyond = {path for path in read if not of(path, (*told, *HOT_PARTS))}
    assert beyond == READ_AND_NOT_USED.get(component, set())
    unread = {part for part in told if not any(of(path, (part,)) for path in read)}
    assert [part for part in unread if not part.startswith(OF_THE_RUNTIME)] == []


def test_reading_is_heard() -> None:
    """The listener notes values by the manifest's own names, and hands on what is no field."""
    found: set[str] = set()
    spec: Any = Listening(system().spec, found)
    assert spec.endpoints.risk_check.timeout_ms == 1_000
    assert spec.model_dump()
    assert found == {"endpoints.riskCheck.timeout"}
