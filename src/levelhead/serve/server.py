"""Runs the proxy: uvicorn on uvloop, one process or several, a line when it is ready, a drain on SIGTERM."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from ..config import VARIABLE, Config, load
from ..errors import ConfigError, LevelheadError
from ..observe import configure_logging, prepare_multiprocess, worker_exited

if TYPE_CHECKING:
    from .app import App

SHARED = "LEVELHEAD_SHARED_DIR"  # a directory of this server's own; its parent sets it for several workers
LOG_LEVEL = "LEVELHEAD_LOG"  # "info" writes a line for each request
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
CLOSE_SECONDS = 2  # for connections to close after the drain
KEEP_ALIVE_SECONDS = 75
READY_WITHIN = 60.0
COLLECT_AFTER = 2_000, 10, 10  # new objects, then collections of the younger generation; Python: 700, 10, 10
SPARE_DESCRIPTORS = 64  # files, stores, the listener


def run(config: Config, *, host: str, port: int, workers: int = 1, file: Path | None = None) -> None:
    """Serves until a signal ends it. `file`: where `config` was read from, for worker processes to read it too.

    Raises `ConfigError` for a public bind without keys, or an address that can't be bound.
    """
    config.check_bind(host)
    configure_logging(level=_log_level())
    listener = _bind(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}"
    if config.simulated:
        print("levelhead: no model is configured; the simulated pair answers", file=sys.stderr)
    if workers == 1:
        app = create_app(config)
        collect_seldom()
        _Server(_settings(app, config), url).run([listener])
        return
    with tempfile.TemporaryDirectory(prefix="levelhead-") as directory:
        prepare_multiprocess(Path(directory, "metrics"))
        shared = Path(directory, "shared")
        shared.mkdir(mode=0o700)
        os.environ[SHARED] = str(shared)
        if file is not None:
            os.environ[VARIABLE] = str(file.absolute())
        settings = _settings("levelhead.serve.server:worker", config, workers=workers)
        threading.Thread(target=_announce_when_ready, args=(url,), daemon=True).start()
        supervisor = _Supervisor(settings, [listener])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ConfigError("the worker processes can't start; each has said why")


def create_app(config: Config) -> App:
    """The application for a configuration, as `protocol.HttpProtocol` serves it."""
    # After prepare_multiprocess: prometheus_client picks its mode at import. And a supervisor of workers needs none.
    from ..assemble import assemble
    from .access import Access
    from .app import App
    from .gate import Bounds, Gate

    shared = Path(os.environ[SHARED]) if SHARED in os.environ else None
    house = assemble(config, shared=shared)
    access = Access(
        config.keys(),
        admin=config.secret(config.server.admin_key_env),
        metrics=config.secret(config.server.metrics_token_env),
        shared=shared,
    )
    limits = config.limits
    gate = Gate(Bounds(limits.in_flight, limits.in_flight_per_key, limits.waiting, limits.wait))
    about = {"mode": config.mode, "simulated": config.simulated, "tiers": config.tiers}
    return App(house.pipeline, access, house.metrics, gate, house.learner, about)


def worker() -> App:
    """What each worker process of a multi-worker server builds for itself."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    configure_logging(level=_log_level())
    try:
        app = create_app(load())
        collect_seldom()
        return app
    except LevelheadError as error:
        print(f"levelhead: {error.message}", file=sys.stderr)
        sys.exit(STARTUP_FAILURE)  # tells the supervisor that another try would end the same way


def collect_seldom() -> None:
    """What was built is there to stay, and requests leave few cycles: looking for them costs more than it finds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _leave_with_parent() -> None:
    """Workers of a supervisor that was killed would hold the port, and keep the next one from starting."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _Server(uvicorn.Server):
    """Says when it is ready, on one line of standard output."""

    def __init__(self, settings: uvicorn.Config, url: str) -> None:
        super().__init__(settings)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _announce(self._url)


class _Supervisor(Multiprocess):
    """Puts another worker in the place of one that died, whose gauges leave the metrics page.

    A worker lives while its process does. uvicorn's own check waits five seconds for each in turn to answer, and kills
    those that don't: on a busy machine a worker takes longer to start, and the next one was killed in its place.
    """

    def keep_subprocess_alive(self) -> None:
        for at, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.process.is_alive():
                continue
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            if process.pid is not None:
                worker_exited(process.pid)
            self.processes[at] = Process(self.config, self.sockets)
            self.processes[at].start()


def _log_level() -> str:
    level = os.environ.get(LOG_LEVEL, "").strip().upper() or "WARNING"
    if level not in LOG_LEVELS:
        raise ConfigError(f"{LOG_LEVEL}: should be one of {', '.join(LOG_LEVELS).lower()}", param=LOG_LEVEL)
    return level


def _settings(app: App | str, config: Config, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        http="levelhead.serve.protocol:HttpProtocol",
        interface="asgi3",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # nothing here trusts or needs a forwarded address
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        limit_concurrency=_connections(config.limits.connections),
    )


def _connections(most: int) -> int:
    """As many as there are descriptors for: each may need another one upstream. Raises the soft limit to the hard."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, (soft - SPARE_DESCRIPTORS) // 2))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"server: can't listen on {host} port {port}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


def _announce(url: str) -> None:
    print(f"levelhead is ready on {url}", flush=True)


def _announce_when_ready(url: str) -> None:
    """A parent learns that its workers serve by asking one."""
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):  # noqa: S310 - our own http URL
                return _announce(url)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return None
