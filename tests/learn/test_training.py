"""Data directory -> artefact, end to end on a small world."""

import random
import shutil
from pathlib import Path

import orjson
import pytest

from levelhead.cli.train import train as command
from levelhead.difficulty import load_quality_model
from levelhead.errors import ConfigError
from levelhead.learn import levels
from levelhead.learn.datasets import model_of, read_outcomes, stem_of
from levelhead.learn.training import own_corpora, train
from levelhead.types import Chat, Level, Model, Price

MODELS = {"gpt-4o-2024-05-13": 0.8, "claude-3-5-sonnet-20241022": 0.8, "DeepSeek-V3": 0.7, "llama-3.1-8b-instruct": 0.4}
WORDS = ["river", "engine", "contract", "theorem", "market", "protein", "lantern", "orbit", "cellar", "voltage"]


def rows(source: str, prompts: int) -> list[dict]:
    chance = random.Random(source)
    found = []
    for number in range(prompts):
        hard = number % 2
        prompt = f"{'Prove the lemma about' if hard else 'Name a'} {chance.choice(WORDS)} {number}"
        for model, ability in MODELS.items():
            score = float(chance.random() < ability - 0.3 * hard)
            found.append(
                {"source": source, "prompt_id": f"{source}:{number}", "prompt": prompt, "model": model, "score": score}
            )
    return found


def write(path: Path, found: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in found))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data/train/one.jsonl", rows("one", 60))
    write(tmp_path / "data/train/two.jsonl", rows("two", 40))
    write(tmp_path / "data/eval_only/never.jsonl", [{"poison": True}])
    return tmp_path / "data"


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A little of the labelled corpus: fitting all of it takes minutes."""
    folder = tmp_path / "corpora"
    for part, names, count in (("levels", ("a", "b", "e"), 80), ("apart", ("g_tasks",), 20)):
        (folder / part).mkdir(parents=True)
        for name in names:
            lines = (own_corpora() / part / f"{name}.jsonl").read_bytes().splitlines()[:count]
            (folder / part / f"{name}.jsonl").write_bytes(b"\n".join(lines))
    for name in ("abilities.json", "coats.json"):
        shutil.copy(own_corpora() / name, folder)
    return folder


def test_the_same_data_give_the_same_bytes_and_a_model_that_works(
    data: Path, corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(levels._BOOSTING, "n_estimators", 12)  # fitting all of them, twice, takes half a minute
    outs = [tmp_path / "a" / "model", tmp_path / "b" / "model"]
    told: list[str] = []
    train(data, outs[0], corpora, told.append)
    assert told[1:3] == ["fitting levels", "fitting difficulties and abilities"]
    command(data, outs[1], corpora)
    for file in sorted(outs[0].iterdir()):
        assert file.read_bytes() == (outs[1] / file.name).read_bytes(), file.name
    price = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
    model = Model("m", "efficient", 0, "openai", "deepseek-v4-flash", price)
    chat = Chat("chat", {}, "auto", [{"role": "user", "content": "Translate 'cat' into French"}])
    found = load_quality_model(outs[0]).assess(chat, [model])
    assert found.level in Level
    assert 0.5 < found.success["m"] < 1
    assert not any("eval_only" in name for name in orjson.loads((outs[0] / "manifest.json").read_bytes())["data"])
    assert "What it can't do" in (outs[0] / "CARD.md").read_text()


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no outcome tables"):
        train(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="should hold levels"):
        train(tmp_path, tmp_path / "out", corpora=tmp_path)


def test_repeated_trials_and_equal_stems_are_one_prompt(tmp_path: Path) -> None:
    base = {"source": "s", "model": "gpt-4o"}
    write(
        tmp_path / "train/t.jsonl",
        [
            {**base, "prompt_id": "1", "prompt": "What is iron?\nA. metal\nB. gas", "score": 1},
            {**base, "prompt_id": "2", "prompt": "What is Iron ?\n(A) gas\n(B) metal", "score": 0},
            {**base, "prompt_id": "3", "prompt": "What is tin?", "score": None},
        ],
    )
    found = read_outcomes(tmp_path)
    assert len(found.prompts) == 1
    assert found.score.tolist() == [0.5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Question: Which fuel?\nChoices: (A) coal, (B) oil", "which fuel"),
        ("Which fuel?\nA. coal\nB. oil", "Which fuel?"),
    ],
)
def test_one_question_in_two_dresses_has_one_stem(one: str, other: str) -> None:
    assert stem_of(one) == stem_of(other)


def test_one_model_has_one_name_over_sources() -> None:
    assert model_of("a", "gpt-4o-2024-05-13") == model_of("b", "openai/gpt-4o")
    assert model_of("a", "deepseek-v2.5-0908") != model_of("b", "deepseek-chat-v2-2024-05")
