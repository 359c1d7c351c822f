"""Requests and answers of identity tests, in the words of the domain."""

import itertools
from typing import Any

from tessera.identity.v1 import identity_service_pb2 as pb
from tests.support.suite import Suite

_NUMBER = itertools.count(1)


def programme(code: str = "shop") -> dict[str, Any]:
    """A programme's document."""
    spec = {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"}
    return {"kind": "programme", "code": code, "programme": code, "spec": spec}


def domain(code: str, **spec: Any) -> dict[str, Any]:
    """A domain's document."""
    return {
        "kind": "domain",
        "code": code,
        "programme": "shop",
        "spec": {"name": code.capitalize(), "owner": f"{code}-team", **spec},
    }


async def publish_domains(suite: Suite) -> None:
    """Three domains: one account a member in fuel and grocery, any number in travel."""
    await suite.publish(
        "identity", programme(), domain("fuel"), domain("grocery"), domain("travel", accounts_per_member="unlimited")
    )


def request_id() -> str:
    """One never used before."""
    return f"request-{next(_NUMBER)}"


def external_id() -> str:
    """A phone number never used before."""
    return f"+86 138 {next(_NUMBER):08}"


def resolve(external_id: str, *, domain: str = "grocery", create: bool = False, **fields: Any) -> Any:
    """A request to resolve an account."""
    if create:
        fields.setdefault("request_id", request_id())
    return pb.ResolveAccountRequest(domain=domain, external_id=external_id, create_missing=create, **fields)


def link(member_id: str, external_id: str, *, domain: str = "fuel", **fields: Any) -> Any:
    """A request to link an account."""
    fields.setdefault("request_id", request_id())
    return pb.LinkAccountRequest(member_id=member_id, domain=domain, external_id=external_id, **fields)


async def enrol(suite: Suite, name: str = "", **fields: Any) -> Any:
    """Enrol a member; the answer of its enrolment."""
    return await suite.identity.ResolveAccount(resolve(name or external_id(), create=True, **fields))


async def get_member(suite: Suite, member_id: str, caller: str = "operator") -> Any:
    """A member with its accounts."""
    return (await suite.stub("identity", caller).GetMember(pb.GetMemberRequest(member_id=member_id))).member


async def suspend(suite: Suite, member_id: str, **fields: Any) -> Any:
    """Suspend a member for fraud."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.SuspendMember(pb.SuspendMemberRequest(member_id=member_id, cause="fraud", **fields))


async def reinstate(suite: Suite, member_id: str) -> Any:
    """Reinstate a member."""
    return await suite.identity.ReinstateMember(pb.ReinstateMemberRequest(request_id=request_id(), member_id=member_id))


async def close(suite: Suite, member_id: str) -> Any:
    """Close a member."""
    return await suite.identity.CloseMember(pb.CloseMemberRequest(request_id=request_id(), member_id=member_id))


async def unlink(suite: Suite, account_id: str, **fields: Any) -> Any:
    """Unlink an account."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.UnlinkAccount(pb.UnlinkAccountRequest(account_id=account_id, **fields))
