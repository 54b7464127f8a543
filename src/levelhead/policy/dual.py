"""The dual price of a budget: what a dollar must buy for the money to last.

Spending a budget over a stream of requests for the best total quality is a fractional knapsack: at its optimum there is
one price of money, in quality per USD, at which every request takes the offer with the best success minus price times
cost. The price is re-solved from what is left of money and work, over a sample of recent requests (dual re-solving, as
in online linear programming: Agrawal, Wang and Ye, Operations Research 62(4), 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 24  # to a hundred-thousandth
_LEAST, _MOST = 1e-3, 1e8  # quality per USD

Table = NDArray[np.float64]


def dual_price(success: Table, cost: Table, spend: Table, allowance: float) -> float:
    """The least price at which the mean spending over a sample of requests stays within `allowance`, USD per request.

    `success` and `cost` are (requests, models): what the choice looks at; `spend`, USD, what it really comes to. A
    model that a request can't use has the success -inf. 0 where the allowance doesn't bind; the largest price where it
    doesn't suffice for the cheapest offers either.
    """
    rows = np.arange(len(success))

    def spent(price: float) -> float:
        return float(spend[rows, np.argmax(success - price * cost, axis=1)].mean())

    if not len(rows) or spent(0.0) <= allowance:
        return 0.0
    low, high = _LEAST, _MOST
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        if spent(middle) > allowance:
            low = middle
        else:
            high = middle
    return high
