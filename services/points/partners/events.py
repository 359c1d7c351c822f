"""What points tells of conversions with partners."""

from services.chassis.clock import to_microseconds
from services.chassis.idempotency import digest_of
from services.points.partners.values import PartnerConversion
from tessera.points.v1 import event_pb2 as pb


def partner_conversion_changed(conversion: PartnerConversion) -> bytes:
    """A conversion with a partner, as it is now."""
    event = pb.Event()
    changed = event.partner_conversion_changed
    changed.partner_conversion_id = conversion.partner_conversion_id.bytes
    changed.member_id = conversion.member_id.bytes
    changed.account_id = conversion.account_id.bytes
    changed.domain = conversion.domain
    changed.conversion = conversion.conversion
    changed.partner = conversion.partner
    changed.partner_account_id = conversion.partner_account_id.bytes
    changed.incoming = conversion.incoming
    changed.unit = conversion.unit
    changed.amount = conversion.amount
    changed.partner_unit = conversion.partner_unit
    changed.partner_amount = conversion.partner_amount
    changed.state = conversion.state
    changed.funder = conversion.funder
    changed.started_at_us = to_microseconds(conversion.started_at)
    changed.closed_at_us = to_microseconds(conversion.closed_at)
    changed.settled_by = conversion.settled_by
    changed.reference_digest = digest_of(conversion.reference.encode())
    changed.booking_digest = digest_of(conversion.booking.encode())
    changed.reason_digest = digest_of(conversion.reason.encode())
    for use in conversion.uses:
        changed.uses.add(lot_id=use.lot_id.bytes, amount=use.amount)
    return event.SerializeToString()
