"""Uses the `anthropic` SDK on behalf of the tests, which run in another environment; see `sdk_driver.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anthropic
from sdk_driver import gathered, plain, settled

Client = anthropic.Anthropic | anthropic.AsyncAnthropic
Ask = dict[str, Any]


def api(client: Client, ask: Ask) -> Any:
    return client.beta.messages if ask.get("beta") else client.messages


async def create(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    fields = ask["fields"]
    if fields.get("stream"):
        stream = await settled(api(client, ask).create(**fields))
        said |= {"headers": dict(stream.response.headers), "events": []}
        await gathered(stream, said["events"])
        return
    raw = await settled(api(client, ask).with_raw_response.create(**fields))
    message = await settled(raw.parse())
    said |= {"headers": dict(raw.headers), "body": plain(message), "request_id": message._request_id}


async def helper(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """`messages.stream`, which puts the message together."""
    said["events"] = []
    async with AsyncExitStack() as stack:
        manager = api(client, ask).stream(**ask["fields"])
        asynchronous = hasattr(manager, "__aenter__")
        stream = await stack.enter_async_context(manager) if asynchronous else stack.enter_context(manager)
        said["headers"] = dict(stream.response.headers)
        kinds: list[Any] = []
        await gathered(stream, kinds)
        said["events"] = [event["type"] for event in kinds]
        said["body"] = plain(await settled(stream.get_final_message()))


async def count(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    said["body"] = plain(await settled(api(client, ask).count_tokens(**ask["fields"])))


async def agent(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """A tool loop as people write it: the SDK's own content goes back as it came. One turn for each of `models`."""
    messages: list[Any] = [{"role": "user", "content": ask.get("said", "How warm is it in Rome?")}]
    turns: list[Any] = []
    said["turns"] = turns
    for model in ask["models"]:
        fields = {"model": model, "max_tokens": 2000, "messages": messages, **ask["fields"]}
        if fields.pop("stream", False):
            async with AsyncExitStack() as stack:
                manager = client.messages.stream(**fields)
                asynchronous = hasattr(manager, "__aenter__")
                stream = await stack.enter_async_context(manager) if asynchronous else stack.enter_context(manager)
                message = await settled(stream.get_final_message())
        else:
            message = await settled(client.messages.create(**fields))
        turns.append(plain(message))
        messages.append({"role": "assistant", "content": message.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": f"21 degrees in {block.input.get('city')}"}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages.append({"role": "user", "content": results or "and now?"})


def get_weather(city: str) -> str:
    """The weather in a city now."""
    return f"21 degrees in {city}"


async def get_weather_later(city: str) -> str:
    """The weather in a city now."""
    return get_weather(city)


async def runner(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    """The SDK's own tool loop, which keeps the conversation at the vendor where that is offered."""
    fields = {"max_tokens": 2000, "messages": [{"role": "user", "content": "How warm is it in Rome?"}], **ask["fields"]}
    if isinstance(client, anthropic.AsyncAnthropic):
        tool: Any = anthropic.beta_async_tool(get_weather_later, name="get_weather")
    else:
        tool = anthropic.beta_tool(get_weather)
    said["body"] = plain(await settled(client.beta.messages.tool_runner(tools=[tool], **fields).until_done()))


async def models(client: Client, ask: Ask, said: dict[str, Any]) -> None:
    listed: list[Any] = []
    await gathered(await settled(client.models.list()), listed)
    said |= {"models": listed, "one": plain(await settled(client.models.retrieve(ask["name"])))}


OPERATIONS: dict[str, Callable[[Client, Ask, dict[str, Any]], Awaitable[None]]] = {
    "create": create,
    "helper": helper,
    "count": count,
    "agent": agent,
    "runner": runner,
    "models": models,
}


def told(error: Exception) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
        "request_id": getattr(error, "request_id", None),
        "headers": {} if response is None else dict(response.headers),
        "message": str(error),
    }


class Driver:
    def __init__(self) -> None:
        self._clients: dict[tuple[str, ...], Client] = {}

    async def answer(self, ask: Ask) -> dict[str, Any]:
        said: dict[str, Any] = {}
        try:
            await OPERATIONS[ask["op"]](self._client(ask), ask, said)
        except anthropic.AnthropicError as error:
            said["error"] = told(error)
        except Exception as error:  # a bug of the SDK or of this file: the test shall show it
            said["bug"] = f"{type(error).__name__}: {error}"
        return said

    def _client(self, ask: Ask) -> Client:
        known = (ask["mode"], ask["url"], ask["key"], str(ask["retries"]))
        if known not in self._clients:
            kind = anthropic.AsyncAnthropic if ask["mode"] == "async" else anthropic.Anthropic
            self._clients[known] = kind(base_url=ask["url"], api_key=ask["key"], max_retries=ask["retries"])
        return self._clients[known]


def main() -> None:
    driver = Driver()
    print(json.dumps({"version": anthropic.__version__}), flush=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(driver.answer(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
