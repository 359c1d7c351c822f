"""Requests of the contract about consents and erasures to commands. Raises Refused for what cannot be one."""

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.chassis.idempotency import Request
from services.identity.privacy.commands import SetConsent
from services.identity.values import MEMBER
from tessera.identity.v1 import privacy_pb2 as pb


def set_consent(request: pb.SetConsentRequest, caller: Caller) -> SetConsent:
    """The command to record a decision, of a domain and through one in which the caller acts."""
    require_domain(caller, request.domain)
    through_domain = request.through_domain or request.domain
    require_domain(caller, through_domain)
    validate_only = request.validate_only
    member_id = ids.decode(MEMBER, request.member_id)
    return SetConsent(
        request=idempotency.identify(caller.name, "identity.SetConsent", request),
        home=ids.routing_of(member_id),
        member_id=member_id,
        domain=request.domain,
        purpose=request.purpose,
        granted=request.granted,
        evidence=request.evidence,
        through_domain=through_domain,
        caller=caller.name,
        validate_only=validate_only,
    )


def identified_copy(caller: Caller, request: pb.EraseMemberRequest) -> Request:
    """How idempotency knows an erasure, which is made a command more than once; the message stays as it is."""
    copy = pb.EraseMemberRequest()
    copy.CopyFrom(request)
    return idempotency.identify(caller.name, "identity.EraseMember", copy)
