"""Page tokens continue exactly the listing that they came from."""

import base64
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.errors import Refused
from services.chassis.paging import PageTokens

METHOD = "tessera.points.v1.PointsService/ListEntries"
TOKENS = PageTokens(b"k" * 32)


def _request_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="tests/paging/v1/list.proto", package="tests.paging.v1")
    message = file.message_type.add(name="ListRequest")
    for number, (name, kind) in enumerate([("member_id", 9), ("page_size", 5), ("page_token", 9), ("at_least", 9)], 1):
        message.field.add(name=name, number=number, type=kind, label=1)  # 5: int32, 9: string
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("tests.paging.v1.ListRequest"))


ListRequest = _request_class()
REQUEST = ListRequest(member_id="member_01")
TOKEN = TOKENS.encode(METHOD, "shop", REQUEST, ["2026-01-01", 42])


def refused(token: str, method: str = METHOD, caller: str = "shop", request: Any = REQUEST) -> bool:
    with pytest.raises(Refused) as raised:
        TOKENS.decode(token, method, caller, request)
    rejection = raised.value.rejection
    return (rejection.code, rejection.reason) == (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


def test_a_token_leads_back_to_its_cursor() -> None:
    assert TOKENS.decode(TOKEN, METHOD, "shop", REQUEST) == ("2026-01-01", 42)


@given(st.lists(st.one_of(st.text(), st.integers()), max_size=5))
def test_any_cursor_survives(cursor: list[str | int]) -> None:
    token = TOKENS.encode(METHOD, "shop", REQUEST, cursor)
    assert TOKENS.decode(token, METHOD, "shop", REQUEST) == tuple(cursor)


def test_no_token_is_the_first_page() -> None:
    assert TOKENS.decode("", METHOD, "shop", REQUEST) is None


def test_the_page_fields_may_change_from_page_to_page() -> None:
    next_request = ListRequest(member_id="member_01", page_size=7, page_token=TOKEN, at_least="3:9")
    assert TOKENS.decode(TOKEN, METHOD, "shop", next_request) == ("2026-01-01", 42)


def test_a_token_continues_no_other_request() -> None:
    assert refused(TOKEN, request=ListRequest(member_id="member_02"))
    assert refused(TOKEN, method="tessera.points.v1.PointsService/ListLots")
    assert refused(TOKEN, caller="replay")


def test_a_token_of_another_key_is_refused() -> None:
    assert refused(PageTokens(b"x" * 32).encode(METHOD, "shop", REQUEST, [1]))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token_is_refused(position: int, difference: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4)))
    raw[position % len(raw)] ^= difference
    assert refused(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode())


@pytest.mark.parametrize("token", ["x", "!!!!", "é", "AAAA", "A" * 10_000, TOKEN[:10], TOKEN[:-1]])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token)
