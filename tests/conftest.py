"""What holds for every test."""

import os
import random
import sqlite3
from collections.abc import Iterator
from typing import Any

# alpaca_library keeps pyarrow out of the process that imports it; here one process tests both sides.
import pyarrow as pa  # noqa: F401
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.cluster.api_server import ApiServer
from tradingmesh.testing.postgres_server import PostgresServer, programs

SEED_MAX = 1_000_000
SEED_USUAL = 7
# How long an example takes says nothing but of the machine. All else as it was: CI=true tries the same each time.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests that break things go on, and what chance does in them."""
    parser.addoption("--full", action="store_true", help="tests of chaos at full length, as `make chaos` runs them")
    parser.addoption("--seed", type=int, default=None, help="repeat a run: the seed that it printed")


def pytest_configure(config: pytest.Config) -> None:
    """At full length a seed is drawn where none is given, and printed; in short every run is the same."""
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(SEED_MAX) if config.option.full else SEED_USUAL


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, for whoever wants to see the same again."""
    return f"seed {config.option.seed} (repeat with --seed {config.option.seed})"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run. Whatever a test leaves to chance, it draws from this."""
    return int(request.config.option.seed)


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether to go on for as long as `make chaos` does; otherwise a short form."""
    return bool(request.config.option.full)


@pytest.fixture(autouse=True)
def databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """The databases that the test opened, in order; closed at its end, for a crash is tested by not closing them.

    From Python 3.13 on an unclosed one is a warning, and that is an error in whatever test runs by then.
    """
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    yield opened
    for database in opened:
        database.close()


@pytest.fixture(autouse=True)
def logging_untouched() -> Iterator[None]:
    """Loggers are configured once a process: a test that does it here would take the lines from the tests after it."""
    before = structlog.get_config()["wrapper_class"]
    yield
    touched = structlog.get_config()["wrapper_class"] is not before
    structlog.reset_defaults()
    assert not touched, "this test configured structlog for the whole run; give what it tests structlog.get_logger()"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for whoever asks. Who ends it starts it again; each test takes a schema of its own."""
    bin_dir = programs()
    if bin_dir is None:
        missing = "PostgreSQL is not installed under /usr/lib/postgresql: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    server = PostgresServer(bin_dir)
    yield server
    server.close()


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real Kubernetes API server for whoever asks; each test takes a namespace of its own, or several."""
    server = ApiServer(tmp_path_factory.mktemp("kubernetes"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def controllers(api_server: ApiServer) -> ApiServer:
    """The API server with Kubernetes' own controllers: owned objects are collected, and namespaces end."""
    api_server.start_controllers()
    return api_server


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """A namespace of this test alone. It is left to whoever collects it, for that takes a while."""
    name = f"test-{random.SystemRandom().getrandbits(40):010x}"
    api_server.kubectl("create", "namespace", name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")
