"""How `MemberRecordsService` refuses is the same, whichever service serves it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from tessera.records.v1 import member_records_pb2 as pb
from tests.support.refusals import refusal_of
from tests.support.requests import filled
from tests.support.suite import RECORDS, Suite, start_suite

METHODS: dict[str, MethodDescriptor] = pb.DESCRIPTOR.services_by_name["MemberRecordsService"].methods_by_name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    async with start_suite(*RECORDS) as started:
        yield started


def request_for(name: str) -> Any:
    return filled(GetMessageClass(METHODS[name].input_type)())


async def answer(suite: Suite, service: str, name: str, request: Any, timeout_s: float = 10) -> Any:
    call = getattr(suite.records(service), name)(request, timeout=timeout_s)
    return [record async for record in call] if METHODS[name].server_streaming else await call


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "bad", ["", "member", "member_8zzzzzzzzzzzzzzzzzzzzzzzzz", "member_01jd000000000000000000000l"]
)
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("service", RECORDS)
async def test_an_id_that_is_none_is_named_by_its_field(suite: Suite, service: str, name: str, bad: str) -> None:
    named = [field for field in METHODS[name].input_type.fields if field.name.endswith(("_id", "_ids"))]
    assert named
    for field in named:
        request = request_for(name)
        if field.is_repeated:
            getattr(request, field.name)[:] = [bad]
        else:
            setattr(request, field.name, bad)
        refusal = await refusal_of(answer(suite, service, name, request))
        assert refusal.reason == "INVALID_REQUEST"
        path = f"{field.name}[0]" if field.is_repeated else field.name
        assert [violation.field for violation in refusal.violations] == [path]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("service", RECORDS)
async def test_what_is_not_heard_of_yet_is_waited_for(suite: Suite, service: str, name: str) -> None:
    request = request_for(name)
    request.at_least.add(service="identity", partition=0, position=1)
    refusal = await refusal_of(answer(suite, service, name, request, timeout_s=0.3))
    assert (refusal.reason, refusal.metadata["reached"]) == ("POSITION_NOT_REACHED", "0")
