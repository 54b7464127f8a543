"""The decision log and the verdicts: what was decided about each request, and what is known of how well it went."""

from .journal import Journal, journal_file, open_journal, open_store
from .rows import decision_row
from .store import KEPT_DECISIONS, JournalStore
from .verdicts import verdict_from, verdict_of

__all__ = [
    "KEPT_DECISIONS",
    "Journal",
    "JournalStore",
    "decision_row",
    "journal_file",
    "open_journal",
    "open_store",
    "verdict_from",
    "verdict_of",
]
