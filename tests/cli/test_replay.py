"""`levelhead replay` on a table of its own."""

import json

import pytest

from levelhead.cli import main


def table(path):
    with path.open("w") as file:
        for at in range(300):
            for model, cost in (("deepseek-x", 0.001), ("gpt-x", 0.002), ("claude-x", 0.02)):
                right = at % 5 < 3 or model == "claude-x"
                answer = str(at) if right else f"{model}?"
                row = {"prompt_id": str(at), "prompt": f"What is {at}?", "model": model, "score": int(right)}
                file.write(json.dumps({**row, "cost_usd": cost, "answer": answer}) + "\n")
    return str(path)


def test_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["replay", table(tmp_path / "outcomes.jsonl"), "--json"])
    assert not ended.value.code
    report = json.loads(capsys.readouterr().out)
    assert report["models"] == {"strong": "claude-x", "efficient": "deepseek-x", "second": "gpt-x"}
    assert report["cascade"]["quality"] == 1.0
    assert report["cascade"]["savings"] == pytest.approx(1 - (0.003 + 0.4 * 0.02) / 0.02)
    assert set(report) >= {"all_strong", "all_efficient", "routing", "goal", "prompts"}


def test_for_people(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["replay", table(tmp_path / "outcomes.jsonl"), "--max-quality-loss", "0.000001"])
    said = capsys.readouterr().out
    assert "300 prompts; deepseek-x against claude-x" in said
    assert "checked by gpt-x" in said
    assert "uncertified" in said


def test_what_is_wrong_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["replay", "nothing.jsonl"])
    assert ended.value.code == 1
    assert "nothing.jsonl: no such file" in capsys.readouterr().err
