import orjson
import pytest

from levelhead.cache import CacheUse, cache_key, cacheable, serving_set
from levelhead.errors import InvalidRequest
from levelhead.types import Chat, Model, Price

MESSAGES = [{"role": "user", "content": "2+2?"}]
BODY = {"model": "auto", "messages": MESSAGES, "temperature": 0, "max_tokens": 50}


def chat(body=BODY, *, dialect="chat", **more):
    body = {**body, **more}
    return Chat(dialect, body, body["model"], body["messages"], n=body.get("n", 1), temperature=body.get("temperature"))


def key(what=None, *, tenant="a", slot=None, models=("m1", "m2"), **more):
    return cache_key(what or chat(), tenant=tenant, slot=slot, models=models, **more)


@pytest.mark.parametrize(
    "same",
    [
        chat(stream=True, stream_options={"include_usage": True}),
        chat(metadata={"run": "r7"}, user="u1", safety_identifier="s", prompt_cache_key="k"),
        chat(model="auto/critic"),
        chat(temperature=0.0, max_tokens=50.0),
        chat(dict(reversed(BODY.items()))),
        chat(messages=[{"content": "2+2?", "role": "user"}]),
        chat(orjson.loads(orjson.dumps(BODY, option=orjson.OPT_INDENT_2))),
    ],
)
def test_how_an_answer_travels_and_whom_it_is_booked_to_is_not_in_the_key(same):
    assert key(same) == key()


@pytest.mark.parametrize(
    "other",
    [
        chat(messages=[{"role": "user", "content": "2+2? "}]),
        chat(messages=[{"role": "system", "content": "2+2?"}]),
        chat(messages=[{"role": "user", "content": "2+2?", "name": "ada"}]),
        chat(messages=MESSAGES + MESSAGES),
        chat(temperature=0.1),
        chat(temperature=False),
        chat(max_tokens=51),
        chat(n=2),
        chat(seed=1),
        chat(seed=None),
        chat(stop=["a", "b"]),
        chat(tools=[{"type": "function", "function": {"name": "f"}}]),
        chat(response_format={"type": "json_object"}),
        chat(a_field_of_next_year={"x": 1}),
        chat(dialect="messages"),
    ],
)
def test_everything_else_in_the_body_is(other):
    assert key(other) != key()


def test_tenant_slot_target_models_and_vendor_headers_part_the_keys():
    keys = {
        key(),
        key(tenant="b"),
        key(slot="a"),
        key(slot=""),
        key(slot="None"),
        key(models=("m1",)),
        key(models=("m1 m2",)),
        key(pinned="m1"),
        key(pinned="strong"),
        key(headers=[("anthropic-beta", "context-1m")]),
        key(chat(stop=["a"])),
        key(chat(stop="a")),
    }
    assert len(keys) == 12
    assert {len(k) for k in keys} == {32}
    assert key(models=("m2", "m1")) == key()


def test_a_name_that_changes_its_upstream_is_another_model():
    def model(upstream, url):
        return Model("fast", "efficient", 0, "openai", upstream, Price(0, 0, 0, 0, 0), base_url=url)

    sets = {serving_set([model(u, b)]) for u in ("v4", "v5") for b in ("https://a", "https://b", None)}
    assert len(sets) == 6


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**70, "\ud800", {1: 2}])
def test_what_json_cant_express_is_the_clients_error(value):
    with pytest.raises(InvalidRequest):
        key(chat(extra=value))


def test_deep_nesting_is_the_clients_error():
    deep: list = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(InvalidRequest):
        key(chat(extra=deep))


FULL, REFRESH, BYPASS = CacheUse(True, True), CacheUse(False, True), CacheUse(False, False)
FUNCTION = {"type": "function", "function": {"name": "web_search"}}


@pytest.mark.parametrize(
    ("request_", "directive", "deterministic", "always"),
    [
        (chat(), None, FULL, FULL),
        (chat(temperature=0.0), "", FULL, FULL),
        (chat(temperature=None), None, BYPASS, FULL),
        (chat(temperature=0.7), None, BYPASS, FULL),
        (chat(n=2), None, BYPASS, FULL),
        (chat(tools=[FUNCTION, {"name": "bash", "input_schema": {}}, {"type": "custom"}]), None, FULL, FULL),
        (chat(tools=[FUNCTION, {"type": "web_search_20250305", "name": "web_search"}]), None, BYPASS, FULL),
        (chat(tools=[{"type": "mcp", "server_url": "https://x"}]), None, BYPASS, FULL),
        (chat(tools=["what?", None, {"type": 3}]), None, FULL, FULL),
        (chat(tools=7), None, FULL, FULL),
        (chat(web_search_options={"search_context_size": "low"}), None, BYPASS, FULL),
        (chat(store=True), None, BYPASS, FULL),
        (chat(store=False), None, FULL, FULL),
        (chat(), "no-cache", REFRESH, REFRESH),
        (chat(), " No-Cache , max-age=0", REFRESH, REFRESH),
        (chat(), "no-store", BYPASS, BYPASS),
        (chat(), "no-cache, no-store", BYPASS, BYPASS),
        (chat(), "no-caches", FULL, FULL),
        (chat(temperature=1), "no-cache", BYPASS, REFRESH),
    ],
)
def test_which_requests_the_cache_may_answer(request_, directive, deterministic, always):
    assert cacheable(request_, "deterministic", directive) == deterministic
    assert cacheable(request_, "always", directive) == always
