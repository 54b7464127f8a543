"""Logs of another gateway: what is read of them, what is left out and why, and what routing makes of them."""

import json
from dataclasses import replace

import pytest

from levelhead.assemble import rooms_of
from levelhead.config import from_mapping
from levelhead.errors import ConfigError
from levelhead.learn.gateway import is_log, read_log
from levelhead.learn.hindsight import hindsight
from levelhead.router import Pipeline
from levelhead.types import Usage

SPEND = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.02,
    "total_tokens": 1_200,
    "prompt_tokens": 1_000,
    "completion_tokens": 200,
    "startTime": "2026-11-02T09:30:00Z",
    "endTime": "2026-11-02T09:30:04Z",
    "model": "anthropic/claude-sonnet-5-5",
    "metadata": json.dumps(
        {"usage_object": {"prompt_tokens": 1_000, "completion_tokens": 200,
                          "prompt_tokens_details": {"cached_tokens": 900}}}
    ),
    "cache_hit": "False",
    "messages": {},
    "proxy_server_request": {"model": "sonnet", "messages": [{"role": "user", "content": "What is 2 + 2?"}],
                             "stream": True, "metadata": {"run": 5}},
    "response": {},
    "session_id": "s1",
    "status": "success",
}  # fmt: skip
ANSWERED = {"model": "gpt-4o", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Translate hello to French."}]}


def log(folder, rows, name="log.jsonl"):
    file = folder / name
    file.write_text("\n".join(map(json.dumps, rows)) if name.endswith("l") else json.dumps(rows))
    return file


def one(folder, row):
    (found,) = read_log(log(folder, [row])).requests
    return found


def test_a_spend_log_of_litellm(tmp_path):
    found = one(tmp_path, SPEND)
    assert (found.id, found.session, found.dialect) == ("chatcmpl-1", "s1", "chat")
    assert found.paid_usd == 0.02
    assert found.usage == Usage(input=100, cached_input=900, output=200)
    assert json.loads(found.raw) == {"model": "auto", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    assert found.at == 1_793_611_800


@pytest.mark.parametrize(
    "changes",
    [
        {"proxy_server_request": json.dumps(SPEND["proxy_server_request"])},
        {"proxy_server_request": {"body": SPEND["proxy_server_request"]}},
        {"proxy_server_request": "{}", "messages": SPEND["proxy_server_request"]["messages"]},
        {"proxy_server_request": None, "messages": json.dumps(SPEND["proxy_server_request"]["messages"])},
    ],
)
def test_wherever_the_prompt_is_kept(tmp_path, changes):
    assert b"What is 2 + 2?" in one(tmp_path, SPEND | changes).raw


def test_openai_style_rows(tmp_path):
    for row in (
        {"request": ASKED, "response": ANSWERED},
        {"custom_id": "b", "url": "/v1/chat/completions", "body": ASKED,
         "response": {"status_code": 200, "body": ANSWERED}},
        {**ASKED, "usage": ANSWERED["usage"]},
    ):  # fmt: skip
        found = one(tmp_path, row)
        assert (found.model, found.usage) == ("gpt-4o", Usage(input=10, output=5))
        assert found.paid_usd == pytest.approx(10 * 2.5e-6 + 5 * 10e-6)  # at list prices


def test_the_other_dialects(tmp_path):
    said = {"input_tokens": 10, "output_tokens": 5}
    used = {**said, "input_tokens_details": {"cached_tokens": 4}}
    asked = {"model": "gpt-4o", "instructions": "Be brief.", "input": "Hello"}
    found = one(tmp_path, {"request": asked, "response": {"model": "gpt-4o", "usage": used}})
    assert (found.dialect, found.usage) == ("responses", Usage(input=6, cached_input=4, output=5))
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "system": "x", "messages": ASKED["messages"]}
    found = one(tmp_path, {"request": asked, "response": {"usage": said | {"cache_read_input_tokens": 90}}})
    assert (found.dialect, found.usage) == ("messages", Usage(input=10, cached_input=90, output=5))
    found = one(tmp_path, {"request": {"model": "gpt-4o", "prompt": "Once"}, "response": ANSWERED})
    assert found.dialect == "completions"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "failure"}, "failed"),
        ({"cache_hit": "True"}, "answered from a cache"),
        ({"proxy_server_request": {}, "messages": {}}, "without a prompt"),
        ({"call_type": "aembedding"}, "without a prompt"),
        ({"metadata": "{}", "prompt_tokens": 0, "completion_tokens": 0}, "without token counts"),
        ({"spend": 0, "model": "nobody-knows"}, "of a model without a price"),
        ({"response": {"status_code": 500}}, "failed"),
    ],
)
def test_what_is_left_out_is_counted(tmp_path, changes, why):
    found = read_log(log(tmp_path, [SPEND, SPEND | changes]))
    assert len(found.requests) == 1
    ((reason, count),) = found.left_out.items()
    assert reason.startswith(why)
    assert count == 1
    with pytest.raises(ConfigError, match="no request to route: 1 " + why):
        read_log(log(tmp_path, [SPEND | changes]))


