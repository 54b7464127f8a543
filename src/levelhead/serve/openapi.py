"""What the proxy publishes about itself at `/openapi.json`: OpenAPI 3.1, one entry for each route.

The vendors' own schemas are theirs to publish: here is what levelhead checks. Other fields travel to the upstream.
"""

from __future__ import annotations

from typing import Any

from .._version import __version__

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
FREE: Json = {"type": "object"}
MAYBE_TEXT: Json = {"type": ["string", "null"]}


def document() -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "levelhead",
            "version": __version__,
            "summary": "A cost-aware model router for agent teams, in the dialects of OpenAI and Anthropic.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"xApiKey": []}],
        "paths": {path: {method: _operation(**known) for method, known in PATHS[path].items()} for path in PATHS},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(
    summary: str,
    answer: Json | str,
    *,
    asks: str | None = None,
    streams: bool = False,
    error: str = "Error",
    statuses: tuple[int, ...] = (),
    parameters: tuple[Json, ...] = (),
    open: bool = False,
) -> Json:
    """`answer`: a schema, or a media type whose body is text. `open`: needs no key."""
    if isinstance(answer, str):
        content: Json = {answer: {"schema": TEXT}}
    else:
        content = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {"schema": TEXT}
    said = {"application/json": {"schema": _ref(error)}}
    common = (400, 403, 408, 413, 431, 503) if open else (400, 401, 403, 408, 413, 429, 431, 503)
    operation: Json = {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **{
                str(status): {"description": _MEANS[status], "content": said} for status in sorted({*common, *statuses})
            },
        },
    }
    if asks is not None:
        body = {"application/json": {"schema": _ref(asks)}}
        operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = list(parameters)
    if open:
        operation["security"] = []
    return operation


_MEANS = {
    400: "The request isn't valid; the error names the field.",
    401: "The key is missing or not known here.",
    403: "Not for this key, or from a foreign web page.",
    404: "No such model or path.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    429: "Too many requests, or no money left: see Retry-After and x-should-retry.",
    431: "The headers are too large.",
    502: "An upstream failed in a way that no other try will mend.",
    503: "No room, shutting down, or no upstream can be reached: see Retry-After.",
    504: "An upstream took too long.",
}
_CALLS = (404, 502, 504)


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: tuple[str, ...] = (), /, **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(items: Json, **bounds: int) -> Json:
    return {"type": "array", "items": items, **bounds}


def _number(least: float, most: float) -> Json:
    return {"type": "number", "minimum": least, "maximum": most}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", "maxLength": 256}}


_WHO = (
    _header("x-levelhead-run", "The run that pays."),
    _header("x-levelhead-slot", "The place in the team that asks."),
    _header("x-levelhead-session", "The conversation."),
    _header("x-levelhead-task", "The task."),
    _header("x-levelhead-cache", "no-cache: don't answer from the cache; no-store: don't keep the answer either."),
)
_MODEL_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}

