"""Requests and answers of identifier tests, in the words of the domain."""

import itertools
from typing import Any

from tessera.identity.v1 import identifier_pb2 as pb
from tests.identity.builders import domain, get_member, programme, request_id
from tests.support.suite import Suite

_NUMBER = itertools.count(1)


def identifier_type(code: str, normaliser: str = "", strength: str = "proof", **spec: Any) -> dict[str, Any]:
    """A type's document."""
    given = {"name": code.capitalize(), "normaliser": normaliser or code, "strength": strength, **spec}
    return {"kind": "identifier-type", "code": code, "programme": "shop", "spec": given}


TYPES = (
    identifier_type("phone", region="CN", validity_days=365),
    identifier_type("email", limit=5),
    identifier_type("device", strength="evidence", blocked=["00000000-0000-0000-0000-000000000000"]),
    identifier_type("kiosk", "device", "evidence", finds=False),
    identifier_type("address", strength="hint"),
    identifier_type("card", "payment", "evidence", window={"limit": 2, "days": 30}),
    identifier_type("person", "real-name", region="CN"),
)


async def publish_types(suite: Suite, *types: dict[str, Any]) -> None:
    """Two domains, and types of identifiers."""
    await suite.publish(
        "identity",
        programme(),
        domain("grocery"),
        domain("fuel"),
        domain("travel", accounts_per_member="unlimited"),
        *(types or TYPES),
    )


def email() -> str:
    """An address never used before."""
    return f"somebody{next(_NUMBER)}@example.org"


def device() -> str:
    """A device never seen before."""
    return f"device-{next(_NUMBER):08}"


def adding(member_id: str, value: str, type: str = "email", **fields: Any) -> pb.AddIdentifierRequest:
    """A request to add an identifier."""
    fields.setdefault("request_id", request_id())
    return pb.AddIdentifierRequest(member_id=member_id, type=type, value=value, **fields)


async def add(suite: Suite, member_id: str, value: str, type: str = "email", **fields: Any) -> Any:
    """Add an identifier."""
    return await suite.identity.AddIdentifier(adding(member_id, value, type, **fields))


async def verify(suite: Suite, identifier_id: str, **fields: Any) -> Any:
    """Note that an identifier is verified."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.VerifyIdentifier(pb.VerifyIdentifierRequest(identifier_id=identifier_id, **fields))


async def remove(suite: Suite, identifier_id: str, **fields: Any) -> Any:
    """Take an identifier from its member."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.RemoveIdentifier(pb.RemoveIdentifierRequest(identifier_id=identifier_id, **fields))


async def find(suite: Suite, value: str, type: str = "email", caller: str = "operator") -> Any:
    """Find who has an identifier."""
    return await suite.stub("identity", caller).FindMember(pb.FindMemberRequest(type=type, value=value))


async def known_by(suite: Suite, member_id: str, caller: str = "operator") -> dict[str, Any]:
    """What a member is known by, by value."""
    member = await get_member(suite, member_id, caller)
    return {identifier.value: identifier for identifier in member.identifiers}
