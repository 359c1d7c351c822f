"""What the benefits service says of itself."""

from services.benefits import reads
from services.benefits.config import BenefitsConfig
from services.benefits.documents import compile_documents
from services.benefits.events import parse_identity_event, parse_tiers_event
from services.benefits.jobs import jobs
from services.benefits.operations import OPERATIONS
from services.benefits.servicer import BenefitsServicer
from services.benefits.states import States
from services.benefits.tables import METADATA
from services.chassis.app import Definition
from services.chassis.member_records.servicer import member_records
from tessera.benefits.v1 import benefits_service_pb2

DEFINITION: Definition[States, BenefitsConfig] = Definition(
    name="benefits",
    metadata=METADATA,
    operations=OPERATIONS,
    compile_documents=compile_documents,
    contract=benefits_service_pb2.DESCRIPTOR.services_by_name["BenefitsService"],
    servicer=BenefitsServicer,
    follows={"identity": parse_identity_event, "tiers": parse_tiers_event},
    jobs=jobs,
    further=lambda platform: [member_records(platform, METADATA, reads.member)],
)
