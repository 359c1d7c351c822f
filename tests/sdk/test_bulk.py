"""The results of a bulk call, item by item."""

from services.chassis.errors import Rejection, to_status
from tessera import Error, failures, outcomes
from tessera.points.v1 import points_service_pb2 as pb

POOR = Rejection("INSUFFICIENT_POINTS", "40 are missing", metadata={"available": "60", "needed": "100"})


def _reply() -> pb.BulkSpendResponse:
    refused = pb.BulkSpendResponse.Result(error=to_status(POOR, "points.tessera"))
    return pb.BulkSpendResponse(
        results=[
            pb.BulkSpendResponse.Result(response=pb.SpendResponse(spend_id="spend_1")),
            refused,
            pb.BulkSpendResponse.Result(response=pb.SpendResponse(spend_id="spend_3")),
        ]
    )


def test_each_item_has_its_own_outcome_in_order() -> None:
    first, second, third = outcomes(_reply())
    assert (first.spend_id, third.spend_id) == ("spend_1", "spend_3")
    assert isinstance(second, Error)
    assert (second.reason, second.metadata) == ("INSUFFICIENT_POINTS", {"available": "60", "needed": "100"})


def test_failures_are_found_by_their_place() -> None:
    found = failures(_reply())
    assert list(found) == [1]
    assert found[1].reason == "INSUFFICIENT_POINTS"
