"""Messages and values of benefits, one made of the other."""

from datetime import datetime
from uuid import UUID

from services.benefits.config import BenefitsConfig
from services.benefits.entitlements.rules import state_at
from services.benefits.redemptions.rules import No, Yes
from services.benefits.values import Entitlement, Redemption
from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.type.v1 import position_pb2

SERVICE = "benefits"
ERROR_DOMAIN = "benefits.tessera"
MEMBER, ACCOUNT, ENTITLEMENT, REDEMPTION = "member", "account", "entitlement", "redemption"

Place = tuple[int, int]
"""A partition and a position in it."""


def place_of(moment: Moment[BenefitsConfig], owner_id: UUID) -> Place:
    """Where a batch is committed that concerns an ID."""
    partition = moment.partition_of(owner_id.int)
    return partition, moment.positions[partition]


def decode_optional(prefix: str, text: str) -> UUID | None:
    """The ID of a text that may be empty."""
    return ids.decode(prefix, text) if text else None


def entitlement_message(entitlement: Entitlement, now: datetime) -> pb.Entitlement:
    """An entitlement as it stands at an instant."""
    return pb.Entitlement(
        entitlement_id=ids.encode(ENTITLEMENT, entitlement.entitlement_id),
        member_id=ids.encode(MEMBER, entitlement.member_id),
        benefit=entitlement.benefit,
        state=pb.EntitlementState.ValueType(state_at(entitlement, now)),
        valid_from=timestamp(entitlement.valid_from),
        valid_until=timestamp(entitlement.valid_until) if entitlement.valid_until is not None else None,
        uses_left=entitlement.uses_left,
        issued_at=timestamp(entitlement.issued_at),
        cause=entitlement.cause,
        reference=entitlement.reference,
        config_version=entitlement.config_version,
    )


def issue_answer(entitlement: Entitlement, place: Place) -> bytes:
    """What issuing did."""
    return pb.IssueEntitlementResponse(
        entitlement=entitlement_message(entitlement, entitlement.issued_at), position=_position(place)
    ).SerializeToString()


def redeem_answer(redemption: Redemption, partition: int) -> bytes:
    """What redeeming did; the same from the row as when it was made."""
    return pb.RedeemResponse(
        redemption_id=ids.encode(REDEMPTION, redemption.redemption_id),
        entitlement_id=_encoded(redemption.entitlement_id),
        uses_left=redemption.uses_left,
        position=_position((partition, redemption.position)),
    ).SerializeToString()


def reverse_answer(redemption: Redemption, place: Place) -> bytes:
    """What taking back did."""
    return pb.ReverseRedemptionResponse(
        entitlement_id=_encoded(redemption.entitlement_id), position=_position(place)
    ).SerializeToString()


def check_answer(judged: Yes | No, config_version: int) -> bytes:
    """Whether a benefit may be used, as a bulk answer of one result: several in a row are one message."""
    if isinstance(judged, Yes):
        response = pb.CheckEntitlementResponse(
            allowed=True,
            uses_left=judged.uses_left,
            entitlement_id=_encoded(judged.entitlement_id),
            config_version=config_version,
        )
    else:
        at = judged.next_eligible_at
        response = pb.CheckEntitlementResponse(
            reason=judged.rejection.reason,
            condition=judged.rejection.metadata.get("condition", ""),
            next_eligible_at=timestamp(at) if at is not None else None,
            config_version=config_version,
        )
    return pb.BulkCheckEntitlementsResponse(
        results=[pb.BulkCheckEntitlementsResponse.Result(response=response)]
    ).SerializeToString()


def entitlement_text(entitlement_id: UUID) -> bytes:
    """An entitlement's ID as it stands in a serialised message."""
    return ids.encode(ENTITLEMENT, entitlement_id).encode()


def _encoded(entitlement_id: UUID | None) -> str:
    return "" if entitlement_id is None else ids.encode(ENTITLEMENT, entitlement_id)


def _position(place: Place) -> position_pb2.Position:
    partition, position = place
    return position_pb2.Position(service=SERVICE, partition=partition, position=position)
