"""The proxy: an ASGI application over the pipeline, and the server that runs it."""

from .server import create_app, run

__all__ = ["create_app", "run"]
