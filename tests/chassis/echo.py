"""A tiny service, described at run time, on which the edges of the chassis are tried."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.chassis.rpc import Call
from tessera.access.v1 import access_pb2

PACKAGE = "tests.echo.v1"
SERVICE = f"{PACKAGE}.EchoService"
STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE


def _string(
    message: descriptor_pb2.DescriptorProto, number: int, name: str, *, sensitive: bool = False, **rules: Any
) -> None:
    field = message.field.add(name=name, number=number, type=STRING, label=1)
    field.options.Extensions[validate_pb2.field].string.MergeFrom(validate_pb2.StringRules(**rules))
    if sensitive:
        field.options.Extensions[access_pb2.sensitive] = True


def _lines(message: descriptor_pb2.DescriptorProto, number: int, name: str, **rules: Any) -> None:
    field = message.field.add(name=name, number=number, type=MESSAGE, label=3, type_name=f".{PACKAGE}.Line")
    field.options.Extensions[validate_pb2.field].repeated.MergeFrom(validate_pb2.RepeatedRules(**rules))


def _method(service: descriptor_pb2.ServiceDescriptorProto, name: str, request: str, permission: str) -> None:
    method = service.method.add(name=name, input_type=f".{PACKAGE}.{request}", output_type=f".{PACKAGE}.Heard")
    method.server_streaming = name == "Repeat"
    if permission:
        method.options.Extensions[access_pb2.permission] = permission


def _contract() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="tests/echo/v1/echo.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(["buf/validate/validate.proto", "tessera/access/v1/access.proto"])
    line = file.message_type.add(name="Line")
    _string(line, 1, "sku", min_len=1)
    _string(line, 2, "phone", pattern="^[0-9]*$", sensitive=True)
    say = file.message_type.add(name="Say")
    _string(say, 1, "text", min_len=1, max_len=1000)
    _string(say, 2, "phone", pattern="^[0-9]*$", sensitive=True)
    _lines(say, 3, "lines", max_items=100)
    bulk = file.message_type.add(name="Bulk")
    unchecked = validate_pb2.FieldRules(ignore=validate_pb2.IGNORE_ALWAYS)
    _lines(bulk, 1, "items", min_items=1, max_items=3, items=unchecked)
    heard = file.message_type.add(name="Heard")
    _string(heard, 1, "text")
    echo = file.service.add(name="EchoService")
    _method(echo, "Say", "Say", "echo.words.say")
    _method(echo, "SayBulk", "Bulk", "echo.words.bulk")
    _method(echo, "Repeat", "Say", "echo.words.repeat")
    _method(file.service.add(name="UnguardedService"), "Say", "Say", "")
    return file


_POOL = descriptor_pool.Default()
_POOL.AddSerializedFile(_contract().SerializeToString())

ECHO: ServiceDescriptor = _POOL.FindServiceByName(SERVICE)
UNGUARDED: ServiceDescriptor = _POOL.FindServiceByName(f"{PACKAGE}.UnguardedService")


def _message(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


Line, Say, Bulk, Heard = _message("Line"), _message("Say"), _message("Bulk"), _message("Heard")


async def say_back(request: Any, call: Call) -> Any:
    """Answers with what was said, and by whom."""
    return Heard(text=f"{call.caller.name}: {request.text}")


@dataclass(slots=True)
class Echo:
    """The servicer; a test gives it the behaviour that it wants to see."""

    say: Callable[[Any, Call], Awaitable[Any]] = say_back

    async def Say(self, request: Any, call: Call) -> Any:
        return await self.say(request, call)

    async def SayBulk(self, request: Any, call: Call) -> Any:
        return Heard(text=str(len(request.items)))

    async def Repeat(self, request: Any, call: Call) -> AsyncGenerator[Any, None]:
        for number in range(3):
            yield Heard(text=f"{number} {request.text}")
        if request.text == "fail":
            await self.say(request, call)
