"""What benefits tells the others, and what it hears of identity and tiers."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.benefits.heard import AccountLinked, AccountUnlinked, MemberEnrolled, StandingChanged, StatusChanged, Told
from services.benefits.merges.values import ErasureHeard, MergeHeard, MovedAccount, UnmergeHeard
from services.benefits.values import Entitlement, Redemption
from services.chassis.clock import EPOCH, from_microseconds, to_microseconds
from services.chassis.ids import from_bytes
from tessera.benefits.v1 import event_pb2 as pb
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.tiers.v1 import event_pb2 as tiers_pb


def entitlement_issued(entitlement: Entitlement) -> bytes:
    """An entitlement was issued."""
    event = pb.EntitlementIssued(
        entitlement_id=entitlement.entitlement_id.bytes,
        member_id=entitlement.member_id.bytes,
        benefit=entitlement.benefit,
        valid_from_us=to_microseconds(entitlement.valid_from),
        valid_until_us=to_microseconds(entitlement.valid_until),
        cause=entitlement.cause,
    )
    return pb.Event(entitlement_issued=event).SerializeToString()


def benefit_redeemed(redemption: Redemption) -> bytes:
    """A benefit was used."""
    event = pb.BenefitRedeemed(
        redemption_id=redemption.redemption_id.bytes,
        member_id=redemption.member_id.bytes,
        benefit=redemption.benefit,
        entitlement_id=_bytes(redemption.entitlement_id),
        domain=redemption.domain,
        account_id=_bytes(redemption.account_id),
        redeemed_at_us=to_microseconds(redemption.redeemed_at),
    )
    return pb.Event(benefit_redeemed=event).SerializeToString()


def redemption_reversed(redemption: Redemption) -> bytes:
    """A redemption was taken back."""
    event = pb.RedemptionReversed(
        redemption_id=redemption.redemption_id.bytes,
        member_id=redemption.member_id.bytes,
        benefit=redemption.benefit,
        reversed_at_us=to_microseconds(redemption.reversed_at),
    )
    return pb.Event(redemption_reversed=event).SerializeToString()


def entitlement_expired(entitlement: Entitlement) -> bytes:
    """An entitlement's time was over before it was used up."""
    event = pb.EntitlementExpired(
        entitlement_id=entitlement.entitlement_id.bytes,
        member_id=entitlement.member_id.bytes,
        benefit=entitlement.benefit,
        expired_at_us=to_microseconds(entitlement.valid_until),
    )
    return pb.Event(entitlement_expired=event).SerializeToString()


def entitlement_revoked(entitlement: Entitlement, revoked_at: datetime, merge_id: UUID | None) -> bytes:
    """An entitlement was taken away, by a merge or (None) an erasure."""
    event = pb.EntitlementRevoked(
        entitlement_id=entitlement.entitlement_id.bytes,
        member_id=entitlement.member_id.bytes,
        benefit=entitlement.benefit,
        revoked_at_us=to_microseconds(revoked_at),
        merge_id=_bytes(merge_id),
    )
    return pb.Event(entitlement_revoked=event).SerializeToString()


def entitlement_restored(entitlement: Entitlement, restored_at: datetime) -> bytes:
    """An entitlement that had been taken away was given back."""
    event = pb.EntitlementRestored(
        entitlement_id=entitlement.entitlement_id.bytes,
        member_id=entitlement.member_id.bytes,
        benefit=entitlement.benefit,
        restored_at_us=to_microseconds(restored_at),
    )
    return pb.Event(entitlement_restored=event).SerializeToString()


def _bytes(value: UUID | None) -> bytes:
    return b"" if value is None else value.bytes


def parse_identity_event(raw: bytes) -> Told | None:
    """What identity told; None for what does not concern benefits."""
    event = identity_pb.Event.FromString(raw)
    match event.WhichOneof("event"):
        case "member_enrolled":
            enrolled = event.member_enrolled
            return MemberEnrolled(from_bytes(enrolled.member_id), _time(enrolled.enrolled_at_us))
        case "member_status_changed":
            changed = event.member_status_changed
            return StatusChanged(from_bytes(changed.member_id), changed.status)
        case "account_linked":
            linked = event.account_linked
            return AccountLinked(from_bytes(linked.account_id), from_bytes(linked.member_id), linked.domain)
        case "account_unlinked":
            unlinked = event.account_unlinked
            return AccountUnlinked(from_bytes(unlinked.account_id), from_bytes(unlinked.member_id))
        case "member_merged" | "member_unmerged" | "member_erased":
            return _rearranged(event)
        case _:
            return None


def _rearranged(event: identity_pb.Event) -> MergeHeard | UnmergeHeard | ErasureHeard:
    """That IDs mean somebody else, or nobody. Where each of them leads follows, so it need not be heard beside it."""
    if event.HasField("member_merged"):
        merged = event.member_merged
        return MergeHeard(
            merge_id=from_bytes(merged.merge_id),
            survivor_id=from_bytes(merged.survivor_id),
            merged_id=from_bytes(merged.merged_id),
            absorbed_ids=tuple(map(from_bytes, merged.absorbed_ids)),
            accounts=_moved(merged.accounts),
        )
    if event.HasField("member_unmerged"):
        unmerged = event.member_unmerged
        return UnmergeHeard(
            merge_id=from_bytes(unmerged.merge_id),
            holder_id=from_bytes(unmerged.holder_id),
            member_id=from_bytes(unmerged.member_id),
            absorbed_ids=tuple(map(from_bytes, unmerged.absorbed_ids)),
            accounts=_moved(unmerged.accounts),
            whole=unmerged.whole,
        )
    return ErasureHeard(from_bytes(event.member_erased.member_id))


def _moved(accounts: Iterable[identity_pb.MovedAccount]) -> tuple[MovedAccount, ...]:
    return tuple(MovedAccount(from_bytes(account.account_id), account.domain) for account in accounts)


def parse_tiers_event(raw: bytes) -> Told | None:
    """What tiers told; None for what does not concern benefits."""
    event = tiers_pb.Event.FromString(raw)
    if event.WhichOneof("event") != "standing_changed":
        return None
    changed = event.standing_changed
    return StandingChanged(
        member_id=from_bytes(changed.member_id),
        ladder=changed.ladder,
        level=changed.level,
        rank=changed.rank,
        effective_from=_time(changed.effective_from_us),
    )


def _time(value_us: int) -> datetime:
    return from_microseconds(value_us) or EPOCH
