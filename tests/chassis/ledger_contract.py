"""The contract of the ledger of tests, described at run time."""

from typing import Any

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from tessera.access.v1 import access_pb2
from tessera.type.v1 import position_pb2

PACKAGE = "tests.ledger.v1"
SERVICE = f"{PACKAGE}.LedgerService"
_FIELD = descriptor_pb2.FieldDescriptorProto
_ANYTHING = validate_pb2.FieldRules(ignore=validate_pb2.IGNORE_ALWAYS)


def _message(file: descriptor_pb2.FileDescriptorProto, name: str, **types: int | str) -> None:
    message = file.message_type.add(name=name)
    for number, (field_name, kind) in enumerate(types.items(), start=1):
        field = message.field.add(name=field_name, number=number, label=_FIELD.LABEL_OPTIONAL)
        if isinstance(kind, int):
            field.type = kind  # type: ignore[assignment]  # an enum's number
        else:
            field.type, field.type_name, field.label = _FIELD.TYPE_MESSAGE, kind, _FIELD.LABEL_REPEATED
            # Positions of services that exist in tests alone.
            field.options.Extensions[validate_pb2.field].repeated.items.MergeFrom(_ANYTHING)


def _contract() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="tests/ledger/v1/ledger.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(
        ["buf/validate/validate.proto", "tessera/access/v1/access.proto", "tessera/type/v1/position.proto"]
    )
    positions = f".{position_pb2.Position.DESCRIPTOR.full_name}"
    text, number, yes = _FIELD.TYPE_STRING, _FIELD.TYPE_INT64, _FIELD.TYPE_BOOL
    _message(file, "MoveRequest", request_id=text, account=text, amount=number, at_least=positions, validate_only=yes)
    _message(file, "GetBalanceRequest", account=text, at_least=positions)
    _message(file, "Balance", balance=number, position=number)
    service = file.service.add(name="LedgerService")
    for name, request in {"Move": "MoveRequest", "Take": "MoveRequest", "GetBalance": "GetBalanceRequest"}.items():
        method = service.method.add(name=name, input_type=f".{PACKAGE}.{request}", output_type=f".{PACKAGE}.Balance")
        method.options.Extensions[access_pb2.permission] = "ledger.accounts.use"
    return file


_POOL = descriptor_pool.Default()
_POOL.AddSerializedFile(_contract().SerializeToString())

LEDGER: ServiceDescriptor = _POOL.FindServiceByName(SERVICE)


def _class(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


MoveRequest, GetBalanceRequest, Balance = _class("MoveRequest"), _class("GetBalanceRequest"), _class("Balance")
