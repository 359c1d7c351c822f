"""Whoever calls a method for a domain that is not its own is refused, by every method that takes a domain."""

import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.chassis.validation import item_rejection
from tessera.errors import error_of_status
from tests.support.refusals import refusal_of
from tests.support.requests import filled
from tests.support.suite import SERVICES, Suite, start_suite

STRANGER = "fuel"
"""A caller with all permissions, in the domain fuel alone."""
ONLY_ASK = {"ListEntries", "CheckEntitlement", "BulkCheckEntitlements"}
"""Methods that read what concerns a member in all domains, and take a domain to ask for less; nothing is done in it."""


def takes_domain(message: Descriptor, depth: int = 3) -> bool:
    below = [field.message_type for field in message.fields if field.message_type is not None and depth]
    return "domain" in message.fields_by_name or any(takes_domain(each, depth - 1) for each in below)


METHODS: dict[str, MethodDescriptor] = {
    method.full_name: method
    for service in SERVICES
    for method in importlib.import_module(f"tessera.{service}.v1.{service}_service_pb2")
    .DESCRIPTOR.services_by_name[f"{service.capitalize()}Service"]
    .methods
    if takes_domain(method.input_type) and method.name not in ONLY_ASK
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    async with start_suite() as started:
        yield started


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", METHODS)
async def test_a_foreign_domain_is_refused(suite: Suite, name: str) -> None:
    method = METHODS[name]
    request: Any = filled(GetMessageClass(method.input_type)())
    is_bulk = "requests" in method.input_type.fields_by_name
    assert item_rejection(request.requests[0] if is_bulk else request) is None
    call = getattr(suite.stub(name.split(".")[1], STRANGER), method.name)(request)
    if is_bulk:
        refusal = error_of_status((await call).results[0].error)
    else:
        refusal = await refusal_of(call)
    assert (refusal.reason, refusal.metadata["domain"]) == ("DOMAIN_NOT_ALLOWED", "grocery")


def test_there_are_such_methods() -> None:
    assert {name.rpartition(".")[2] for name in METHODS} >= {"LinkAccount", "RecordActivity", "BulkSpend", "Redeem"}
