"""Every bulk response numbers its results alike, since the chassis writes them without the message."""

import pytest
from google.protobuf.descriptor import Descriptor

from tessera.benefits.v1 import benefits_service_pb2
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import points_service_pb2
from tessera.tiers.v1 import tiers_service_pb2

CONTRACTS = (identity_service_pb2, points_service_pb2, tiers_service_pb2, benefits_service_pb2)
BULK_RESPONSES: dict[str, Descriptor] = {
    message.full_name: message
    for contract in CONTRACTS
    for message in contract.DESCRIPTOR.message_types_by_name.values()
    if message.name.startswith("Bulk") and message.name.endswith("Response")
}


@pytest.mark.parametrize("name", BULK_RESPONSES)
def test_results_have_the_numbers_that_the_chassis_writes(name: str) -> None:
    results = BULK_RESPONSES[name].fields_by_name["results"]
    assert results.number == 1
    assert {field.name: field.number for field in results.message_type.fields} == {"response": 1, "error": 2}
