"""The decision log and the verdicts: what was decided about each request, and what is known of how well it went."""

from .journal import Journal, open_journal, open_store
from .rows import decision_row, verdict_of
from .store import JournalStore

__all__ = ["Journal", "JournalStore", "decision_row", "open_journal", "open_store", "verdict_of"]
