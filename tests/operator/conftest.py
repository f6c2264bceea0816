"""What the tests of the operator share: an API server that knows TradingSystems, and a way to hand it manifests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes
import pytest
from kubernetes import client

from tests.charts.rendering import completed
from tests.cluster.api_server import ApiServer
from tests.cluster.operator_process import OperatorProcess
from tests.operator.place import Place

CRD = Path(__file__).parents[2] / "manifests" / "crd.yaml"


@pytest.fixture(scope="session")
def tradingsystems(api_server: ApiServer) -> ApiServer:
    """The API server with the definition of TradingSystems installed, as `kubectl apply` does it, and in force."""
    api_server.kubectl("apply", "--server-side", "-f", str(CRD))
    api_server.until_defined("tradingsystems.tradingmesh.io")
    return api_server


@pytest.fixture(scope="session")
def api_client(api_server: ApiServer) -> Iterator[client.ApiClient]:
    """An administrator's connection to the API server."""
    load: Callable[[str], client.ApiClient] = kubernetes.config.new_client_from_config
    with load(str(api_server.kubeconfig)) as found:
        yield found


@pytest.fixture(scope="session")
def trading_systems(tradingsystems: ApiServer, api_client: client.ApiClient) -> client.CustomObjectsApi:
    """TradingSystems by the API, without kubectl: faster where many are tried."""
    assert tradingsystems
    return client.CustomObjectsApi(api_client)


@pytest.fixture(scope="session")
def operated(tradingsystems: ApiServer, controllers: ApiServer) -> ApiServer:
    """The API server with all that an operator needs: TradingSystems, and Kubernetes' own controllers."""
    assert tradingsystems is controllers
    return controllers


@pytest.fixture(scope="session")
def operator(operated: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator that runs for all tests. Who ends it starts it again; each test takes a namespace of its own."""
    process = OperatorProcess(operated, completed(), tmp_path_factory.mktemp("operator") / "log")
    process.start()
    yield process
    if process.running:
        process.end()


@pytest.fixture
def place(operated: ApiServer, operator: OperatorProcess, namespace: str) -> Iterator[Place]:
    """A namespace under the operator's eyes. Systems left in it are deleted, lest the operator keep them."""
    assert operator.running
    yield Place(operated, namespace)
    operated.kubectl("delete", "tradingsystems", "--all", "-n", namespace, "--wait=false")
