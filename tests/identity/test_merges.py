"""Members that are found to be one person: what comes along, and what their IDs mean from then on."""

import asyncio
import itertools
from typing import Any

import asyncpg
import pytest

from services.chassis import ids
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.identity.v1 import event_pb2, merge_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import (
    close,
    enrol,
    external_id,
    get_member,
    link,
    reinstate,
    request_id,
    resolve,
    suspend,
    unlink,
)
from tests.identity.merging import merge, merge_request, merges_of, unmerge
from tests.support.refusals import refusal_of
from tests.support.suite import Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_MEMBER = ids.encode("member", ids.new_id(7))


async def found(suite: Suite, phone: str, domain: str = "grocery") -> tuple[str, str]:
    """Where a name leads: member and account."""
    answer = await suite.identity.ResolveAccount(resolve(phone, domain=domain))
    return answer.member_id, answer.account_id


async def pair(suite: Suite) -> tuple[Any, Any]:
    """Two members with an account in grocery each."""
    return await enrol(suite, external_id()), await enrol(suite, external_id())


async def test_the_accounts_of_both_lead_to_the_survivor_and_so_does_the_old_id(suite: Suite) -> None:
    phones = [external_id() for _ in range(3)]
    survivor = await enrol(suite, phones[0], attributes={"region": "east"})
    merged = await enrol(suite, phones[1], attributes={"region": "west", "language": "zh"})
    linked = await suite.identity.LinkAccount(link(merged.member_id, phones[2], domain="travel"))
    made = await merge(suite, survivor.member_id, merged.member_id)
    assert set(made.merge.account_ids) == {merged.account_id, linked.account.account_id}
    assert (made.merge.survivor_id, made.merge.merged_id) == (survivor.member_id, merged.member_id)
    assert made.position.partition == survivor.position.partition
    assert await found(suite, phones[1]) == (survivor.member_id, merged.account_id)
    assert await found(suite, phones[2], "travel") == (survivor.member_id, linked.account.account_id)
    for asked in (survivor.member_id, merged.member_id):
        member = await get_member(suite, asked)
        assert member.member_id == survivor.member_id
        assert list(member.merged_ids) == [merged.member_id]
        assert {account.external_id for account in member.accounts} == set(phones)
        assert {account.member_id for account in member.accounts} == {survivor.member_id}
        assert dict(member.attributes) == {"region": "east", "language": "zh"}
    (listed,) = await merges_of(suite, merged.member_id)
    assert listed.merge_id == made.merge.merge_id
    assert await merges_of(suite, survivor.member_id) == [listed]


