"""What the operator is told: everything is `TRADINGMESH_OPERATOR_...` in the environment."""

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Every limit and every wait of the operator has its name here."""

    model_config = SettingsConfigDict(env_prefix="TRADINGMESH_OPERATOR_", frozen=True, extra="ignore")

    instance: str = Field(default_factory=socket.gethostname)
    namespace: str = "default"
    """Its own, in which its Lease is."""
    watch_namespaces: list[str] = Field(default_factory=list)
    """Whose TradingSystems it runs; empty: all."""
    image_repository: str = "tradingmesh"
    image_tag: str = ""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = Field(default_factory=list)
    lease: str = "tradingmesh-operator"
    lease_duration_s: Seconds = 15.0
    admin_host: str = "127.0.0.1"
    otlp_endpoint: str = ""
    """Where traces of reconciles are sent by OTLP over HTTP; empty, nowhere."""
    admin_port: Annotated[int, Field(ge=0, le=65535)] = 9090
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    helm: str = "helm"
    charts: Path = Path("/usr/share/tradingmesh/charts")
    """Complete charts: `python -m tradingmesh_operator.charts --into FOLDER` makes them."""
    render_timeout_s: Seconds = 30.0
    renders_at_once: Annotated[int, Field(ge=1)] = 2

    request_timeout_s: Seconds = 10.0
    workers: Annotated[int, Field(ge=1)] = 4
    """So many TradingSystems are reconciled at a time."""
    requests_at_once: Annotated[int, Field(ge=1)] = 16
    settle_s: Annotated[float, Field(ge=0)] = 0.2
    """What happens to a system within that time of an event is looked at together."""
    resync_s: Seconds = 120.0
    """Each is looked at so often even if nothing is heard of it."""
    configz_every_s: Seconds = 3.0
    """How often running pods are asked how they are."""
    configz_timeout_s: Seconds = 1.0
    retry_max_s: Seconds = 60.0
    """The longest wait after a failure; the first is one second."""
    drain_timeout_s: Seconds = 60.0
    """How long a deletion waits for orders to be cancelled, and as long again for positions to be closed."""
    watch_stalled_s: Seconds = 90.0
    """A watch of which nothing was heard for so long is begun anew; Kubernetes says something each minute."""
    heartbeat_max_s: Seconds = 60.0
    """`/healthz` fails when the work has stood still for so long."""
