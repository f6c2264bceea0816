"""What the tests of the operator share: an API server that knows TradingSystems, and a way to hand it manifests."""

from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer

CRD = Path(__file__).parents[2] / "manifests" / "crd.yaml"


@pytest.fixture(scope="session")
def tradingsystems(api_server: ApiServer) -> ApiServer:
    """The API server with the definition of TradingSystems installed, as `kubectl apply` does it, and in force."""
    api_server.kubectl("apply", "--server-side", "-f", str(CRD))
    api_server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRD))
    return api_server
