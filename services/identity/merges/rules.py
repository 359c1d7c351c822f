"""Pure decisions on merges: who may be merged, what comes along, what goes back."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.identity import errors as identity_errors
from services.identity import rules as identity_rules
from services.identity.merges import errors
from services.identity.merges.values import MERGE, Absorbed, Merge
from services.identity.values import ACCOUNT, MEMBER, Account, Member, Status


def merge_refusal(sent: Member | None, survivor: Member | None, merged: Member | None) -> Rejection | None:
    """Why two members cannot be merged. `survivor` is whom the ID leads to that was `sent`."""
    if sent is None or survivor is None or merged is None:
        return identity_errors.MEMBER_UNKNOWN
    if survivor.member_id == merged.member_id:
        return already_merged(sent) if sent.merge_id is not None else errors.MERGE_WITH_ITSELF
    if merged.survivor_id is not None:
        is_same = merged.survivor_id == survivor.member_id
        return already_merged(merged) if is_same else errors.member_merged(ids.encode(MEMBER, merged.survivor_id))
    return identity_rules.not_active(survivor.status) or identity_rules.not_active(merged.status)


def already_merged(member: Member) -> Rejection:
    """What is said of a member that was merged."""
    assert member.merge_id is not None
    return errors.already_merged(ids.encode(MERGE, member.merge_id))


def unmerge_refusal(merge: Merge | None, member: Member | None, account_ids: Collection[UUID]) -> Rejection | None:
    """Why nothing of a merge can be given back to who was merged then."""
    if merge is None or member is None:
        return errors.MERGE_UNKNOWN
    strange = next(iter(sorted(set(account_ids) - merge.account_ids)), None)
    if strange is not None:
        return errors.account_not_of_merge(ids.encode(ACCOUNT, strange))
    if member.merge_id is not None and member.merge_id != merge.merge_id:
        return errors.merge_superseded(ids.encode(MERGE, member.merge_id))
    return None


def still_absorbed(merge: Merge, holder_id: UUID, members: Mapping[UUID, Member]) -> list[Member]:
    """The members that came along by a merge and are with who holds it: none that left, or came by another way."""
    return [
        member
        for absorbed in merge.absorbed
        if (member := members.get(absorbed.member_id)) is not None
        and member.survivor_id == holder_id
        and member.merge_id == absorbed.merge_id
    ]


def returnable(merge: Merge, held: Iterable[Account], absorbed: Collection[Member]) -> list[Account]:
    """Of the accounts that somebody holds, those that came by a merge and no other way."""
    gone = {each.member_id for each in merge.absorbed} - {member.member_id for member in absorbed}
    return [account for account in held if account.account_id in merge.account_ids and account.member_id not in gone]


def absorbed_with(members: Iterable[Member]) -> tuple[Absorbed, ...]:
    """What a merge notes of members whose IDs led to who is merged."""
    return tuple(
        Absorbed(member.member_id, member.merge_id)
        for member in sorted(members, key=lambda member: member.member_id)
        if member.merge_id is not None
    )


def is_merged(member: Member | None) -> bool:
    """Whether an ID leads elsewhere."""
    return member is not None and member.status is Status.MERGED
