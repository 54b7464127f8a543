"""What calls cost, and budgets that hold: prices and capabilities, cost arithmetic, the ledger and its stores."""

from .balances import as_json, belongs_to, stored_balances
from .costs import cost, estimate_input, expected_cost, input_bound, worst_case, worst_rates
from .ledger import Ledger, Unlimited, open_ledger
from .prices import Listing, listing_for, lookup, with_overrides
from .ratios import InputRatios
from .redis import RedisStore
from .scopes import Scoping, scopes_for
from .sqlite import SqliteStore
from .store import Store

__all__ = [
    "InputRatios",
    "Ledger",
    "Listing",
    "RedisStore",
    "Scoping",
    "SqliteStore",
    "Store",
    "Unlimited",
    "as_json",
    "belongs_to",
    "cost",
    "estimate_input",
    "expected_cost",
    "input_bound",
    "listing_for",
    "lookup",
    "open_ledger",
    "scopes_for",
    "stored_balances",
    "with_overrides",
    "worst_case",
    "worst_rates",
]
