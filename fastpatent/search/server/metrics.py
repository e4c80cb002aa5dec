"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
COUNTS = (1, 2, 4, 8, 16, 32)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        labels = "route", "method", "status"
        self.requests = Counter("fastpatent_requests", "Requests", labels, registry=registry)
        self.seconds = Histogram(
            "fastpatent_request_seconds", "Seconds to the end of an answer", ["route"], buckets=SECONDS, registry=registry
        )
        self.batches = Histogram(
            "fastpatent_batch_queries", "Queries read by the network together", buckets=COUNTS, registry=registry
        )
        self.waiting = Gauge("fastpatent_waiting_queries", "Queries that wait for the network", registry=registry)
        self.generation = Gauge("fastpatent_index_generation", "Generation of the index", registry=registry)
        self.drawings = Gauge("fastpatent_index_drawings", "Drawings of the index", registry=registry)

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self._registry)
