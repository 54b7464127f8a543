"""`levelhead explain` on the simulated pair: shapes, order, ids, and what bad input leads to."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from .conftest import Run

EASY = "What is the capital of Australia?"
MODELS = {"sim-efficient", "sim-strong"}


def lines(*tasks: Any) -> bytes:
    return b"".join((task if isinstance(task, bytes) else orjson.dumps(task)) + b"\n" for task in tasks)


def check_shape(said: dict[str, Any]) -> None:
    assert set(said) >= {"id", "level", "difficulty", "confidence", "models", "decision"}
    assert said["level"] in ("L1", "L2", "L3", "L4")
    assert 0 <= said["difficulty"] <= 1
    assert 0 <= said["confidence"] <= 1
    assert set(said["models"]) == MODELS
    for model in said["models"].values():
        assert set(model) == {"success", "expected_cost_usd", "eligible", "why_not"}
        assert 0 <= model["success"] <= 1
        assert model["expected_cost_usd"] > 0
        assert model["eligible"] is (model["why_not"] is None)
    chosen = said["decision"]
    assert set(chosen) == {"model", "tier", "reason", "expected_cost_usd", "baseline_cost_usd"}
    assert said["models"][chosen["model"]]["expected_cost_usd"] == chosen["expected_cost_usd"]


class TestOnePrompt:
    def test_json(self, run: Run, tmp_path: Path) -> None:
        ran = run("explain", "--json", EASY)
        assert ran.code == 0
        said = json.loads(ran.out)
        check_shape(said)
        assert said["id"] is None
        assert list((tmp_path / "home").glob("*.db")) == []  # no ledger was opened

    def test_for_people(self, run: Run) -> None:
        ran = run("explain", EASY)
        assert ran.code == 0
        assert ran.out.startswith("L")
        assert all(model in ran.out for model in MODELS)
        assert "all-strong $0.00" in ran.out

    def test_standard_input(self, run: Run) -> None:
        piped = run("explain", "--json", "-", stdin=EASY.encode())
        assert piped.out == run("explain", "--json", EASY).out

    def test_a_slot_binds(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "levelhead.yaml").write_text("slots: {critic: {floor: strong}, drafter: {ceiling: efficient}}")
        for slot, model in (("critic", "sim-strong"), ("drafter", "sim-efficient")):
            assert json.loads(run("explain", "--json", "--slot", slot, EASY).out)["decision"]["model"] == model

    def test_bytes_that_are_no_text(self, run: Run) -> None:
        for ran in (run("explain", "caf\udce9"), run("explain", "-", stdin=b"caf\xe9")):
            assert (ran.code, ran.err) == (1, "levelhead: The prompt is not UTF-8.\n")


class TestMessages:
    def test_a_list_and_a_whole_request(self, run: Run, tmp_path: Path) -> None:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": EASY}]
        tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
        (tmp_path / "list.json").write_bytes(b" \n" + orjson.dumps(turns))
        (tmp_path / "body.json").write_bytes(orjson.dumps({"id": 7, "messages": turns, "tools": [tool], "user": "u"}))
        as_list = json.loads(run("explain", "--json", "--messages", "list.json").out)
        as_body = json.loads(run("explain", "--json", "--messages", "body.json").out)
        check_shape(as_list)
        check_shape(as_body)
        assert (as_list["id"], as_body["id"]) == (None, 7)
        piped = run("explain", "--json", "--messages", "-", stdin=orjson.dumps(turns))
        assert json.loads(piped.out) == as_list

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[{]", "Is not JSON"),
            (b"3", "Should be a JSON object"),
            (b"{}", "Give either 'prompt' or 'messages'"),
            (b"[]", "messages"),
            (b'[{"role": "user"}]', "content"),
            (b"[17]", "messages"),
            (b'[{"role": "user", "content": "caf\xe9"}]', "Is not JSON"),
        ],
    )
    def test_bad_files(self, run: Run, tmp_path: Path, content: bytes, said: str) -> None:
        (tmp_path / "m.json").write_bytes(content)
        ran = run("explain", "--messages", "m.json")
        assert ran.code == 1
        assert ran.out == ""
        assert ran.err.startswith("levelhead: ")
        assert ran.err.count("\n") == 1
        assert said in ran.err


class TestLines:
    def test_same_order_same_ids(self, run: Run, tmp_path: Path) -> None:
        ids = ["b", "a", 3, 2.5, None, "ü", {"x": [1]}, True]
        tasks = [{"id": i, "prompt": f"{EASY} {n}"} for n, i in enumerate(ids)]
        (tmp_path / "tasks.jsonl").write_bytes(lines(*tasks))
        ran = run("explain", "--jsonl", "tasks.jsonl")
        assert ran.code == 0
        said = [json.loads(line) for line in ran.out.splitlines()]
        assert [one["id"] for one in said] == ids
        for one in said:
            check_shape(one)

    def test_a_line_is_what_a_single_call_says(self, run: Run) -> None:
        task = {"messages": [{"role": "user", "content": EASY}]}
        ran = run("explain", "--jsonl", "-", stdin=lines(task))
        assert json.loads(ran.out) == json.loads(run("explain", "--json", EASY).out)

    def test_a_slot_of_its_own_goes_first(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "levelhead.yaml").write_text("slots: {critic: {floor: strong}, drafter: {ceiling: efficient}}")
        tasks = lines({"prompt": EASY, "slot": "critic"}, {"prompt": EASY})
        said = [
            json.loads(x) for x in run("explain", "--jsonl", "-", "--slot", "drafter", stdin=tasks).out.splitlines()
        ]
        assert [one["decision"]["tier"] for one in said] == ["strong", "efficient"]

    def test_a_bad_line_spoils_only_itself(self, run: Run) -> None:
        stdin = b"\xef\xbb\xbf" + lines(
            {"id": 1, "prompt": EASY},
            b"",
            b"   ",
            b'{"id": 2, "prompt": ',
            {"id": 3},
            {"id": 4, "prompt": EASY, "messages": []},
            {"id": 5, "prompt": 5},
            {"id": 6, "messages": [{"role": "wizard", "content": "x"}]},
            {"id": 7, "prompt": EASY, "slot": 7},
            b"[]",
            {"id": 9, "prompt": EASY, "tools": "hammer"},
            b'{"id": 10, "prompt": "' + b"[" * 5000 + b'"}',
            {"id": 11, "prompt": EASY},
        )
        ran = run("explain", "--jsonl", "-", stdin=stdin)
        assert ran.code == 1
        said = [json.loads(line) for line in ran.out.splitlines()]
        assert [one["id"] for one in said] == [1, None, 3, 4, 5, 6, 7, None, 9, 10, 11]
        failed = [one for one in said if "error" in one]
        assert [one["id"] for one in failed] == [None, 3, 4, 5, 6, 7, None, 9]
        assert all(set(one) == {"id", "error"} and one["error"]["message"] for one in failed)

    def test_nothing_in_nothing_out(self, run: Run) -> None:
        ran = run("explain", "--jsonl", "-", stdin=b"")
        assert (ran.code, ran.out) == (0, "")


class TestCalls:
    @pytest.mark.parametrize(
        "arguments",
        [(), ("a", "--jsonl", "b"), ("--messages", "a", "--jsonl", "b"), ("a", "b"), ("--nonsense",)],
    )
    def test_wrong_calls(self, run: Run, arguments: tuple[str, ...]) -> None:
        ran = run("explain", *arguments)
        assert ran.code == 2
        assert "Usage: " in ran.err
        assert "Traceback" not in ran.err

    @pytest.mark.parametrize("option", ["--messages", "--jsonl", "--config"])
    def test_a_file_that_is_not_there(self, run: Run, option: str) -> None:
        ran = run("explain", option, "absent", *(["x"] if option == "--config" else []))
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("levelhead: absent: can't be read: No such file")

    def test_version(self, run: Run) -> None:
        from levelhead import __version__

        assert run("--version").out == f"levelhead {__version__}\n"

    def test_a_reader_that_leaves_early(self, tmp_path: Path) -> None:
        (tmp_path / "tasks.jsonl").write_bytes(lines(*({"prompt": EASY} for _ in range(2000))))
        with subprocess.Popen(
            [sys.executable, "-m", "levelhead", "explain", "--jsonl", "tasks.jsonl"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert b"Traceback" not in process.stderr.read()

    def test_a_start_is_quick(self, tmp_path: Path) -> None:
        """CPU time, with modules compiled as an installer does: a second, of which importing NumPy is a fifth.

        Twice that on a busy machine, and in proportion on a slow one.
        """
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")

        def took(*call: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *call], check=True, capture_output=True, env=env)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        start, yardstick = ("-m", "levelhead", "explain", "--json", EASY), ("-c", "import numpy")
        took(*start)
        # The least of them, and no more than needed.
        assert any((spent := took(*start)) < 2.0 or spent < 10 * took(*yardstick) for _ in range(4))
