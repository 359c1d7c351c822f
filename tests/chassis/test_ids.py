"""IDs: TypeIDs outside, UUIDs inside, and the owner's routing bits in all that belongs to an owner."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.partitions import partition_of

numbers = st.integers(0, 2**128 - 1)
routings = st.integers(0, ids.ROUTING_MASK)


def test_the_text_of_an_id_is_a_typeid() -> None:
    """Vectors of the TypeID specification."""
    for number, suffix in {
        0: "0" * 26,
        1: "0" * 25 + "1",
        UUID("01890a5d-ac96-774b-bcce-b302099a8057").int: "01h455vb4pex5vsknk084sn02q",
        2**128 - 1: "7zzzzzzzzzzzzzzzzzzzzzzzzz",
    }.items():
        assert ids.encode("member", ids.from_int(number)) == f"member_{suffix}"
        assert ids.decode("member", f"member_{suffix}").int == number


@given(numbers)
def test_what_is_encoded_is_decoded(number: int) -> None:
    assert ids.decode("lot", ids.encode("lot", ids.from_int(number))) == UUID(int=number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lot",
        "lot_",
        "01h455vb4pex5vsknk084sn02q",
        "hold_01h455vb4pex5vsknk084sn02q",
        "lot_01h455vb4pex5vsknk084sn02",
        "lot_01h455vb4pex5vsknk084sn02qq",
        "lot_81h455vb4pex5vsknk084sn02q",
        "lot_01H455VB4PEX5VSKNK084SN02Q",
        "lot_01h455vb4pex5vsknk084sn02u",
        "lot_01h455vb4pex5vsknk084sn02!",
        "lot_01h455vb4pex5vsknk08_sn02q",
        "lot_+1h455vb4pex5vsknk084sn02q",
        "lot_ 1h455vb4pex5vsknk084sn02q",
        "lot_01h455vb4pex5vsknk084sn02٣",
    ],
)
def test_what_is_no_id_of_the_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a lot ID"):
        ids.decode("lot", text)


@given(st.text())
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        decoded = ids.decode("lot", text)
    except ValueError:
        return
    assert ids.encode("lot", decoded) == text


@given(routings)
def test_a_new_id_is_a_version_7_that_carries_its_owner(routing: int) -> None:
    made = ids.new_id(routing)
    assert isinstance(made, UUID)
    assert (UUID(int=made.int).version, UUID(int=made.int).variant) == (7, "specified in RFC 4122")
    assert ids.routing_of(made) == routing


def test_new_ids_differ_and_grow_with_time() -> None:
    made = [ids.new_id(5) for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert [value.int >> 80 for value in made] == sorted(value.int >> 80 for value in made)


@given(routings, st.integers(1, 10_000), st.integers(1, 10_000))
def test_derived_ids_belong_to_the_owner_and_follow_from_it(routing: int, one: int, another: int) -> None:
    owner = ids.new_id(routing)
    assert ids.routing_of(ids.derived(owner, one)) == routing
    assert ids.derived(owner, one) != owner
    assert (ids.derived(owner, one) == ids.derived(owner, another)) == (one == another)


@given(st.binary(min_size=16, max_size=32), routings)
def test_a_hashed_id_is_a_version_8_that_follows_from_its_digest(digest: bytes, routing: int) -> None:
    made = ids.hashed(digest, routing)
    assert UUID(int=made.int).version == 8
    assert made == ids.hashed(digest[:16] + b"more", routing)
    assert ids.routing_of(made) == routing


@given(routings, st.sampled_from([1, 2, 8, 64, 1024]))
def test_everything_of_an_owner_is_in_one_partition(routing: int, partitions: int) -> None:
    owner = ids.new_id(routing)
    assert partition_of(owner, partitions) == routing % partitions
    assert partition_of(ids.derived(owner, 3), partitions) == partition_of(owner, partitions)


@given(st.binary(min_size=16, max_size=16))
def test_bytes_and_numbers_are_the_same_id(raw: bytes) -> None:
    assert ids.from_bytes(raw).bytes == raw
    assert ids.from_bytes(raw) == ids.from_int(int.from_bytes(raw, "big")) == UUID(bytes=raw)
