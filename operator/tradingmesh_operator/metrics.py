"""What Prometheus reads of the operator."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Its own registry, so that several operators can run in one test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "tradingmesh_operator"
        self.reconciles = Counter(f"{name}_reconciles", "Reconciles.", ["outcome"], registry=self.registry)
        self.duration = Histogram(
            f"{name}_reconcile_duration_seconds", "From the start of a reconcile to its end.",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.writes = Counter(f"{name}_writes", "Writes to the API server.", ["verb", "kind"], registry=self.registry)
        self.errors = Counter(f"{name}_errors", "What was refused or failed.", ["reason"], registry=self.registry)
        self.renders = Counter(f"{name}_renders", "How often helm was run.", registry=self.registry)
        self.queue = Gauge(f"{name}_queue", "TradingSystems that wait for a reconcile.", registry=self.registry)
        self.systems = Gauge(f"{name}_systems", "TradingSystems that are known.", registry=self.registry)
        self.answers = Gauge(f"{name}_api_server_answers", "1 while the API server answers.", registry=self.registry)
        self.leading = Gauge(f"{name}_leading", "1 while it holds the Lease.", registry=self.registry)

    def written(self) -> float:
        """All writes so far."""
        samples = (sample for metric in self.writes.collect() for sample in metric.samples)
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))