_POSITIVE = {"type": "integer", "minimum": 1}
_CONTENT = {"oneOf": [TEXT, _list(_object(("type",), type=TEXT))]}
_TOOL = _object(
    ("type", "function"),
    type={"const": "function"},
    function=_object(("name",), name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}, parameters=FREE),
)
SCHEMAS: dict[str, Json] = {
    "Feedback": _object(
        ("decision_id", "score"),
        decision_id={**TEXT, "minLength": 1, "maxLength": 100},
        score=_number(0, 1),
        source={**TEXT, "pattern": "^[A-Za-z0-9_.:@/-]{1,64}$"},
    ),
    "ChatRequest": _object(
        ("model", "messages"),
        model={**TEXT, "description": "auto, auto/SLOT, a slot, a tier, or a configured model"},
        messages=_list(
            {
                "oneOf": [
                    _object(("role", "content"), role={"enum": ["system", "developer", "user"]}, content=_CONTENT),
                    _object(("role", "content"), role={"const": "assistant"}, content=TEXT),
                    _object(
                        ("role", "content", "tool_call_id"), role={"const": "tool"}, content=TEXT, tool_call_id=TEXT
                    ),
                ]
            },
            minItems=1,
        ),
        stream={"type": "boolean"},
        stream_options=_object(include_usage={"type": "boolean"}),
        temperature=_number(0, 2),
        top_p=_number(0, 1),
        n={"type": "integer", "minimum": 1, "maximum": 128},
        max_tokens=_POSITIVE,
        max_completion_tokens=_POSITIVE,
        stop={"oneOf": [TEXT, _list(TEXT)]},
        seed={"type": "integer"},
        tools=_list(_TOOL),
        tool_choice={"enum": ["auto", "none"]},
        response_format=_object(("type",), type={"enum": ["text", "json_object"]}),
        reasoning_effort=TEXT,
        metadata={"type": "object", "additionalProperties": TEXT},
        user=TEXT,
    ),
    "ResponsesRequest": _object(
        ("model", "input"),
        model=TEXT,
        input={
            "oneOf": [
                TEXT,
                _list(_object(("role", "content"), role={"enum": ["system", "user"]}, content=TEXT), minItems=1),
            ]
        },
        instructions=TEXT,
        stream={"type": "boolean"},
        temperature=_number(0, 2),
        top_p=_number(0, 1),
        max_output_tokens=_POSITIVE,
        tools=_list(
            _object(
                ("type", "name"),
                type={"const": "function"},
                name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
                parameters=FREE,
            )
        ),
        metadata={"type": "object", "additionalProperties": TEXT},
        user=TEXT,
    ),
    "MessagesRequest": _object(
        ("model", "messages", "max_tokens"),
        model=TEXT,
        messages=_list(
            _object(("role", "content"), role={"enum": ["user", "assistant"]}, content=_CONTENT), minItems=1
        ),
        max_tokens=_POSITIVE,
        system=_CONTENT,
        stream={"type": "boolean"},
        temperature=_number(0, 1),
        stop_sequences=_list(TEXT),
        tools=_list(_object(("name", "input_schema"), name=TEXT, description=TEXT, input_schema=FREE)),
        metadata=_object(user_id=TEXT),
    ),
    "CompletionRequest": _object(
        ("model", "prompt"), model=TEXT, prompt=TEXT, max_tokens=_POSITIVE, stream={"type": "boolean"}
    ),
    "EmbeddingRequest": _object(("model", "input"), model=TEXT, input=TEXT),
    "CountRequest": _object(
        ("model", "messages"),
        model=TEXT,
        messages=_list(
            _object(("role", "content"), role={"enum": ["user", "assistant"]}, content=_CONTENT), minItems=1
        ),
        system=_CONTENT,
    ),
    "Completion": _object(
        ("id", "object", "choices", "usage"),
        id=TEXT,
        object={"const": "chat.completion"},
        choices=_list(_object(("index", "message", "finish_reason"))),
        usage=FREE,
    ),
    "Response": _object(("id", "object", "output"), id=TEXT, object={"const": "response"}, output=_list(FREE)),
    "Message": _object(("id", "type", "role", "content", "usage"), id=TEXT, type={"const": "message"}, usage=FREE),
    "Explanation": _object(
        ("level", "difficulty", "confidence", "models", "decision"),
        level={"enum": ["L1", "L2", "L3", "L4"]},
        difficulty={"type": "number"},
        confidence=_number(0, 1),
        models=FREE,
        decision=_object(("model", "tier", "reason", "expected_cost_usd", "baseline_cost_usd")),
    ),
    "Model": _object(("id", "object", "owned_by"), id=TEXT, object={"const": "model"}, owned_by=TEXT),
    "Balance": _object(
        ("scope", "limit_usd", "spent_usd", "reserved_usd", "remaining_usd"),
        scope=TEXT,
        refills_at={"type": ["number", "null"]},
    ),
    "Error": _object(
        ("error",),
        error=_object(("message", "type"), message=TEXT, type=TEXT, param=MAYBE_TEXT, code=MAYBE_TEXT),
    ),
    "AnthropicError": _object(
        ("type", "error"),
        type={"const": "error"},
        error=_object(("type", "message"), type=TEXT, message=TEXT),
    ),
}
_STATUS = _object(("status",), status=TEXT)

