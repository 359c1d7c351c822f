"""The identity service, as the chassis starts it."""

from services.chassis.app import Definition, Platform
from services.chassis.certificates import certificates_of
from services.identity.documents import compile_documents
from services.identity.groups.jobs import jobs
from services.identity.identifiers.keys import IndexKeys
from services.identity.neighbours import Neighbours
from services.identity.operations import OPERATIONS
from services.identity.servicer import IdentityServicer
from services.identity.settings import IdentitySettings, identifier_roots, key_bytes
from services.identity.state import State
from services.identity.tables import METADATA
from services.identity.values import Config
from services.identity.vault import Vault
from tessera.identity.v1 import identity_service_pb2


def _servicer(platform: Platform[Config]) -> IdentityServicer:
    settings = platform.settings
    assert isinstance(settings, IdentitySettings)
    vault = Vault(key_bytes(settings.blind_index_key), key_bytes(settings.data_key))
    neighbours = Neighbours(settings.neighbours, settings.feed_token_file, certificates_of(settings))
    return IdentityServicer(platform, vault, IndexKeys(identifier_roots(settings)), neighbours)


DEFINITION: Definition[State, Config] = Definition(
    name="identity",
    metadata=METADATA,
    operations=OPERATIONS,
    compile_documents=compile_documents,
    contract=identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    servicer=_servicer,
    follows={},
    jobs=jobs,
    settings_class=IdentitySettings,
)
