"""From what became of commands to what a call answers."""

from collections.abc import Sequence
from typing import Any

import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from services.chassis import ids
from services.chassis.errors import CODE_NUMBERS, Refused, Rejection, from_status
from services.chassis.replies import bulk_reply, bulk_result, unary_reply
from services.chassis.verdicts import accepted, refused
from tessera.points.v1 import points_service_pb2 as pb

DOMAIN = "points.tessera"
NO = Rejection("NO", "no", StatusCode.NOT_FOUND, {"wanted": "5"})
OWNER = ids.new_id(3)


def answer(balance: int) -> bytes:
    return pb.SpendResponse(spend_id="spend", balance_after=balance).SerializeToString()


def item(amount: int, domain: str = "fuel") -> pb.SpendRequest:
    return pb.SpendRequest(
        request_id="r",
        member_id=ids.encode("member", OWNER),
        account_id=ids.encode("account", OWNER),
        domain=domain,
        unit="points",
        amount=amount,
    )


def test_an_accepted_command_is_answered() -> None:
    assert unary_reply(accepted(answer(5))).answer == answer(5)


def test_a_refused_command_is_refused_as_it_was() -> None:
    with pytest.raises(Refused) as raised:
        unary_reply(refused(NO, DOMAIN))
    assert raised.value.rejection == NO


def test_an_unexpected_failure_stays_what_it_was() -> None:
    with pytest.raises(ZeroDivisionError):
        unary_reply(ZeroDivisionError())


async def test_each_item_of_a_bulk_call_has_its_own_result_in_order() -> None:
    submitted: list[Any] = []

    def to_command(request: pb.SpendRequest) -> Any:
        if request.domain != "fuel":
            raise Refused(NO)
        return request.amount

    async def submit(commands: Sequence[Any]) -> list[Any]:
        submitted.extend(commands)
        return [accepted(answer(1)), refused(NO, DOMAIN), ZeroDivisionError("secret"), accepted(b"")]

    items = [item(1), item(0), item(2), item(3), item(4, "travel"), item(5)]
    with capture_logs() as logs:
        answered = await bulk_reply(items, to_command, submit, DOMAIN)
    reply = pb.BulkSpendResponse.FromString(answered.SerializeToString())
    assert submitted == [1, 2, 3, 5], "what is malformed or refused before is not submitted"
    kinds = [result.WhichOneof("result") for result in reply.results]
    assert kinds == ["response", "error", "error", "error", "error", "response"]
    assert reply.results[0].response.balance_after == 1
    reasons = [from_status(result.error).reason for result in reply.results[1:5]]
    assert reasons == ["INVALID_REQUEST", "NO", "INTERNAL", "NO"]
    assert [violation.field for violation in from_status(reply.results[1].error).violations] == ["amount"]
    assert reply.results[3].error.code == CODE_NUMBERS[StatusCode.INTERNAL]
    assert "secret" not in reply.results[3].error.message
    assert [line["event"] for line in logs] == ["unexpected failure"]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 16_383, 16_384, 3_000_000])
def test_a_result_of_any_size_is_a_message(size: int) -> None:
    payload = pb.SpendResponse(spend_id="s" * size).SerializeToString()
    reply = pb.BulkSpendResponse.FromString(bulk_result(accepted(payload), DOMAIN) * 2)
    assert [result.response.spend_id for result in reply.results] == ["s" * size] * 2
    assert reply.results[0].HasField("response")
