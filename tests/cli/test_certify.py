"""`levelhead certify`: verdicts in, certificates out, kept where the proxy looks for them."""

import json

from levelhead.policy import FILE, load

from .conftest import Run


def verdicts(path, n=600, **fields):
    rows = []
    for at in range(n):
        trusted = at % 2 == 0
        scores = (1, 1) if trusted else (0, 1)
        rows.append({"trust": 0.9 if trusted else 0.2, "efficient": scores[0], "strong": scores[1], **fields})
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_what_is_shown_is_certified(run: Run, tmp_path):
    done = run("certify", verdicts(tmp_path / "v.jsonl", slot="critic", level="L2"), "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert (found["slot"], found["domain"], found["n"], found["method"]) == ("critic", "L2", 600, "betting")
    assert 0.2 < found["threshold"] <= 0.9
    (kept,) = load(tmp_path / "home" / FILE)
    assert kept.threshold == found["threshold"]
    assert run("certify", verdicts(tmp_path / "d.jsonl"), "--direct").code == 0
    assert {one.path for one in load(tmp_path / "home" / FILE)} == {"cascade", "direct"}


def test_what_is_not_is_not(run: Run, tmp_path):
    done = run("certify", verdicts(tmp_path / "v.jsonl", n=50))
    assert done.code == 1
    assert "uncertified" in done.out
    assert load(tmp_path / "home" / FILE) == []


def test_bad_rows_are_named(run: Run, tmp_path):
    path = tmp_path / "v.jsonl"
    for text, said in (
        ("{", "line 1"),
        ('\n{"trust": 2, "efficient": 1, "strong": 1}', "line 2: trust"),
        ("3", "line 1"),
    ):
        path.write_text(text)
        done = run("certify", str(path))
        assert done.code == 1
        assert said in done.err
    assert "none.jsonl" in run("certify", str(tmp_path / "none.jsonl")).err
