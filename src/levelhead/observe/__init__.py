"""What happened: metrics and log lines. Import `.metrics` by name: prometheus_client picks its mode at import."""

from .fanout import Fanout
from .log import RequestLog, configure_logging
from .workers import prepare_multiprocess, worker_exited

__all__ = ["Fanout", "RequestLog", "configure_logging", "prepare_multiprocess", "worker_exited"]
