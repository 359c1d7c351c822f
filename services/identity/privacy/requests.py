"""Requests of the contract about consents and erasures to commands. Raises Refused for what cannot be one."""

from collections.abc import Sequence
from uuid import UUID

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.chassis.idempotency import Request
from services.identity.groups.values import Invitation, Seat
from services.identity.privacy.commands import EraseMember, SetConsent
from services.identity.values import MEMBER, Account, route_key
from services.identity.vault import Vault
from tessera.identity.v1 import privacy_pb2 as pb


def set_consent(request: pb.SetConsentRequest, caller: Caller) -> SetConsent:
    """The command to record a decision, of a domain and through one in which the caller acts."""
    require_domain(caller, request.domain)
    through_domain = request.through_domain or request.domain
    require_domain(caller, through_domain)
    validate_only = request.validate_only
    return SetConsent(
        request=idempotency.identify(caller.name, "identity.SetConsent", request),
        member_id=ids.decode(MEMBER, request.member_id),
        domain=request.domain,
        purpose=request.purpose,
        granted=request.granted,
        evidence=request.evidence,
        through_domain=through_domain,
        caller=caller.name,
        validate_only=validate_only,
    )


def erase(
    request: pb.EraseMemberRequest,
    identified: Request,
    absorbed_ids: Sequence[UUID],
    accounts: Sequence[Account],
    seats: Sequence[Seat],
    invitations: Sequence[Invitation],
    vault: Vault,
    partitions: int,
) -> EraseMember:
    """The command to erase a member, by what it and those merged into it have and had."""
    names = {account.blind_index for account in accounts if account.blind_index}
    return EraseMember(
        request=identified,
        member_id=ids.decode(MEMBER, request.member_id),
        absorbed_ids=tuple(absorbed_ids),
        routes=tuple(route_key(name, partitions) for name in sorted(names)),
        group_ids=tuple(sorted({seat.group_id for seat in seats} | {one.group_id for one in invitations})),
        vault=vault,
        validate_only=request.validate_only,
    )


def identified_copy(caller: Caller, request: pb.EraseMemberRequest) -> Request:
    """How idempotency knows an erasure, which is made a command more than once; the message stays as it is."""
    copy = pb.EraseMemberRequest()
    copy.CopyFrom(request)
    return idempotency.identify(caller.name, "identity.EraseMember", copy)
