"""A rejection is a verdict: it is kept and given again, and disturbs nobody. What may pass by itself is not kept."""

from datetime import date, timedelta

import pytest
from grpc import StatusCode

from services.chassis.errors import Rejection
from services.chassis.idempotency import digest_of_row
from services.chassis.verdicts import accepted, refused
from tessera.events.v1.journal_pb2 import Journal
from tests.chassis.house import assert_sound, connection_to, ledger_database
from tests.chassis.ledger import Move, Refuse, Transfer, balance_of, reason_of
from tests.chassis.ledger_lanes import account, open_lanes, request


async def test_a_rejection_leaves_its_neighbours_in_the_batch_alone() -> None:
    owner, other = account(), account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        outcomes = await lanes.submit(
            [Move(owner, 5), Move(owner, -7), Move(owner, 4), Move(owner, -7), Transfer(owner, other, 2)]
        )
        assert await assert_sound(dsn) == {owner: 0, other: 2}
    assert [balance_of(outcomes[index]) for index in (0, 2, 3, 4)] == [5, 9, 2, 0]
    assert reason_of(outcomes[1]) == "INSUFFICIENT"


@pytest.mark.parametrize("batched", [True, False], ids=["in one batch", "in two batches"])
async def test_a_rejection_is_given_again_though_it_would_not_be_made_now(batched: bool) -> None:
    owner = account()
    refusing = Move(owner, -7, request("r"))
    commands = [refusing, Move(owner, 10), refusing]
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        if batched:
            outcomes = await lanes.submit(commands)
        else:
            outcomes = [await lanes.one(command) for command in commands]
        assert await assert_sound(dsn) == {owner: 10}
    assert reason_of(outcomes[0]) == "INSUFFICIENT"
    assert outcomes[2] == outcomes[0]


@pytest.mark.parametrize(
    ("rejection", "is_kept"),
    [
        (Rejection("NO", "no"), True),
        (Rejection("GONE", "no", StatusCode.NOT_FOUND), True),
        (Rejection("NOT_YET", "no", retry_after=timedelta(0)), False),
        (Rejection("NOT_YET", "no", StatusCode.NOT_FOUND, retry_after=timedelta(seconds=1)), False),
        (Rejection("NOT_YOURS", "no", StatusCode.PERMISSION_DENIED), False),
    ],
    ids=lambda value: value.reason if isinstance(value, Rejection) else None,
)
async def test_what_may_pass_or_is_about_access_is_decided_again(rejection: Rejection, is_kept: bool) -> None:
    command = Refuse(account(), rejection, request("r"))
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        first, second = await lanes.one(command), await lanes.one(command)
        async with connection_to(dsn) as connection:
            assert await connection.fetchval("SELECT count(*) FROM requests") == int(is_kept)
    assert (first.code, first.payload) == (second.code, second.payload)
    assert len(command.decided) == (1 if is_kept else 2)


async def test_a_dry_run_is_answered_and_leaves_no_trace() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        dry, refused_dry, real = await lanes.submit(
            [
                Move(owner, 5, request("a"), validate_only=True),
                Move(owner, -1, request("b"), validate_only=True),
                Move(owner, 6, request("a", "another")),
            ]
        )
        assert await assert_sound(dsn) == {owner: 6}
        async with connection_to(dsn) as connection:
            assert await connection.fetchval("SELECT count(*) FROM requests") == 1
            assert await connection.fetchval("SELECT position FROM head WHERE partition = 0") == 1
    assert (balance_of(dry), reason_of(refused_dry), balance_of(real)) == (5, "INSUFFICIENT", 6)


async def test_a_batch_in_which_nothing_happened_has_no_record() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        await lanes.one(Move(account(), -1))
        async with connection_to(dsn) as connection:
            assert await connection.fetchval("SELECT count(*) FROM journal") == 0


@pytest.mark.parametrize("amount", [1, -1], ids=["accepted", "refused"])
async def test_the_chain_says_which_verdict_is_kept_and_since_when(amount: int) -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        await lanes.one(Move(account(), amount, request("r")))
        async with connection_to(dsn) as connection:
            record = Journal.FromString(await connection.fetchval("SELECT payload FROM journal"))
            row = await connection.fetchrow("SELECT request_key, fingerprint, code, payload, created_on FROM requests")
        key, fingerprint, code, payload, created_on = row
        assert list(record.kept_verdicts) == [digest_of_row(key.bytes, fingerprint, code, payload)]
        assert date(1970, 1, 1) + timedelta(record.kept_on) == created_on


def test_a_verdict_is_kept_unless_it_may_change() -> None:
    assert accepted(b"answer").keep
    assert refused(Rejection("NO", "no"), "ledger.tessera").keep
    assert not refused(Rejection("LATER", "no", retry_after=timedelta(1)), "ledger.tessera").keep
