from threading import Thread

from levelhead.cache import MemoryTier


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_an_entry_dies_at_its_ttl_and_gives_its_bytes_back():
    clock = Clock()
    tier = MemoryTier(ttl_seconds=60, clock=clock)
    tier.put(b"k", b"v")
    tier.put(b"older", b"v", ttl_seconds=10)
    tier.put(b"longer than ours", b"v", ttl_seconds=600)
    tier.put(b"dead on arrival", b"v", ttl_seconds=-1)
    clock.now += 9.9
    assert (tier.get(b"k"), tier.get(b"older"), tier.get(b"dead on arrival")) == (b"v", b"v", None)
    clock.now += 0.1
    assert (tier.get(b"k"), tier.get(b"older")) == (b"v", None)
    clock.now += 50
    assert (tier.get(b"k"), tier.get(b"longer than ours")) == (None, None)
    assert (len(tier), tier.held_bytes) == (0, 0)


def test_a_new_value_replaces_the_old_one_and_its_age():
    clock = Clock()
    tier = MemoryTier(ttl_seconds=60, clock=clock)
    tier.put(b"k", b"x" * 500)
    before = tier.held_bytes
    clock.now += 59
    tier.put(b"k", b"y" * 100)
    clock.now += 59
    assert tier.get(b"k") == b"y" * 100
    assert (len(tier), tier.held_bytes) == (1, before - 400)


def test_the_least_recently_used_entry_goes_first():
    tier = MemoryTier(ttl_seconds=60, max_entries=3)
    for name in (b"a", b"b", b"c"):
        tier.put(name, name)
    tier.get(b"a")
    tier.put(b"d", b"d")
    assert [tier.get(name) for name in (b"a", b"b", b"c", b"d")] == [b"a", None, b"c", b"d"]


def test_bytes_are_bounded_and_a_value_too_large_displaces_nobody():
    tier = MemoryTier(ttl_seconds=60, max_bytes=10_000)
    for i in range(100):
        tier.put(b"%d" % i, b"x" * 1000)
        assert tier.held_bytes <= 10_000
    held = len(tier)
    assert held == 7
    tier.put(b"huge", b"x" * 20_000)
    assert (len(tier), tier.get(b"huge"), tier.get(b"99")) == (held, None, b"x" * 1000)
    tier.put(b"99", b"x" * 20_000)
    assert tier.get(b"99") is None, "an old answer must not survive the newer one that didn't fit"


def test_threads_leave_the_books_in_order():
    tier = MemoryTier(ttl_seconds=60, max_entries=50)

    def work(seed):
        for i in range(2000):
            tier.put(b"%d" % ((i * seed) % 97), b"x" * (i % 50))
            tier.get(b"%d" % (i % 97))

    threads = [Thread(target=work, args=(seed,)) for seed in (3, 5, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = {k: v for k in (b"%d" % i for i in range(97)) if (v := tier.get(k)) is not None}
    assert len(held) == len(tier) <= 50
    empty = MemoryTier(ttl_seconds=60)
    for k, v in held.items():
        empty.put(k, v)
    assert empty.held_bytes == tier.held_bytes
