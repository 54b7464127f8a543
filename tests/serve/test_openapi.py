"""The published document says what is served: no more, no less."""

from __future__ import annotations

from typing import Any

from levelhead.serve.access import Access
from levelhead.serve.app import App
from levelhead.serve.openapi import document


def test_every_route_is_published_and_nothing_else():
    app: Any = App(None, Access([]), None)  # type: ignore[arg-type]  # routes need neither
    served = {(path, method.lower()) for path, methods in app._routes.items() for method in methods}
    published = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert published == served | {("/v1/models/{id}", "get"), ("/v1/decisions/{id}", "get")}


def test_open_routes_and_keyed_ones():
    app: Any = App(None, Access([]), None)  # type: ignore[arg-type]
    for path, methods in app._routes.items():
        for method, route in methods.items():
            operation = document()["paths"][path][method.lower()]
            assert not (route.keyed and operation.get("security") == []), path


def test_every_reference_leads_somewhere():
    def references(value: Any) -> Any:
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    known = document()["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(document())} <= set(known)
