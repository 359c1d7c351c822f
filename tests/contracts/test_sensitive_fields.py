"""No value of a field marked `sensitive` gets into what is logged of a message, or into what is said of a bad one."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import tessera
from services.chassis.errors import to_status
from services.chassis.logs import is_sensitive, redacted
from services.chassis.validation import item_rejection

MARK = "a-persons-own-value"
TOO_LONG = MARK * 400


def contracts() -> Iterator[Descriptor]:
    """The requests and responses of every method of every contract."""
    for found in pkgutil.walk_packages(tessera.__path__, "tessera."):
        if found.name.endswith("_pb2"):
            for service in importlib.import_module(found.name).DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    yield method.input_type
                    yield method.output_type


def has_sensitive(message: Descriptor, seen: frozenset[str] = frozenset()) -> bool:
    if message.full_name in seen:
        return False
    seen |= {message.full_name}
    return any(
        is_sensitive(field) or (field.message_type is not None and has_sensitive(field.message_type, seen))
        for field in message.fields
    )


MESSAGES = {found.full_name: found for found in contracts() if has_sensitive(found)}


def fill(message: Message, value: str, depth: int = 0) -> None:
    """Set every sensitive field at any depth, and nothing else."""
    for field in message.DESCRIPTOR.fields:
        if is_sensitive(field):
            _set(message, field, value)
        elif field.message_type is not None and depth < 6 and has_sensitive(field.message_type):
            inner = getattr(message, field.name)
            fill(inner.add() if field.is_repeated else inner, value, depth + 1)


def _set(message: Message, field: FieldDescriptor, value: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)[value] = value
    elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
        getattr(message, field.name).append(value)
    elif field.type == FieldDescriptor.TYPE_STRING:
        setattr(message, field.name, value)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        setattr(message, field.name, value.encode())
    else:
        raise AssertionError(f"{field.full_name}: how is a mark put into it?")


@pytest.mark.parametrize("value", [MARK, TOO_LONG], ids=["plausible", "too long"])
@pytest.mark.parametrize("name", MESSAGES)
def test_no_sensitive_value_is_logged_or_repeated_in_an_error(name: str, value: str) -> None:
    message = GetMessageClass(MESSAGES[name])()
    fill(message, value)
    assert MARK in MessageToJson(message)
    assert MARK not in str(redacted(message))
    rejection = item_rejection(message)
    if rejection is not None:
        assert MARK not in str(to_status(rejection, "any"))


def test_there_are_such_messages() -> None:
    assert {"tessera.identity.v1.LinkAccountRequest", "tessera.identity.v1.ExportMemberResponse"} <= MESSAGES.keys()