PATHS: dict[str, dict[str, dict[str, Any]]] = {
    "/v1/chat/completions": {
        "post": {
            "summary": "Answers a chat, whole or as a stream.", "answer": _ref("Completion"), "asks": "ChatRequest",
            "streams": True, "statuses": _CALLS, "parameters": _WHO,
        }
    },
    "/v1/responses": {
        "post": {
            "summary": "The same in OpenAI's newer dialect.", "answer": _ref("Response"), "asks": "ResponsesRequest",
            "streams": True, "statuses": _CALLS, "parameters": _WHO,
        }
    },
    "/v1/messages": {
        "post": {
            "summary": "The same in Anthropic's dialect.", "answer": _ref("Message"), "asks": "MessagesRequest",
            "streams": True, "statuses": _CALLS, "parameters": _WHO, "error": "AnthropicError",
        }
    },
    "/v1/completions": {
        "post": {
            "summary": "A prompt as a user's message, answered as text.", "answer": FREE, "asks": "CompletionRequest",
            "streams": True, "statuses": _CALLS, "parameters": _WHO,
        }
    },
    "/v1/embeddings": {
        "post": {
            "summary": "Passed on to a configured embedding model.", "answer": FREE, "asks": "EmbeddingRequest",
            "statuses": _CALLS, "parameters": _WHO,
        }
    },
    "/v1/messages/count_tokens": {
        "post": {
            "summary": "How many tokens a message has.", "answer": _object(("input_tokens",)), "asks": "CountRequest",
            "statuses": _CALLS, "error": "AnthropicError",
        }
    },
    "/v1/explain": {
        "post": {
            "summary": "What would be done with a request. Calls no model, spends nothing.",
            "answer": _ref("Explanation"), "asks": "ChatRequest", "statuses": (404,), "parameters": _WHO,
        }
    },
    "/v1/models": {
        "get": {
            "summary": "What may be sent as model.",
            "answer": _object(("object", "data"), data=_list(_ref("Model"))),
        }
    },
    "/v1/models/{id}": {
        "get": {
            "summary": "One of them.", "answer": _ref("Model"), "statuses": (404,), "parameters": (_MODEL_ID,),
        }
    },
    "/v1/budgets": {
        "get": {
            "summary": "The caller's budgets; with the admin key, all.",
            "answer": _object(("budgets",), budgets=_list(_ref("Balance"))),
        }
    },
    "/v1/feedback": {
        "post": {
            "summary": "A verdict on one of the caller's own answers, once for each source. Routing learns from it.",
            "asks": "Feedback",
            "answer": _object(("decision_id", "recorded"), decision_id=TEXT, recorded={"type": "boolean"}),
            "statuses": (404,),
        }
    },
    "/v1/decisions/{id}": {
        "get": {
            "summary": "One decision in full: why, what else was possible, what it cost, the verdicts since.",
            "answer": _object(("id", "outcome", "verdicts"), id=TEXT, outcome=TEXT, verdicts=_list(FREE)),
            "parameters": ({"name": "id", "in": "path", "required": True, "schema": TEXT},),
            "statuses": (404,),
        }
    },
    "/": {"get": {"summary": "Who is there.", "answer": _object(("name",), name=TEXT), "open": True}},
    "/api/hello": {"get": {"summary": "The same.", "answer": _object(("name",), name=TEXT), "open": True}},
    "/healthz": {"get": {"summary": "Whether the process lives.", "answer": _STATUS, "open": True}},
    "/readyz": {"get": {"summary": "Whether it takes work; 503 while it drains.", "answer": _STATUS, "open": True}},
    "/metrics": {"get": {"summary": "For Prometheus.", "answer": "text/plain", "statuses": (401,), "open": True}},
    "/dashboard": {"get": {"summary": "A page for people.", "answer": "text/html", "statuses": (401,), "open": True}},
    "/dashboard/data": {"get": {"summary": "Its figures.", "answer": FREE, "statuses": (401,), "open": True}},
    "/openapi.json": {"get": {"summary": "This document.", "answer": FREE, "open": True}},
}  # fmt: skip
