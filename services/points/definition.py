"""What the points service says of itself."""

from services.chassis.app import Definition
from services.points.documents import compile_documents
from services.points.heard import parse_identity, parse_tiers
from services.points.jobs import jobs
from services.points.merges.servicer import MemberRecords
from services.points.operations import OPERATIONS
from services.points.partners.reconciling import reconcile_always
from services.points.servicer import PointsServicer
from services.points.settings import PointsSettings
from services.points.tables import METADATA
from tessera.points.v1 import points_service_pb2
from tessera.records.v1 import member_records_pb2

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
    background=reconcile_always,
    further=lambda platform: [
        (member_records_pb2.DESCRIPTOR.services_by_name["MemberRecordsService"], MemberRecords(platform))
    ],
    fixed_fields={"unit": "kind", "budget": "unit"},
)
