"""Uses the `openai` SDK on behalf of the tests, which run in another environment.

A JSON object on each line of standard input asks, a line of standard output answers. The same code serves the sync and
the async client, so that each case is one case for both.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import openai
from pydantic import BaseModel

Client = openai.OpenAI | openai.AsyncOpenAI
Ask = dict[str, Any]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class City(BaseModel):
    name: str
    people: int


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def gathered(stream: Any, into: list[Any]) -> None:
    """One by one, so that what came before an error is there."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            into.append(plain(item))  # noqa: PERF401 - what came before an error shall be there
    else:
        for item in stream:
            into.append(plain(item))  # noqa: PERF401


def plain(model: Any) -> Any:
    return model.model_dump(mode="json", exclude_unset=True) if isinstance(model, BaseModel) else model


async def create(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    fields = ask["fields"]
    if fields.get("stream"):
        stream = await settled(client.chat.completions.create(**fields))
        said |= {"headers": dict(stream.response.headers), "chunks": []}
        await gathered(stream, said["chunks"])
        return
    raw = await settled(client.chat.completions.with_raw_response.create(**fields))
    completion = await settled(raw.parse())
    said |= {"headers": dict(raw.headers), "kind": type(completion).__name__, "body": plain(completion)}


async def assembled(client: Client, fields: dict[str, Any], events: list[Any]) -> Any:
    """`client.chat.completions.stream`, which puts together what it hears."""
    async with AsyncExitStack() as stack:
        manager = client.chat.completions.stream(**fields)
        asynchronous = hasattr(manager, "__aenter__")
        stream = await stack.enter_async_context(manager) if asynchronous else stack.enter_context(manager)
        await gathered(stream, events)
        return await settled(stream.get_final_completion())


async def helper(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    wanted = {"response_format": City} if ask.get("parse") else {}
    events: list[Any] = []
    completion = await assembled(client, {**ask["fields"], **wanted}, events)
    said |= {"events": [event["type"] for event in events], "body": plain(completion)}


async def parse(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    completion = await settled(client.chat.completions.parse(response_format=City, **ask["fields"]))
    parsed = completion.choices[0].message.parsed
    said |= {"body": plain(completion), "parsed": plain(parsed), "kind": type(parsed).__name__}


async def agent(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """A tool loop as people write it: the SDK's own message goes back as it came. One turn for each of `models`."""
    messages: list[Any] = [{"role": "user", "content": "How warm is it in Rome?"}]
    turns: list[Any] = []
    said["turns"] = turns
    for model in ask["models"]:
        fields = {"model": model, "messages": messages, "tools": [WEATHER], **ask["fields"]}
        if fields.pop("stream"):
            completion = await assembled(client, fields, [])
        else:
            completion = await settled(client.chat.completions.create(**fields))
        message = completion.choices[0].message
        messages.append(message)
        turns.append(plain(message))
        for call in message.tool_calls or ():
            where = json.loads(call.function.arguments)["city"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"21 degrees in {where}"})


async def response(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    fields = ask["fields"]
    if fields.get("stream"):
        stream = await settled(client.responses.create(**fields))
        said |= {"headers": dict(stream.response.headers), "events": []}
        await gathered(stream, said["events"])
        return
    raw = await settled(client.responses.with_raw_response.create(**fields))
    whole = await settled(raw.parse())
    said |= {"headers": dict(raw.headers), "body": plain(whole), "text": whole.output_text}


async def response_helper(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """`client.responses.stream`, which puts together what it hears."""
    async with AsyncExitStack() as stack:
        manager = client.responses.stream(**ask["fields"])
        asynchronous = hasattr(manager, "__aenter__")
        stream = await stack.enter_async_context(manager) if asynchronous else stack.enter_context(manager)
        events: list[Any] = []
        await gathered(stream, events)
        whole = await settled(stream.get_final_response())
        said |= {"events": [event["type"] for event in events], "body": plain(whole), "text": whole.output_text}


async def response_agent(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """A tool loop whose items go back as they came, or by `previous_response_id`. One turn for each of `models`."""
    items: list[Any] = [{"role": "user", "content": "How warm is it in Rome?"}]
    by_id, turns, last = ask.get("by_id"), [], None
    said["turns"] = turns
    for model in ask["models"]:
        fields = {"model": model, "input": items, **ask["fields"]}
        if by_id and last is not None:
            fields["previous_response_id"] = last
        whole = await settled(client.responses.create(**fields))
        turns.append(plain(whole))
        last = whole.id
        calls = [item for item in whole.output if item.type == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": call.call_id, "output": f"21 degrees: {call.arguments}"}
            for call in calls
        ] or [{"role": "user", "content": "and now?"}]
        items = results if by_id else [*items, *whole.output, *results]


async def legacy(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """`client.completions`, the forerunner of chat."""
    fields = ask["fields"]
    if fields.get("stream"):
        said["chunks"] = []
        await gathered(await settled(client.completions.create(**fields)), said["chunks"])
    else:
        said["body"] = plain(await settled(client.completions.create(**fields)))


async def embed(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    raw = await settled(client.embeddings.with_raw_response.create(**ask["fields"]))
    said |= {"headers": dict(raw.headers), "body": plain(await settled(raw.parse()))}


async def models(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    listed: list[Any] = []
    await gathered(await settled(client.models.list()), listed)
    said |= {"models": listed, "one": plain(await settled(client.models.retrieve(ask["name"])))}


OPERATIONS: dict[str, Callable[[Client, Ask, dict[str, Any]], Awaitable[None]]] = {
    "create": create,
    "helper": helper,
    "parse": parse,
    "agent": agent,
    "response": response,
    "response_helper": response_helper,
    "response_agent": response_agent,
    "legacy": legacy,
    "embed": embed,
    "models": models,
}


def told(error: Exception) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "status": getattr(error, "status_code", None),
        "headers": {} if response is None else dict(response.headers),
        **{name: getattr(error, name, None) for name in ("message", "type", "param", "code")},
    }


class Driver:
    def __init__(self) -> None:
        self._clients: dict[tuple[str, ...], Client] = {}

    async def answer(self, ask: Ask) -> dict[str, Any]:
        said: dict[str, Any] = {}
        try:
            await OPERATIONS[ask["op"]](self._client(ask), ask, said)
        except openai.OpenAIError as error:
            said["error"] = told(error)
        except Exception as error:  # a bug of the SDK or of this file: the test shall show it
            said["bug"] = f"{type(error).__name__}: {error}"
        return said

    def _client(self, ask: Ask) -> Client:
        known = (ask["mode"], ask["url"], ask["key"], str(ask["retries"]))
        if known not in self._clients:
            kind = openai.AsyncOpenAI if ask["mode"] == "async" else openai.OpenAI
            self._clients[known] = kind(base_url=ask["url"] + "/v1", api_key=ask["key"], max_retries=ask["retries"])
        return self._clients[known]


def main() -> None:
    driver = Driver()
    print(json.dumps({"version": openai.__version__}), flush=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(driver.answer(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
