"""The proxy: an ASGI application over the pipeline, and the server that runs it."""

from .app import App
from .server import create_app, run

__all__ = ["App", "create_app", "run"]
