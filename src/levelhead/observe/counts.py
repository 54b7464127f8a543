"""Counters and histograms by label values: plain numbers in one process, prometheus_client's shared files over several.

A request is counted in some fifteen series. prometheus_client takes a lock and 0.6 us for each; an addition in a dict
takes a tenth of that, and one process needs no more. Both kinds look the same on the page.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]
Frozen = Callable[[], Metric]


class Series(Protocol):
    """One metric. `add` counts or observes; `seed` makes series that are there from the start."""

    def add(self, labels: Labels, amount: float = 1.0) -> None: ...
    def seed(self, *choices: Iterable[str]) -> None: ...


class LocalCounter:
    """Of one thread: two threads that add to the same series may lose one of the two."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._about = name, text, labels
        self._values: dict[Labels, float] = {}

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def seed(self, *choices: Iterable[str]) -> None:
        for labels in product(*choices):
            self._values.setdefault(labels, 0.0)

    def freeze(self) -> Frozen:
        """What it says now, to be put in words later and elsewhere."""
        values = dict(self._values)

        def metric() -> Metric:
            name, text, labels = self._about
            family = CounterMetricFamily(name, text, labels=labels)
            for label_values, value in values.items():
                family.add_metric(label_values, value)
            return family

        return metric


class LocalHistogram:
    """As `LocalCounter`."""

    def __init__(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        self._about = name, text, labels
        self._buckets = buckets
        self._values: dict[Labels, list[float]] = {}  # a count for each bucket, one above them all, the sum

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        values = self._values.get(labels)
        if values is None:
            values = self._values[labels] = [0.0] * (len(self._buckets) + 2)
        values[bisect_left(self._buckets, amount)] += 1
        values[-1] += amount

    def seed(self, *choices: Iterable[str]) -> None:
        for labels in product(*choices):
            self._values.setdefault(labels, [0.0] * (len(self._buckets) + 2))

    def freeze(self) -> Frozen:
        values = {labels: list(counts) for labels, counts in self._values.items()}
        edges = [*map(str, map(float, self._buckets)), "+Inf"]

        def metric() -> Metric:
            name, text, labels = self._about
            family = HistogramMetricFamily(name, text, labels=labels)
            for label_values, (*counts, total) in values.items():
                reached = 0.0
                buckets = []
                for edge, count in zip(edges, counts, strict=True):
                    reached += count
                    buckets.append((edge, reached))
                family.add_metric(label_values, buckets, total)
            return family

        return metric


class SharedCounter(dict[Labels, Counter]):
    """Children by label values: a look-up here costs a tenth of `labels()`."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        super().__init__()
        self._metric = Counter(name, text, labels, registry=registry)
        self._plain = not labels

    def __missing__(self, labels: Labels) -> Counter:
        child = self[labels] = self._metric if self._plain else self._metric.labels(*labels)
        return child

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        self[labels].inc(amount)

    def seed(self, *choices: Iterable[str]) -> None:
        for labels in product(*choices):
            self[labels]


class SharedHistogram(dict[Labels, Histogram]):
    """As `SharedCounter`."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        super().__init__()
        self._metric = Histogram(name, text, labels, buckets=buckets, registry=registry)
        self._plain = not labels

    def __missing__(self, labels: Labels) -> Histogram:
        child = self[labels] = self._metric if self._plain else self._metric.labels(*labels)
        return child

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        self[labels].observe(amount)

    def seed(self, *choices: Iterable[str]) -> None:
        for labels in product(*choices):
            self[labels]


class Counting:
    """Makes the metrics of one process: `shared` ones, or local ones that `freeze` reads."""

    def __init__(self, registry: CollectorRegistry, *, shared: bool) -> None:
        self._registry = registry
        self._shared = shared
        self._local: list[LocalCounter | LocalHistogram] = []

    def counter(self, name: str, labels: str, text: str) -> Series:
        name = "levelhead_" + name
        if self._shared:
            return SharedCounter(name, text, labels.split(), self._registry)
        self._local.append(counter := LocalCounter(name, text, labels.split()))
        return counter

    def seconds(self, name: str, labels: str, text: str, buckets: Sequence[float]) -> Series:
        return self.histogram("levelhead_" + name, labels, text, buckets)

    def histogram(self, name: str, labels: str, text: str, buckets: Sequence[float]) -> Series:
        if self._shared:
            return SharedHistogram(name, text, labels.split(), buckets, self._registry)
        self._local.append(histogram := LocalHistogram(name, text, labels.split(), buckets))
        return histogram

    def freeze(self) -> list[Frozen]:
        return [one.freeze() for one in self._local]
