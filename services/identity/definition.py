"""The identity service, as the chassis starts it."""

import asyncio

import asyncpg

from services.chassis.app import Definition, Platform
from services.chassis.certificates import certificates_of
from services.chassis.jobs import Job
from services.chassis.settings import ServiceSettings
from services.identity.documents import compile_documents
from services.identity.groups import jobs as groups
from services.identity.identifiers.rotating import check_versions, rotate_always
from services.identity.keys.keyring import Keyring
from services.identity.keys.rewrapping import check_master_keys, rewrap_always
from services.identity.matches.carrying import carry_out_always
from services.identity.neighbours import Neighbours
from services.identity.operations import OPERATIONS
from services.identity.privacy import jobs as privacy
from services.identity.servicer import IdentityServicer
from services.identity.settings import IdentitySettings, index_keys, key_bytes, key_wrapper
from services.identity.state import State
from services.identity.tables import METADATA
from services.identity.values import Config
from services.identity.vault import Vault
from tessera.identity.v1 import identity_service_pb2


def _servicer(platform: Platform[Config]) -> IdentityServicer:
    settings = platform.settings
    assert isinstance(settings, IdentitySettings)
    return IdentityServicer(
        platform, _vault(settings), Keyring(key_wrapper(settings)), index_keys(settings), _neighbours(settings)
    )


def _neighbours(settings: IdentitySettings) -> Neighbours:
    return Neighbours(settings.neighbours, settings.feed_token_file, certificates_of(settings))


def _vault(settings: IdentitySettings) -> Vault:
    return Vault(key_bytes(settings.blind_index_key))


async def _check(settings: ServiceSettings, pool: asyncpg.Pool) -> None:
    assert isinstance(settings, IdentitySettings)
    await check_master_keys(pool, settings.partitions, key_wrapper(settings))
    await check_versions(pool, settings.partitions, index_keys(settings))


async def _background(platform: Platform[Config]) -> None:
    settings = platform.settings
    assert isinstance(settings, IdentitySettings)
    wrapper = key_wrapper(settings)
    async with asyncio.TaskGroup() as jobs:
        jobs.create_task(rewrap_always(platform, wrapper))
        jobs.create_task(rotate_always(platform, Keyring(wrapper), index_keys(settings)))
        jobs.create_task(carry_out_always(platform, _neighbours(settings)))


def _jobs(platform: Platform[Config]) -> list[Job[Config]]:
    return [*groups.jobs(platform), *privacy.jobs(platform)]


DEFINITION: Definition[State, Config] = Definition(
    name="identity",
    metadata=METADATA,
    operations=OPERATIONS,
    compile_documents=compile_documents,
    contract=identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    servicer=_servicer,
    follows={},
    jobs=_jobs,
    background=_background,
    check=_check,
    settings_class=IdentitySettings,
    fixed_fields={"identifier-type": "normaliser"},
)
