"""Requests of any method with every field set to something that its contract takes."""

import re
from collections.abc import Sequence
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

_ID = "01jd0000000000000000000000"
_TEXTS = {"domain": "grocery", "currency": "CNY"}
_UNSET = ("validate_only", "at_least", "page_token")
_SECONDS = 1_767_225_600
_DEPTH = 4
_VALUES = {
    FieldDescriptor.TYPE_BYTES: b"x",
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_ENUM: 1,
}


def filled(message: Any, depth: int = 0) -> Any:
    """A message, with all fields set; of alternatives one that names a domain, or else the first."""
    for field in message.DESCRIPTOR.fields:
        choice = field.containing_oneof
        if field.name in _UNSET or (choice is not None and field.name != _chosen(choice.fields).name):
            continue
        if field.message_type is not None:
            _fill_message(message, field, depth)
        elif field.is_repeated:
            getattr(message, field.name).append(_value(field))
        else:
            setattr(message, field.name, _value(field))
    return message


def _chosen(alternatives: Sequence[FieldDescriptor]) -> FieldDescriptor:
    named = (each for each in alternatives if each.message_type and "domain" in each.message_type.fields_by_name)
    return next(named, alternatives[0])


def _fill_message(message: Any, field: FieldDescriptor, depth: int) -> None:
    kind = field.message_type
    if kind.full_name == "google.protobuf.Timestamp":
        getattr(message, field.name).FromSeconds(_SECONDS)
    elif not (kind.GetOptions().map_entry or kind.full_name.startswith("google.") or depth > _DEPTH):
        inner = getattr(message, field.name)
        filled(inner.add() if field.is_repeated else inner, depth + 1)


def _value(field: FieldDescriptor) -> Any:
    if field.type != FieldDescriptor.TYPE_STRING:
        return _VALUES.get(field.type, 1)
    rules = field.GetOptions().Extensions[validate_pb2.field]
    pattern = (rules.repeated.items if field.is_repeated else rules).string.pattern
    prefix = re.match(r"\^\(?([a-z_]+)_\[0-7\]", pattern)
    return f"{prefix[1]}_{_ID}" if prefix else _TEXTS.get(field.name, "x")