async def test_the_old_id_can_do_whatever_the_survivor_can(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    await merge(suite, survivor.member_id, merged.member_id)
    phone = external_id()
    request = link(merged.member_id, phone, domain="travel", request_id="by-old-id")
    linked = await suite.identity.LinkAccount(request)
    assert linked.account.member_id == survivor.member_id
    assert linked.position.partition == survivor.position.partition
    assert await suite.identity.LinkAccount(request) == linked, "a retry gets the first answer"
    assert await found(suite, phone, "travel") == (survivor.member_id, linked.account.account_id)
    assert (await suspend(suite, merged.member_id)).member.member_id == survivor.member_id
    assert (await get_member(suite, survivor.member_id)).status == pb.MEMBER_STATUS_SUSPENDED
    await reinstate(suite, merged.member_id)
    for account_id in (linked.account.account_id, merged.account_id):
        assert (await unlink(suite, account_id)).member_id == survivor.member_id
    assert [a.account_id for a in (await get_member(suite, merged.member_id)).accounts] == [survivor.account_id]
    assert (await refusal_of(unlink(suite, survivor.account_id))).reason == "LAST_ACCOUNT"


async def test_limits_of_a_domain_count_the_accounts_of_both(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    await suite.identity.LinkAccount(link(merged.member_id, external_id(), domain="fuel"))
    await merge(suite, survivor.member_id, merged.member_id)
    for member_id in (survivor.member_id, merged.member_id):
        refused = await refusal_of(suite.identity.LinkAccount(link(member_id, external_id(), domain="fuel")))
        assert refused.reason == "DOMAIN_ACCOUNT_LIMIT"


async def test_suspending_the_survivor_reaches_every_account(suite: Suite) -> None:
    phones = [external_id(), external_id()]
    survivor, merged = [await enrol(suite, phone) for phone in phones]
    await merge(suite, survivor.member_id, merged.member_id)
    for change, status in ((suspend, pb.MEMBER_STATUS_SUSPENDED), (close, pb.MEMBER_STATUS_CLOSED)):
        await change(suite, merged.member_id)
        for phone in phones:
            assert (await suite.identity.ResolveAccount(resolve(phone))).status == status


async def test_who_cannot_be_merged(suite: Suite) -> None:
    one, other = await pair(suite)
    for survivor_id, merged_id, reason in (
        (one.member_id, one.member_id, "MERGE_WITH_ITSELF"),
        (one.member_id, NO_MEMBER, "MEMBER_UNKNOWN"),
        (NO_MEMBER, one.member_id, "MEMBER_UNKNOWN"),
    ):
        assert (await refusal_of(merge(suite, survivor_id, merged_id))).reason == reason
    await suspend(suite, other.member_id)
    for survivor_id, merged_id in ((one.member_id, other.member_id), (other.member_id, one.member_id)):
        assert (await refusal_of(merge(suite, survivor_id, merged_id))).reason == "MEMBER_SUSPENDED"
    await close(suite, other.member_id)
    assert (await refusal_of(merge(suite, one.member_id, other.member_id))).reason == "MEMBER_CLOSED"
    assert [a.account_id for a in (await get_member(suite, one.member_id)).accounts] == [one.account_id]
    assert await merges_of(suite, one.member_id) == []


async def test_members_are_merged_once(suite: Suite) -> None:
    one, other = await pair(suite)
    third = await enrol(suite)
    made = await merge(suite, one.member_id, other.member_id, request_id="merge-once")
    assert await merge(suite, one.member_id, other.member_id, request_id="merge-once") == made
    for survivor_id, merged_id in ((one.member_id, other.member_id), (other.member_id, one.member_id)):
        refused = await refusal_of(merge(suite, survivor_id, merged_id))
        assert (refused.reason, refused.metadata["merge_id"]) == ("ALREADY_MERGED", made.merge.merge_id)
    refused = await refusal_of(merge(suite, third.member_id, other.member_id))
    assert (refused.reason, refused.metadata["survivor_id"]) == ("MEMBER_MERGED", one.member_id)
    await merge(suite, other.member_id, third.member_id)
    assert (await get_member(suite, third.member_id)).member_id == one.member_id, "an old ID may survive, too"


async def test_a_dry_run_merges_nobody(suite: Suite) -> None:
    one, other = await pair(suite)
    dry = await merge(suite, one.member_id, other.member_id, validate_only=True)
    assert list(dry.merge.account_ids) == [other.account_id]
    assert dry.merge.merge_id == ""
    assert not dry.HasField("position")
    assert (await get_member(suite, other.member_id)).member_id == other.member_id


async def test_chains_resolve_in_one_hop(suite: Suite) -> None:
    """E72."""
    members = [await enrol(suite) for _ in range(5)]
    for merged, survivor in itertools.pairwise(members):
        await merge(suite, survivor.member_id, merged.member_id)
    last = members[-1].member_id
    for member in members:
        assert (await get_member(suite, member.member_id)).member_id == last
    everybody = await get_member(suite, last)
    assert set(everybody.merged_ids) == {member.member_id for member in members[:-1]}
    assert {account.account_id for account in everybody.accounts} == {member.account_id for member in members}
    assert await survivors(suite) >= {(member.member_id, last) for member in members[:-1]}


async def survivors(suite: Suite) -> set[tuple[str, str]]:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        rows = await connection.fetch("SELECT member_id, survivor_id FROM members WHERE survivor_id IS NOT NULL")
    finally:
        await connection.close()
    return {(ids.encode("member", row[0]), ids.encode("member", row[1])) for row in rows}


async def test_of_two_merges_in_both_directions_one_wins(suite: Suite) -> None:
    """E72: no cycle, whoever is first."""
    for _ in range(10):
        one, other = await pair(suite)
        outcomes = await asyncio.gather(
            merge(suite, one.member_id, other.member_id),
            merge(suite, other.member_id, one.member_id),
            return_exceptions=True,
        )
        made = [outcome for outcome in outcomes if isinstance(outcome, merge_pb2.MergeMembersResponse)]
        assert len(made) == 1
        (refused,) = [outcome for outcome in outcomes if outcome not in made]
        assert (await refusal_of(_raised(refused))).reason == "ALREADY_MERGED"
        for member in (one, other):
            assert (await get_member(suite, member.member_id)).member_id == made[0].merge.survivor_id


async def _raised(error: Any) -> None:
    raise error


async def test_merges_in_a_circle_leave_one_member(suite: Suite) -> None:
    members = [await enrol(suite) for _ in range(4)]
    pairs = list(zip(members, [*members[1:], members[0]], strict=True))
    await asyncio.gather(
        *(merge(suite, survivor.member_id, merged.member_id) for survivor, merged in pairs * 3), return_exceptions=True
    )
    for survivor, merged in pairs:
        await _ignore(merge(suite, survivor.member_id, merged.member_id))
    leads_to = {(await get_member(suite, member.member_id)).member_id for member in members}
    assert len(leads_to) == 1
    assert await longest_chain(suite) == 0


async def _ignore(call: Any) -> None:
    await asyncio.gather(call, return_exceptions=True)


async def longest_chain(suite: Suite) -> int:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM members m JOIN members s ON s.member_id = m.survivor_id "
            "WHERE s.survivor_id IS NOT NULL"
        )
    finally:
        await connection.close()
    return count


async def test_no_account_linked_meanwhile_is_left_behind(suite: Suite) -> None:
    pairs = [await pair(suite) for _ in range(8)]
    phones = {merged.member_id: [external_id() for _ in range(6)] for _, merged in pairs}
    work = [
        call
        for survivor, merged in pairs
        for call in (
            *(
                suite.identity.LinkAccount(link(merged.member_id, phone, domain="travel"))
                for phone in phones[merged.member_id]
            ),
            suite.identity.MergeMembers(merge_request(survivor.member_id, merged.member_id)),
        )
    ]
    answers = await asyncio.gather(*work, return_exceptions=True)
    merged_now = {a.merge.merged_id for a in answers if isinstance(a, merge_pb2.MergeMembersResponse)}
    assert len(merged_now) == len(pairs)
    for survivor, merged in pairs:
        for phone in phones[merged.member_id]:
            member_id, _ = await found(suite, phone, "travel")
            assert member_id == survivor.member_id


async def events_of(suite: Suite, position: Any) -> tuple[list[event_pb2.Event], dict[int, int]]:
    """What a record tells, and its other halves."""
    cursor = event_feed_pb2.Cursor(partition=position.partition, position=position.position - 1)
    (record,) = (await suite.feed("identity").Read(event_feed_pb2.ReadRequest(cursors=[cursor], max_records=1))).records
    journal = journal_pb2.Journal.FromString(record.payload)
    halves = {half.partition: half.position for half in journal.halves}
    return [event_pb2.Event.FromString(raw) for raw in journal.events], halves


async def test_the_feed_tells_both_halves(suite: Suite) -> None:
    first, second = await pair(suite)
    third = await enrol(suite)
    await merge(suite, second.member_id, first.member_id)
    made = await merge(suite, third.member_id, second.member_id)
    told, halves = await events_of(suite, made.position)
    (merged,) = [event.member_merged for event in told if event.HasField("member_merged")]
    assert ids.encode("member", ids.from_bytes(merged.merged_id)) == second.member_id
    assert [ids.encode("member", ids.from_bytes(raw)) for raw in merged.absorbed_ids] == [first.member_id]
    assert {(ids.encode("account", ids.from_bytes(a.account_id)), a.domain) for a in merged.accounts} == {
        (first.account_id, "grocery"),
        (second.account_id, "grocery"),
    }
    assert halves.keys() == {member.position.partition for member in (first, second, third)}
    redirected = set()
    for partition, at in halves.items():
        events, others = await events_of(suite, event_feed_pb2.Cursor(partition=partition, position=at))
        assert others == halves
        redirected |= {
            (event.member_redirected.member_id, event.member_redirected.leads_to)
            for event in events
            if event.HasField("member_redirected")
        }
    names = {tuple(ids.encode("member", ids.from_bytes(raw)) for raw in each) for each in redirected}
    assert names == {(first.member_id, third.member_id), (second.member_id, third.member_id)}


async def test_a_whole_unmerge_gives_everything_back(suite: Suite) -> None:
    phones = [external_id() for _ in range(3)]
    survivor, merged = await enrol(suite, phones[0]), await enrol(suite, phones[1])
    made = await merge(suite, survivor.member_id, merged.member_id)
    await suite.identity.LinkAccount(link(survivor.member_id, phones[2], domain="fuel"))
    undone = await unmerge(suite, made.merge.merge_id)
    assert undone.changed
    assert undone.unmerge.whole
    assert list(undone.unmerge.account_ids) == [merged.account_id]
    assert (undone.unmerge.holder_id, undone.unmerge.member_id) == (survivor.member_id, merged.member_id)
    assert await found(suite, phones[1]) == (merged.member_id, merged.account_id)
    member = await get_member(suite, merged.member_id)
    assert (member.member_id, member.status) == (merged.member_id, pb.MEMBER_STATUS_ACTIVE)
    assert [account.external_id for account in member.accounts] == [phones[1]]
    kept = await get_member(suite, survivor.member_id)
    assert {account.external_id for account in kept.accounts} == {phones[0], phones[2]}
    assert list(kept.merged_ids) == []
    (listed,) = await merges_of(suite, survivor.member_id)
    assert [each.unmerge_id for each in listed.unmerges] == [undone.unmerge.unmerge_id]
    assert listed.HasField("undone_at")
    again = await unmerge(suite, made.merge.merge_id)
    assert not again.changed
    assert not again.HasField("unmerge")


async def test_an_account_can_go_back_alone(suite: Suite) -> None:
    """E71, and the rest later."""
    phones = [external_id() for _ in range(4)]
    survivor, merged = await enrol(suite, phones[0]), await enrol(suite, phones[1])
    second = await suite.identity.LinkAccount(link(merged.member_id, phones[2], domain="travel"))
    made = await merge(suite, survivor.member_id, merged.member_id)
    merge_id = made.merge.merge_id
    part = await unmerge(suite, merge_id, second.account.account_id)
    assert (part.changed, part.unmerge.whole) == (True, False)
    assert await found(suite, phones[2], "travel") == (merged.member_id, second.account.account_id)
    assert await found(suite, phones[1]) == (survivor.member_id, merged.account_id)
    assert (await get_member(suite, merged.member_id)).member_id == merged.member_id
    assert not (await unmerge(suite, merge_id, second.account.account_id)).changed
    await suite.identity.LinkAccount(link(merged.member_id, phones[3], domain="fuel"))
    rest = await unmerge(suite, merge_id, merged.account_id)
    assert rest.unmerge.whole, "nothing is left"
    member = await get_member(suite, merged.member_id)
    assert {account.external_id for account in member.accounts} == {phones[1], phones[2], phones[3]}
    assert not (await unmerge(suite, merge_id)).changed
    (listed,) = await merges_of(suite, merged.member_id)
    assert [each.whole for each in listed.unmerges] == [False, True]


async def test_members_of_a_chain_come_out_at_either_end(suite: Suite) -> None:
    first, second = await pair(suite)
    third = await enrol(suite)
    inner = await merge(suite, second.member_id, first.member_id)
    outer = await merge(suite, third.member_id, second.member_id)
    undone = await unmerge(suite, inner.merge.merge_id)
    assert (undone.unmerge.holder_id, undone.unmerge.member_id) == (third.member_id, first.member_id)
    assert (await get_member(suite, first.member_id)).member_id == first.member_id
    assert (await get_member(suite, second.member_id)).member_id == third.member_id
    again = await merge(suite, third.member_id, first.member_id)
    back = await unmerge(suite, outer.merge.merge_id)
    assert list(back.unmerge.account_ids) == [second.account_id], "the first one came by another merge since"
    assert (await get_member(suite, first.member_id)).member_id == third.member_id
    await unmerge(suite, again.merge.merge_id)
    for member in (first, second, third):
        alone = await get_member(suite, member.member_id)
        assert [account.account_id for account in alone.accounts] == [member.account_id]
        assert alone.member_id == member.member_id


async def test_who_was_absorbed_goes_back_with_whom_it_came(suite: Suite) -> None:
    first, second = await pair(suite)
    third = await enrol(suite)
    inner = await merge(suite, second.member_id, first.member_id)
    outer = await merge(suite, third.member_id, second.member_id)
    await unmerge(suite, outer.merge.merge_id)
    member = await get_member(suite, first.member_id)
    assert member.member_id == second.member_id
    assert {account.account_id for account in member.accounts} == {first.account_id, second.account_id}
    await unmerge(suite, inner.merge.merge_id)
    assert (await get_member(suite, first.member_id)).member_id == first.member_id


async def test_members_are_merged_again_after_they_were_unmerged(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    other = await suite.identity.LinkAccount(link(merged.member_id, external_id(), domain="travel"))
    first = await merge(suite, survivor.member_id, merged.member_id)
    await unmerge(suite, first.merge.merge_id, other.account.account_id)
    second = await merge(suite, survivor.member_id, merged.member_id)
    assert list(second.merge.account_ids) == [other.account.account_id]
    refused = await refusal_of(unmerge(suite, first.merge.merge_id))
    assert (refused.reason, refused.metadata["merge_id"]) == ("MERGE_SUPERSEDED", second.merge.merge_id)
    await unmerge(suite, second.merge.merge_id)
    await unmerge(suite, first.merge.merge_id)
    accounts = {account.account_id for account in (await get_member(suite, merged.member_id)).accounts}
    assert accounts == {merged.account_id, other.account.account_id}


async def test_what_cannot_be_unmerged(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    made = await merge(suite, survivor.member_id, merged.member_id)
    unknown = ids.encode("merge", ids.new_id(3))
    assert (await refusal_of(unmerge(suite, unknown))).reason == "MERGE_UNKNOWN"
    refused = await refusal_of(unmerge(suite, made.merge.merge_id, survivor.account_id))
    assert (refused.reason, refused.metadata["account_id"]) == ("ACCOUNT_NOT_OF_MERGE", survivor.account_id)
    dry = await unmerge(suite, made.merge.merge_id, validate_only=True)
    assert dry.changed
    assert dry.unmerge.unmerge_id == ""
    assert (await get_member(suite, merged.member_id)).member_id == survivor.member_id
    await close(suite, survivor.member_id)
    assert (await refusal_of(unmerge(suite, made.merge.merge_id))).reason == "MEMBER_CLOSED"


async def test_who_comes_out_of_a_suspended_member_is_suspended(suite: Suite) -> None:
    phone = external_id()
    survivor, merged = await enrol(suite), await enrol(suite, phone)
    made = await merge(suite, survivor.member_id, merged.member_id)
    await suspend(suite, survivor.member_id)
    await unmerge(suite, made.merge.merge_id)
    assert (await get_member(suite, merged.member_id)).status == pb.MEMBER_STATUS_SUSPENDED
    assert (await suite.identity.ResolveAccount(resolve(phone))).status == pb.MEMBER_STATUS_SUSPENDED


async def test_merged_members_are_listed_as_such(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    await merge(suite, survivor.member_id, merged.member_id)
    request = pb.ListMembersRequest(status=pb.MEMBER_STATUS_MERGED, page_size=1000)
    listed = {one.member_id: one.survivor_id for one in (await suite.identity.ListMembers(request)).members}
    assert listed[merged.member_id] == survivor.member_id
    assert survivor.member_id not in listed


async def test_merges_are_listed_in_pages(suite: Suite) -> None:
    survivor = await enrol(suite)
    for _ in range(3):
        await merge(suite, survivor.member_id, (await enrol(suite)).member_id)
    seen, token = [], ""
    while True:
        page = await suite.identity.ListMerges(
            merge_pb2.ListMergesRequest(member_id=survivor.member_id, page_size=2, page_token=token)
        )
        seen += [one.merge_id for one in page.merges]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == 3
    assert seen == sorted(seen)
    refused = await refusal_of(suite.identity.ListMerges(merge_pb2.ListMergesRequest(member_id=NO_MEMBER)))
    assert refused.reason == "MEMBER_UNKNOWN"


async def test_a_preview_tells_what_becomes_of_accounts_and_changes_nothing(suite: Suite) -> None:
    survivor, merged = await pair(suite)
    request = merge_pb2.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
    (preview,) = (await suite.identity.PreviewMerge(request)).services
    assert preview.service == "identity"
    (effect,) = preview.effects
    assert (effect.code, dict(effect.details)) == (
        "ACCOUNT_MOVES",
        {"account_id": merged.account_id, "domain": "grocery"},
    )
    assert (await get_member(suite, merged.member_id)).member_id == merged.member_id
    made = await merge(suite, survivor.member_id, merged.member_id)
    back = merge_pb2.PreviewUnmergeRequest(merge_id=made.merge.merge_id)
    (preview,) = (await suite.identity.PreviewUnmerge(back)).services
    assert [effect.details["account_id"] for effect in preview.effects] == [merged.account_id]
    assert (await refusal_of(suite.identity.PreviewMerge(request))).reason == "ALREADY_MERGED"


async def test_a_request_id_is_of_one_merge(suite: Suite) -> None:
    one, other = await pair(suite)
    third, again = await enrol(suite), request_id()
    await merge(suite, one.member_id, other.member_id, request_id=again)
    refused = await refusal_of(merge(suite, one.member_id, third.member_id, request_id=again))
    assert refused.reason == "REQUEST_ID_REUSED"
