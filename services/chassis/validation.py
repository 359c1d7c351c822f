"""Whether a request is what its contract says, told field by field without repeating a personal value."""

from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from grpc import StatusCode
from protovalidate import Validator, Violation

from services.chassis.errors import FieldViolation, Rejection
from services.chassis.logs import is_sensitive

MAX_VIOLATIONS = 20
"""Violations that one rejection names: it travels in the trailers, which clients limit to 8 KiB."""

INVALID_REQUEST = "INVALID_REQUEST"
MALFORMED_REQUEST = Rejection(
    "MALFORMED_REQUEST", "the request is not a message of the method's request type", StatusCode.INVALID_ARGUMENT
)

_validator = Validator()


def compile_rules(message: type[Message]) -> None:
    """Prepares the rules of a request type; protovalidate.CompilationError when its contract has a broken one."""
    _validator.collect_violations(message())


def item_rejection(message: Message) -> Rejection | None:
    """What is malformed about a request, or about one item of a bulk request; None when it is well-formed."""
    violations = _validator.collect_violations(message)
    if not violations:
        return None
    descriptor = cast(Descriptor, message.DESCRIPTOR)  # the stubs also offer the C class behind it
    named = tuple(_violation(violation, descriptor) for violation in violations[:MAX_VIOLATIONS])
    text = "; ".join(f"{violation.field or 'request'}: {violation.description}" for violation in named[:3])
    more = f" (and {len(violations) - 3} more)" if len(violations) > 3 else ""
    return Rejection(INVALID_REQUEST, text + more, StatusCode.INVALID_ARGUMENT, violations=named)


def _violation(violation: Violation, descriptor: Descriptor) -> FieldViolation:
    proto = violation.proto
    path = ""
    message: Descriptor | None = descriptor
    for element in proto.field.elements if proto.field else ():
        field = message.fields_by_name.get(element.field_name) if message else None
        path += f"{'.' if path else ''}{element.field_name}"
        if field is not None and is_sensitive(field):
            return FieldViolation(path, f"breaks the rule {proto.rule_id}")
        path += _subscript(element.subscript)
        message = _type_of(field)
    return FieldViolation(path, proto.message or f"breaks the rule {proto.rule_id}")


def _subscript(subscript: object) -> str:
    """`[2]` or `["key"]`; the subscript is one of the alternatives of FieldPathElement."""
    value = getattr(subscript, "value", None)
    if value is None:
        return ""
    return f'["{value}"]' if isinstance(value, str) else f"[{value}]"


def _type_of(field: FieldDescriptor | None) -> Descriptor | None:
    """The message type in which the rest of a path is looked up; a map's values for a map."""
    if field is None or field.message_type is None:
        return None
    if field.message_type.GetOptions().map_entry:
        return field.message_type.fields_by_name["value"].message_type
    return field.message_type
