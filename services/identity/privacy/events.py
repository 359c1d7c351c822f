"""What consents and erasures tell the others."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.clock import to_microseconds
from services.identity.privacy.values import Consent
from tessera.identity.v1 import event_pb2 as pb


def consent_changed(consent: Consent) -> bytes:
    """A person decided."""
    event = pb.ConsentChanged(
        member_id=consent.member_id.bytes,
        domain=consent.domain,
        purpose=consent.purpose,
        granted=consent.granted,
        decided_at_us=to_microseconds(consent.decided_at),
    )
    return pb.Event(consent_changed=event).SerializeToString()


def member_erased(member_id: UUID, absorbed_ids: Iterable[UUID], at: datetime) -> bytes:
    """A member was erased, and with it those that had been merged into it."""
    event = pb.MemberErased(
        member_id=member_id.bytes, erased_at_us=to_microseconds(at), absorbed_ids=[one.bytes for one in absorbed_ids]
    )
    return pb.Event(member_erased=event).SerializeToString()
