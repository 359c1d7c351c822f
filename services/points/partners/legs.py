"""The partner's side of a conversion: asked outside of every lock, and booked when its answer is known.

Whoever goes on with a conversion, and however often, asks by the same reference, so it is booked once at the partner;
here its first answer is booked, and later ones change nothing.
"""

import asyncio
import math
from uuid import UUID

import grpc
import structlog
from grpc import aio

from services.chassis.app import Platform
from services.chassis.errors import Refused, from_status
from services.chassis.partitions import partition_of
from services.chassis.verdicts import OK, Verdict
from services.points.documents import PointsConfig
from services.points.partners.commands import AnswerPartnerConversion
from services.points.partners.exchanges import Partner
from services.points.partners.loading import partner_conversion
from services.points.partners.values import Answer, PartnerConversion, State
from services.points.partners.wire import partner_conversion_id
from services.points.wire import account_id
from tessera.partner.v1 import exchange_service_pb2 as pb
from tessera.partner.v1 import exchange_service_pb2_grpc

MAX_TEXT_BYTES = 128
"""How much of what a partner says for people is kept."""
PARTNERS_SHARE = 0.8
"""How much of the time that somebody waits is the partner's; its answer is booked in what is left."""
_UNKNOWN = Answer(State.UNKNOWN)
_STATES = {
    pb.OUTCOME_BOOKED: State.DONE,
    pb.OUTCOME_REFUSED: State.REFUSED,
}
_LOG = structlog.stdlib.get_logger(__name__)


async def go_on(
    platform: Platform[PointsConfig], conversion_id: UUID, within_s: float = math.inf
) -> PartnerConversion | None:
    """Ask the partner of an open conversion, and book its answer; returns the conversion as it is then.

    Somebody waits for so long: the partner has most of that, and no more than its own time.
    """
    partition = partition_of(conversion_id, platform.settings.partitions)
    conversion = await partner_conversion(platform.pool, partition, conversion_id)
    if conversion is None or not conversion.is_open:
        return conversion
    _, config = await platform.configurations.current(platform.pool)
    partner = config.partners.get(conversion.partner)
    answer = _UNKNOWN if partner is None else await ask(partner, conversion, PARTNERS_SHARE * within_s)
    await _book(platform, AnswerPartnerConversion(conversion_id, answer))
    changed = await partner_conversion(platform.pool, partition, conversion_id)
    if changed is not None and answer.state is not State.UNKNOWN and changed.state is not answer.state:
        _LOG.error(
            "a partner answered something else than was settled",
            partner_conversion_id=partner_conversion_id(conversion_id),
            settled=changed.state.name,
            answered=answer.state.name,
        )
    return changed


async def ask(partner: Partner, conversion: PartnerConversion, within_s: float) -> Answer:
    """What became of a conversion at its partner, booking it there where that has not happened."""
    try:
        async with asyncio.timeout(min(partner.timeout_s, within_s)), _channel(partner) as channel:
            stub = exchange_service_pb2_grpc.ExchangeServiceStub(channel)
            return _answer(await _verdict(stub, conversion))
    except (aio.AioRpcError, TimeoutError) as error:
        # The code alone: what a partner says in its status may name anybody.
        code = error.code().name if isinstance(error, aio.AioRpcError) else "DEADLINE_EXCEEDED"
        _LOG.warning(
            "a partner did not answer",
            partner=partner.code,
            partner_conversion_id=partner_conversion_id(conversion.partner_conversion_id),
            code=code,
        )
        return _UNKNOWN


def _channel(partner: Partner) -> aio.Channel:
    """A connection for one question: partners are asked seldom, and are free to move."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if partner.tls:
        return aio.secure_channel(partner.address, grpc.ssl_channel_credentials(), options)
    return aio.insecure_channel(partner.address, options)


async def _verdict(stub: exchange_service_pb2_grpc.ExchangeServiceStub, conversion: PartnerConversion) -> pb.Verdict:
    """One that was asked before is asked about; what the partner has never heard of is told again."""
    reference = partner_conversion_id(conversion.partner_conversion_id)
    if conversion.state is State.UNKNOWN:
        verdict = (await stub.Query(pb.QueryRequest(reference=reference))).verdict
        if verdict.outcome != pb.OUTCOME_NOT_FOUND:
            return verdict
    booking = pb.Booking(
        reference=reference,
        account_id=account_id(conversion.partner_account_id),
        amount=conversion.partner_amount,
        unit=conversion.partner_unit,
    )
    if conversion.incoming:
        return (await stub.Debit(pb.DebitRequest(booking=booking))).verdict
    return (await stub.Credit(pb.CreditRequest(booking=booking))).verdict


def _answer(verdict: pb.Verdict) -> Answer:
    """Whatever is no final outcome says nothing."""
    state = _STATES.get(verdict.outcome)
    return _UNKNOWN if state is None else Answer(state, _kept(verdict.booking), _kept(verdict.reason))


def _kept(text: str) -> str:
    """What is kept of a partner's text: no more than is agreed, and nothing that a database refuses."""
    return text.replace("\0", "").encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


async def _book(platform: Platform[PointsConfig], command: AnswerPartnerConversion) -> None:
    """Without a deadline: what the partner has answered is booked, whether or not the caller still waits."""
    (outcome,) = await platform.lanes.submit((command,))
    if not isinstance(outcome, Verdict):
        raise outcome
    if outcome.code != OK:
        raise Refused(from_status(outcome.status()))
