"""Laws of the cache: what is the same request, and what comes back is what went in."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.cache import Entry, MemoryTier, cache_key, decode, encode
from levelhead.types import Chat, Level, Usage

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.text(max_size=6).filter(lambda name: name not in ("model", "stream", "user")), values)


def key(body, **more):
    chat = Chat("chat", {"model": "auto", **body}, "auto", ())
    return cache_key(chat, **{"tenant": "a", "slot": None, "models": ("m",), **more})


def shuffled(value):
    if isinstance(value, dict):
        return {name: shuffled(inner) for name, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


def whole(value):
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**53 else value


@given(bodies)
def test_the_order_of_keys_never_counts(body):
    assert key(body) == key(shuffled(body))
    assert key(body) == key(orjson.loads(orjson.dumps(body)))


@given(bodies, bodies)
def test_two_bodies_share_a_key_only_where_they_say_the_same(one, other):
    def text(body):
        return orjson.dumps({name: whole(value) for name, value in body.items()}, option=orjson.OPT_SORT_KEYS)

    assert (key(one) == key(other)) == (text(one) == text(other))


@given(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))
def test_no_tenant_can_spell_its_way_into_anothers_answers(tenant, slot, other_tenant, other_slot):
    same = (tenant, slot) == (other_tenant, other_slot)
    assert (key({}, tenant=tenant, slot=slot) == key({}, tenant=other_tenant, slot=other_slot)) == same


count = st.integers(0, 2**40)
amount = st.floats(0, 1e6)


@given(
    st.dictionaries(st.text(max_size=6), values, max_size=4),
    st.text(max_size=9),
    st.none() | st.sampled_from(Level),
    st.tuples(amount, amount, amount),
    st.builds(Usage, count, count, count, count, count, count),
)
def test_an_entry_comes_back_as_it_went_in(body, text, level, numbers, usage):
    entry = Entry(orjson.dumps(body), text, text, text, text, level, *numbers, usage)
    assert decode(encode(entry)) == entry


@given(st.binary(max_size=200))
def test_no_bytes_make_decode_raise(data):
    assert decode(data) is None


steps = st.lists(
    st.tuples(st.sampled_from(["put", "get", "wait"]), st.integers(0, 6), st.integers(0, 900)), max_size=60
)


@given(steps)
@settings(max_examples=60)
def test_memory_never_holds_more_than_it_may_nor_gives_what_is_old_or_wrong(steps):
    now = [0.0]
    tier = MemoryTier(ttl_seconds=10, max_bytes=3000, max_entries=4, clock=lambda: now[0])
    last: dict[bytes, tuple[float, bytes]] = {}
    for what, name, size in steps:
        k = b"%d" % name
        if what == "put":
            last[k] = (now[0], bytes([name]) * size)
            tier.put(k, last[k][1])
        elif what == "wait":
            now[0] += size / 100
        elif (value := tier.get(k)) is not None:
            put_at, expected = last[k]
            assert value == expected
            assert now[0] < put_at + 10
        assert tier.held_bytes <= 3000
        assert len(tier) <= 4
