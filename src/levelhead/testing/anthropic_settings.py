"""The rules of everything beside the messages: tools, sampling, thinking, output and cache settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .anthropic_blocks import NAME, Block, blocks_of
from .anthropic_models import ClaudeRules

_TOOL_KEYS = {
    *("type", "name", "description", "input_schema", "cache_control", "strict"),
    *("defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"),
}
_FORCED = ("any", "tool")
_NO_BREAKPOINT = ("thinking", "redacted_thinking")


def tools(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    seen: set[str] = set()
    for at, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, Mapping):
            return f"tools.{at}: Input should be a valid dictionary"
        kind = str(tool.get("type") or "custom")
        name = tool.get("name")
        if kind != "custom":
            if not kind.rsplit("_", 1)[-1].isdigit() and kind != "mcp_toolset":
                return f"tools.{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            continue
        for key in tool:
            if key not in _TOOL_KEYS:
                return f"tools.{at}.custom.{key}: Extra inputs are not permitted"
        if not isinstance(name, str) or not NAME.match(name):
            return f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if name in seen:
            return "tools: Tool names must be unique."
        seen.add(name)
        if not isinstance(tool.get("description", ""), str):
            return f"tools.{at}.custom.description: Input should be a valid string"
        refusal = _input_schema(tool.get("input_schema"), f"tools.{at}.custom.input_schema")
        if refusal is not None:
            return refusal
    return None


def _input_schema(schema: object, where: str) -> str | None:
    if not isinstance(schema, Mapping):
        return f"{where}: Field required"
    if "type" not in schema:
        return f"{where}.type: Field required"
    if schema["type"] != "object":
        return f"{where}.type: Input should be 'object'"
    if any(word in schema for word in ("oneOf", "allOf", "anyOf")):
        return f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level"
    return None


def tool_choice(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        return f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    allowed = (
        {"type"}
        | ({"disable_parallel_tool_use"} if kind != "none" else set())
        | ({"name"} if kind == "tool" else set())
    )
    for name in choice:
        if name not in allowed:
            return f"tool_choice.{kind}.{name}: Extra inputs are not permitted"
    if not body.get("tools"):
        return "tool_choice: tool_choice may only be specified while providing tools"
    if kind in _FORCED and not claude.forced_tool:
        return 'tool_choice: type "tool" and "any" are not supported on this model'
    if kind == "tool" and choice.get("name") not in {tool.get("name") for tool in body["tools"]}:
        return f"Tool '{choice.get('name')}' not found in provided tools"
    return None


def sampling(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    temperature, top_p, top_k = body.get("temperature"), body.get("top_p"), body.get("top_k")
    if temperature is not None and not 0 <= temperature <= 1:
        return f"temperature: range: 0..1 (got {temperature})"
    if top_p is not None and not 0 <= top_p <= 1:
        return f"top_p: range: 0..1 (got {top_p})"
    if not claude.sampling:
        given = {"temperature": temperature not in (None, 1), "top_p": top_p is not None, "top_k": top_k is not None}
        refused = [name for name, is_given in given.items() if is_given]
        if refused:
            return f"`{refused[0]}` is deprecated for this model."
    if temperature is not None and top_p is not None and not claude.both_sampling:
        return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    return None


def thinking(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    config = body.get("thinking")
    if config is None:
        return None
    kind = config.get("type")
    if kind not in claude.thinking:
        return _unsupported_thinking(str(kind), claude)
    effort = (body.get("output_config") or {}).get("effort")
    if kind in ("disabled", "between_tools") and effort is not None and effort not in claude.off_efforts:
        return f'"thinking.type.{kind}" is not supported at effort {effort}'
    return _manual_thinking(body, config) if kind == "enabled" else None


def _unsupported_thinking(kind: str, claude: ClaudeRules) -> str:
    if kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        return f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    return (
        f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.'
    )


def _manual_thinking(body: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    budget = config.get("budget_tokens")
    if not isinstance(budget, int):
        return "thinking.enabled.budget_tokens: Field required"
    if budget < 1024:
        return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    if budget >= body["max_tokens"]:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    if body.get("temperature", 1) != 1:
        return "`temperature` may only be set to 1 when thinking is enabled."
    if body.get("top_p", 1) < 0.95:
        return "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if body.get("top_k") is not None:
        return "`top_k` must be unset when thinking is enabled."
    if (body.get("tool_choice") or {}).get("type") in _FORCED:
        return "Thinking may not be enabled when tool_choice forces tool use."
    return _open_loop(body["messages"])


def _open_loop(messages: list[Mapping[str, Any]]) -> str | None:
    """In manual mode the turn that awaits tool results must begin with the thinking that led to it."""
    last = messages[-1]
    if last["role"] == "assistant":
        first = next(iter(blocks_of(last["content"])), {})
        return None if first.get("type") in _NO_BREAKPOINT else _expected_thinking(len(messages) - 1, first)
    if not any(block.get("type") == "tool_result" for block in blocks_of(last["content"])):
        return None
    start = len(messages) - 1
    while start > 0 and (
        messages[start]["role"] == "assistant"
        or any(block.get("type") == "tool_result" for block in blocks_of(messages[start]["content"]))
    ):
        start -= 1
    for at in range(start, len(messages)):
        first = next(iter(blocks_of(messages[at]["content"])), {})
        if messages[at]["role"] == "assistant":
            return None if first.get("type") in _NO_BREAKPOINT else _expected_thinking(at, first)
    return None


def _expected_thinking(at: int, found: Block) -> str:
    return (
        f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found.get('type')}`. "
        "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the "
        "lastmost set of `tool_use` and `tool_result` blocks)."
    )


def output_config(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    config = body.get("output_config")
    if config is None:
        return None
    for name in config:
        if name not in ("effort", "format", "task_budget"):
            return f"output_config.{name}: Extra inputs are not permitted"
    effort = config.get("effort")
    if effort is not None and not claude.efforts:
        return "This model does not support the effort parameter."
    if effort is not None and effort not in claude.efforts:
        return f"output_config.effort: Input should be one of {sorted(claude.efforts)}"
    form = config.get("format")
    if form is None:
        return None
    if form.get("type") != "json_schema" or not isinstance(form.get("schema"), Mapping):
        return "output_config.format.schema: Field required"
    for name in form:
        if name not in ("type", "schema"):
            return f"output_config.format.{name}: Extra inputs are not permitted"
    return closed_objects(form["schema"], "output_config.format.schema")


_UNSUPPORTED = frozenset({"minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems"})


def closed_objects(schema: object, where: str) -> str | None:
    """Constrained decoding takes closed objects only, and no bounds on numbers, texts and lists."""
    if isinstance(schema, list):
        return next(filter(None, (closed_objects(one, where) for one in schema)), None)
    if not isinstance(schema, Mapping):
        return None
    kind = schema.get("type")
    if (kind == "object" or "properties" in schema) and schema.get("additionalProperties") is not False:
        return f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    named = schema.get("properties")
    if isinstance(kind, str):
        for word in _UNSUPPORTED & schema.keys():
            return f"{where}: For '{kind}' type, property '{word}' is not supported"
    if kind == "array" and schema.get("minItems", 0) > 1:
        return f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    groups = [named, schema.get("$defs"), schema.get("definitions")]
    inner = [one for group in groups if isinstance(group, Mapping) for one in group.values()]
    inner += [schema[word] for word in ("items", "anyOf", "allOf") if word in schema]
    return closed_objects(inner, where)


def cache(body: Mapping[str, Any], claude: ClaudeRules) -> str | None:
    marks = list(_breakpoints(body))
    if body.get("cache_control"):
        marks.append(body["cache_control"])
    if len(marks) > 4:
        return f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
    short = False
    for mark in marks:
        if not isinstance(mark, Mapping) or mark.get("type") != "ephemeral":
            return "cache_control.type: Input should be 'ephemeral'"
        if set(mark) - {"type", "ttl"}:
            return f"cache_control.ephemeral.{sorted(set(mark) - {'type', 'ttl'})[0]}: Extra inputs are not permitted"
        ttl = mark.get("ttl", "5m")
        if ttl not in ("5m", "1h"):
            return "cache_control.ephemeral.ttl: Input should be '5m' or '1h'"
        if ttl == "1h" and short:
            return "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
        short = short or ttl == "5m"
    return None


def _breakpoints(body: Mapping[str, Any]) -> Iterator[Any]:
    for owner in (body.get("tools") or (), blocks_of(body.get("system"))):
        yield from (block["cache_control"] for block in owner if block.get("cache_control"))
    for message in body["messages"]:
        yield from _block_breakpoints(blocks_of(message["content"]))


def _block_breakpoints(blocks: list[Block]) -> Iterator[Any]:
    for block in blocks:
        if block.get("type") == "tool_result":
            yield from _block_breakpoints(blocks_of(block.get("content")))
        if block.get("cache_control"):
            yield block["cache_control"]