def test_arrays_and_lines(tmp_path):
    for name, rows in (("a.json", [SPEND]), ("b.json", {"data": [SPEND]}), ("c.jsonl", [SPEND, SPEND])):
        file = log(tmp_path, rows, name)
        assert is_log(file)
        assert read_log(file).requests
    pretty = tmp_path / "pretty.json"
    pretty.write_text("\ufeff" + json.dumps({"logs": [SPEND, SPEND]}, indent=2))
    assert len(read_log(pretty).requests) == 2
    pretty.write_text(json.dumps(SPEND, indent=2))
    assert len(read_log(pretty).requests) == 1
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match="no request to route: it is empty"):
        read_log(tmp_path / "empty.jsonl")
    assert not is_log(log(tmp_path, [{"prompt_id": "1", "prompt": "x", "model": "m", "score": 1}], "outcomes.jsonl"))
    (tmp_path / "broken.jsonl").write_text('{"request_id": ')
    assert not is_log(tmp_path / "broken.jsonl")
    with pytest.raises(ConfigError, match=r"log\.jsonl, row 1: should be an object"):
        read_log(log(tmp_path, [5]))


@pytest.fixture(scope="module")
def explain():
    models = {
        "flash": {"tier": "efficient", "wire": "openai", "model": "deepseek-v4-flash", "api_key_env": "K",
                  "price": {"input": 1, "output": 2, "cached_input": 0.1}},
        "claude": {"tier": "strong", "wire": "anthropic", "model": "claude-sonnet-5-5", "api_key_env": "K",
                   "price": {"input": 3, "output": 15, "cached_input": 0.3}},
    }  # fmt: skip
    pipeline = Pipeline(rooms_of(from_mapping({"models": models}, env={"K": "k"})))
    return lambda ask: pipeline.explain(ask)[0]


def test_what_routing_would_have_cost(tmp_path, explain):
    hard = "Prove that there are infinitely many primes p with p = 3 mod 4, then refute the converse claim in ZFC."
    rows = [
        SPEND,
        SPEND | {"request_id": "2", "session_id": "s2", "proxy_server_request": {
            "messages": [{"role": "user", "content": hard}], "tools": []}},
        SPEND | {"request_id": "3", "spend": 1.0, "proxy_server_request": {"messages": "nonsense"}},
    ]  # fmt: skip
    report = hindsight(read_log(log(tmp_path, rows)), explain, 0.95)
    found = report["routing"]
    assert report["requests"] == 2
    assert report["left_out_usd"] == 1.0
    assert found["spent_usd"] == pytest.approx(0.04)
    cheap = 100 * 1e-6 + 900 * 0.1e-6 + 200 * 2e-6
    dear = 1_000 * 1e-6 + 400 * 2e-6
    went = report["models"].get("flash", 0)
    assert went >= 1
    assert found["would_cost_usd"] == pytest.approx(went * cheap + (2 - went) * 0.02)
    assert found["if_twice_as_long_share"] == pytest.approx(1 - (went * dear + (2 - went) * 0.02) / 0.04)
    assert found["would_go_elsewhere"] == went


def test_who_was_answered_by_the_same_model_saves_nothing(tmp_path, explain):
    read = read_log(log(tmp_path, [SPEND]))
    read.requests[:] = [replace(request, model="openrouter/deepseek-v4-flash") for request in read.requests]
    found = hindsight(read, explain, 0.95)["routing"]
    assert found["would_cost_usd"] == found["spent_usd"] == 0.02
    assert found["would_go_elsewhere"] == 0
    assert found["predicted_loss"] == 0


def test_an_interval_over_conversations(tmp_path, explain):
    rows = [SPEND | {"request_id": str(n), "session_id": f"s{n}", "spend": 0.01 + n / 1_000} for n in range(40)]
    found = hindsight(read_log(log(tmp_path, rows)), explain, 0.95)["routing"]
    assert found["conversations"] == 40
    low, high = found["interval"]
    assert low < found["would_save_share"] < high
