"""What the audit trail keeps of the calls of every method, by reflection: a new method cannot be forgotten."""

import importlib
import pkgutil
import re

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

import tessera
from services.chassis.audit.methods import AuditedMethod, is_kept_before_answer, paths_of_ids
from tests.contracts.test_sensitive_fields import has_sensitive

PARTNERS = "tessera.partner.v1"
"""Contracts that others serve."""
METHODS: dict[str, MethodDescriptor] = {
    method.full_name: method
    for found in pkgutil.walk_packages(tessera.__path__, "tessera.")
    if found.name.endswith("_pb2") and not found.name.startswith(PARTNERS)
    for service in importlib.import_module(found.name).DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
SHOWS_WHAT_WAS_SENT = {
    f"tessera.identity.v1.IdentityService.{name}"
    for name in ("AddIdentifier", "BulkAddIdentifiers", "LinkAccount", "BulkLinkAccounts")
}
"""Methods whose answers repeat personal data of the request, and tell nothing that the caller has not."""


@pytest.mark.parametrize("name", METHODS)
def test_who_is_shown_personal_data_is_kept_first(name: str) -> None:
    method = METHODS[name]
    shows = has_sensitive(method.output_type) and name not in SHOWS_WHAT_WAS_SENT
    assert not shows or is_kept_before_answer(method)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_kept_of_a_request_are_ids_of_ours(name: str) -> None:
    """Each path that the trail reads must be a TypeID by its contract: a value of another kind could be personal."""
    request = METHODS[name].input_type
    items = request.fields_by_name.get("requests")
    message = request if items is None else items.message_type
    for path in paths_of_ids(message):
        *outer, last = path.split(".")
        holder = message
        for step in outer:
            holder = holder.fields_by_name[step].message_type
        assert "[0-7][0-9a-hjkmnp-tv-z]{25}" in pattern_of(holder.fields_by_name[last]), f"{name}: {path}"


def pattern_of(field: FieldDescriptor) -> str:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return str(rules.repeated.items.string.pattern if field.is_repeated else rules.string.pattern)


READS = re.compile(r"(Bulk)?(Get|List|Check|Preview|Simulate|Trace|Verify|Export)[A-Z]\w*|Read")


@pytest.mark.parametrize("name", [name for name in METHODS if not READS.fullmatch(METHODS[name].name)])
def test_what_may_change_something_is_kept(name: str) -> None:
    assert AuditedMethod(METHODS[name]).keeps(None)
