"""The tiers service, as the chassis starts it."""

from services.chassis.app import Definition
from services.chassis.member_records.servicer import member_records
from services.tiers.documents import compile_documents
from services.tiers.events import parse_identity, parse_points
from services.tiers.jobs import jobs
from services.tiers.merges.queries import find_link
from services.tiers.operations import OPERATIONS
from services.tiers.servicer import TiersServicer
from services.tiers.states import States
from services.tiers.tables import METADATA
from services.tiers.values import Config
from tessera.tiers.v1 import tiers_service_pb2

DEFINITION: Definition[States, Config] = Definition(
    name="tiers",
    metadata=METADATA,
    operations=OPERATIONS,
    compile_documents=compile_documents,
    contract=tiers_service_pb2.DESCRIPTOR.services_by_name["TiersService"],
    servicer=TiersServicer,
    follows={"identity": parse_identity, "points": parse_points},
    jobs=jobs,
    further=lambda platform: [member_records(platform, METADATA, find_link)],
)
