"""What the points service says of itself."""

import asyncio

from google.protobuf.json_format import MessageToDict

from services.chassis.app import Definition, Platform
from services.chassis.member_records.servicer import member_records
from services.points import wire
from services.points.documents import PointsConfig, compile_documents
from services.points.heard import parse_identity, parse_tiers
from services.points.jobs import jobs
from services.points.merges.duplicates import take_duplicates_back
from services.points.merges.queries import find_link
from services.points.operations import OPERATIONS
from services.points.partners.reconciling import reconcile_always
from services.points.servicer import PointsServicer
from services.points.settings import PointsSettings
from services.points.tables import METADATA
from tessera.points.v1 import points_service_pb2

_READERS = {("activities", "body"): lambda body: MessageToDict(wire.activity_of(body))}


async def _beside_the_calls(platform: Platform[PointsConfig]) -> None:
    await asyncio.gather(reconcile_always(platform), take_duplicates_back(platform))


DEFINITION = Definition(
    name="points",
    metadata=METADATA,
    operations=OPERATIONS,
    compile_documents=compile_documents,
    contract=points_service_pb2.DESCRIPTOR.services_by_name["PointsService"],
    servicer=PointsServicer,
    follows={"identity": parse_identity, "tiers": parse_tiers},
    jobs=jobs,
    settings_class=PointsSettings,
    background=_beside_the_calls,
    further=lambda platform: [member_records(platform, METADATA, find_link, _READERS)],
    fixed_fields={"unit": "kind", "budget": "unit"},
)
