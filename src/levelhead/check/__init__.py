"""Is this draft good enough? Checks from cheap to dear, and the one probability that they come to."""

from .acceptance import DEFAULT_ACCEPTANCE, FEATURES, PRIOR, Outcome, acceptance, features, mean_logprob
from .compare import agreement
from .family import family
from .judging import JUDGE_TOKENS, LONGEST_ANSWER, judgement, read_judgement, said_in
from .kinds import expected_kind, last_asked
from .own import Checker, HttpChecker, ask_checker, ask_runner
from .reading import Reading, message_of, read, read_text, text_of
from .rubric import OUTPUT_CAP, comparison, read_comparison
from .validity import flaw

__all__ = [
    "DEFAULT_ACCEPTANCE",
    "FEATURES",
    "JUDGE_TOKENS",
    "LONGEST_ANSWER",
    "OUTPUT_CAP",
    "PRIOR",
    "Checker",
    "HttpChecker",
    "Outcome",
    "Reading",
    "acceptance",
    "agreement",
    "ask_checker",
    "ask_runner",
    "comparison",
    "expected_kind",
    "family",
    "features",
    "flaw",
    "judgement",
    "last_asked",
    "mean_logprob",
    "message_of",
    "read",
    "read_comparison",
    "read_judgement",
    "read_text",
    "said_in",
    "text_of",
]
