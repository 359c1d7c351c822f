"""Documents on the wire: a `google.protobuf.Struct`, whose numbers are doubles, to plain data and back."""

from typing import Any

from google.protobuf import struct_pb2

from services.chassis.documents import Document, DocumentErrors
from services.chassis.errors import FieldViolation
from tessera.config.v1 import config_service_pb2 as pb

MAX_EXACT_INTEGER = (1 << 53) - 1
"""JSON numbers travel as doubles; one beyond this may not be the one that was sent: 2^53 + 1 arrives as 2^53."""


def from_message(message: pb.Document) -> Document:
    """The document of a message. Raises DocumentErrors for numbers that are not whole."""
    name = f"{message.kind}/{message.code}"
    return Document(message.kind, message.code, message.programme, _plain_struct(message.spec, name))


def to_message(document: Document) -> pb.Document:
    """The message of a document."""
    spec = struct_pb2.Struct()
    spec.update(dict(document.spec))
    return pb.Document(kind=document.kind, code=document.code, programme=document.programme, spec=spec)


def _plain_struct(struct: struct_pb2.Struct, path: str) -> dict[str, Any]:
    return {name: _plain(value, f"{path}.{name}") for name, value in struct.fields.items()}


def _plain(value: struct_pb2.Value, path: str) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _plain_struct(value.struct_value, path)
        case "list_value":
            return [_plain(item, f"{path}[{number}]") for number, item in enumerate(value.list_value.values)]
        case "number_value":
            return _whole(value.number_value, path)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _whole(number: float, path: str) -> int:
    if not number.is_integer() or abs(number) > MAX_EXACT_INTEGER:
        raise DocumentErrors([FieldViolation(path, 'numbers must be whole; write rates as strings such as "0.02"')])
    return int(number)
