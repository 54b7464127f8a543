"""Trees and linear scores at run time, against the library that fitted them."""

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from levelhead.difficulty.conversation import read_conversation
from levelhead.difficulty.levels import INPUTS, LevelReader
from levelhead.difficulty.surface import SHAPE, surface
from levelhead.difficulty.trees import Trees
from levelhead.difficulty.words import WordTable, words_of
from levelhead.learn import levels
from levelhead.learn.bags import WORDS
from levelhead.learn.datasets import read_levels
from levelhead.learn.training import own_corpora


def test_scores_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(300, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + 2 * (x[:, 1] * x[:, 2] > 0.3)
    fitted = GradientBoostingClassifier(n_estimators=12, max_depth=3, subsample=0.7, random_state=0).fit(x, y)
    arrays = levels.tree_arrays(fitted)
    trees = Trees(arrays["tree_feature"], arrays["tree_threshold"], arrays["tree_leaf"], 4)
    wanted = fitted.decision_function(x)
    found = np.array([trees.scores(row) for row in x])
    shift = (wanted - found).mean(axis=1, keepdims=True)  # the same for all four says nothing
    np.testing.assert_allclose(found + shift, wanted, atol=1e-3)


def test_run_time_sees_what_training_saw() -> None:
    """The same inputs to the trees, from sparse matrices there and from sums over words here."""
    some = [read_levels(own_corpora() / "levels" / f"{name}.jsonl")[:50] for name in ("a", "d", "e")]
    tasks = [task for tasks in some for task in tasks]
    readings = levels.Readings.of(tasks)
    linear = levels.Linear.fit(readings, np.arange(len(tasks)))
    wanted = linear.inputs(readings, np.arange(len(tasks)))
    columns = np.hstack([block[:, 1:] - block[:, :1] for block in (linear.ask, linear.head, linear.tail, linear.text)])
    columns = np.hstack([columns, np.zeros((columns.shape[0], 2))])
    weights, idf = columns.copy(), np.concatenate([linear.idf.words, linear.idf.grams])
    table = np.hstack([weights * idf[:, None], (idf**2)[:, None]]).astype(np.float32)
    constants = [start[1:] - start[0] for start in (linear.ask_constant, linear.text_constant)]
    seen: list[np.ndarray] = []

    class Spy:
        def scores(self, x: np.ndarray) -> np.ndarray:
            seen.append(x)
            return np.zeros(4, dtype=np.float32)

    reader = LevelReader(WordTable(table[WORDS:], table[:WORDS]), Spy(), np.concatenate(constants))  # type: ignore[arg-type]
    for task in tasks:
        conversation = read_conversation(task.messages)
        words = words_of(conversation.ask)
        reader.read(conversation, words, surface(conversation.ask, words)[0])
    assert len(INPUTS) == wanted.shape[1] == 2 * 4 + len(SHAPE) + 3 * 4 + 7
    np.testing.assert_allclose(np.array(seen), wanted, atol=2e-3)
