"""The first answer again, whatever happened since (E11)."""

import asyncio

from grpc import StatusCode

from services.chassis.idempotency import identify
from tests.chassis.edge import refusal
from tests.chassis.house import Calls, assert_sound, held, ledger_database, ledger_suite, until_blocked
from tests.chassis.ledger import Move, Transfer, balance_of, reason_of
from tests.chassis.ledger_contract import MoveRequest
from tests.chassis.ledger_lanes import Batches, account, open_lanes, request, until_waiting

ACCOUNT = account()


async def test_e11_the_first_answer_is_given_again_also_by_a_service_started_anew() -> None:
    async with ledger_suite() as suite:
        calls = Calls(suite)
        first = await calls.move(ACCOUNT, 5, "r")
        await calls.move(ACCOUNT, 7, "other")
        assert await calls.move(ACCOUNT, 5, "r") == first
        await suite.stop("ledger")
        await suite.start("ledger")
        assert await calls.move(ACCOUNT, 5, "r", wait_for_ready=True) == first
        assert (await calls.balance(ACCOUNT)).balance == 12


async def test_e11_a_rejection_is_given_again_also_by_a_service_started_anew() -> None:
    async with ledger_suite() as suite:
        calls = Calls(suite)
        first = await refusal(calls.move(ACCOUNT, 5, "r", method="Take"))
        assert (first.code, first.reason) == (StatusCode.FAILED_PRECONDITION, "INSUFFICIENT")
        await calls.move(ACCOUNT, 100, "other")
        assert await refusal(calls.move(ACCOUNT, 5, "r", method="Take")) == first
        await suite.stop("ledger")
        await suite.start("ledger")
        assert await refusal(calls.move(ACCOUNT, 5, "r", method="Take", wait_for_ready=True)) == first
        assert (await calls.balance(ACCOUNT)).balance == 100


async def test_e11_the_same_id_with_another_body_is_refused_and_changes_nothing() -> None:
    async with ledger_suite() as suite:
        calls = Calls(suite)
        first = await calls.move(ACCOUNT, 5, "r")
        reused = await refusal(calls.move(ACCOUNT, 6, "r"))
        assert (reused.code, reused.reason) == (StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert await calls.move(ACCOUNT, 5, "r") == first, "the refusal replaced the answer"
        assert (await calls.balance(ACCOUNT)).balance == 5


async def test_e11_an_id_belongs_to_a_caller_and_a_method() -> None:
    async with ledger_suite() as suite:
        await Calls(suite).move(ACCOUNT, 5, "r")
        await Calls(suite, caller="auditor").move(ACCOUNT, 5, "r")
        await Calls(suite).move(ACCOUNT, 1, "r", method="Take")
        assert (await Calls(suite).balance(ACCOUNT)).balance == 9


async def test_e11_a_twin_still_in_flight_gets_the_answer_of_the_first() -> None:
    async with ledger_suite() as suite:
        calls = Calls(suite)
        async with held(suite.dsns["ledger"], partition=0):
            twins = [asyncio.ensure_future(calls.move(ACCOUNT, 5, "r"))]
            await until_blocked(suite.dsns["ledger"])
            twins += [asyncio.ensure_future(calls.move(ACCOUNT, 5, "r")) for _ in range(19)]
            await until_waiting(suite.lanes("ledger"), 19)
            other_body = asyncio.create_task(refusal(calls.move(ACCOUNT, 6, "r")))
            await until_waiting(suite.lanes("ledger"), 20)
        answers = await asyncio.gather(*twins)
        assert all(answer == answers[0] for answer in answers)
        assert (await other_body).reason == "REQUEST_ID_REUSED"
        assert (await calls.balance(ACCOUNT)).balance == 5


async def test_twins_in_one_batch_are_decided_once() -> None:
    twin, batches = Move(ACCOUNT, 5, request("r")), Batches()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        first, second, reused, other = await lanes.submit(
            [twin, twin, Move(ACCOUNT, 6, request("r", "another body")), Move(ACCOUNT, 1, request("r", caller="b"))]
        )
        assert await assert_sound(dsn) == {ACCOUNT: 6}
    assert batches.sizes == [4]
    assert first == second
    assert reason_of(reused) == "REQUEST_ID_REUSED"
    assert balance_of(other) == 6


async def test_twins_in_two_processes_are_decided_once() -> None:
    twin = Move(ACCOUNT, 5, request("r"))
    async with ledger_database() as dsn, open_lanes(dsn) as one, open_lanes(dsn) as another:
        outcomes = await asyncio.gather(*(lanes.one(twin) for lanes in (one, another) for _ in range(10)))
        assert await assert_sound(dsn) == {ACCOUNT: 5}
    assert len({(outcome.code, outcome.payload) for outcome in outcomes}) == 1


async def test_an_id_is_known_where_its_first_owner_lives_and_there_alone() -> None:
    """However the commands happen to be batched."""
    left, right = account(0), account(1)
    commands = [
        Move(left, 10, request("a")),
        Move(right, 10, request("a", "another body")),
        Transfer(left, right, 1, request("b")),
        Transfer(right, left, 2, request("b", "another body")),
        Transfer(right, left, 3, request("b", "yet another body")),
    ]
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        outcomes = await lanes.submit(commands)
        assert await assert_sound(dsn) == {left: 11, right: 9}
        assert await lanes.submit(commands) == outcomes
    assert [balance_of(outcome) for outcome in outcomes[:4]] == [10, 10, 9, 9]
    assert reason_of(outcomes[4]) == "REQUEST_ID_REUSED"


def test_a_request_is_known_by_caller_method_and_id_and_judged_by_the_rest() -> None:
    def known(caller: str = "a", method: str = "Move", **fields: object) -> object:
        return identify(caller, method, MoveRequest(**{"request_id": "r", "account": "x", "amount": 1, **fields}))

    assert known() == known()
    assert known() == known(validate_only=True), "a dry run of a request is about the same request"
    assert known().key == known(amount=2).key
    assert known().fingerprint != known(amount=2).fingerprint
    keys = {known().key, known(request_id="s").key, known(caller="b").key, known(method="Take").key}
    assert len(keys) == 4
