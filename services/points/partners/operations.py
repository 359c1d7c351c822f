"""Commands on conversions with partners: who may, what is decided, how it is answered."""

from dataclasses import replace
from typing import NamedTuple

from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points.documents import PointsConfig
from services.points.errors import NOT_CONFIGURED, conversion_unknown
from services.points.members import member_rejection
from services.points.merges.drawing import wallet_to_draw_on, wallet_to_give_to
from services.points.movements.terms import Exchanged
from services.points.partners import errors, events, rules, wire
from services.points.partners.commands import (
    AnswerPartnerConversion,
    SettlePartnerConversion,
    StartPartnerConversion,
)
from services.points.partners.exchanges import Exchange
from services.points.partners.values import PartnerConversion, State
from services.points.rows import PARTNER_CONVERSION
from services.points.state import PointsState
from services.points.values import CapKey
from services.points.wallet import Wallet

PartnerCommand = StartPartnerConversion | AnswerPartnerConversion | SettlePartnerConversion


class Changed(NamedTuple):
    """A conversion with a partner as it becomes, and the wallet as that leaves it."""

    conversion: PartnerConversion
    wallet: Wallet

    def apply(self, state: PointsState) -> None:
        """Fold it in."""
        state.put_wallet(self.wallet)
        row, conversion_id = self.conversion, self.conversion.partner_conversion_id
        before = state.partner_conversions.get(conversion_id)
        state.partner_conversions[conversion_id] = row
        values = PARTNER_CONVERSION(row)
        state.put_used("partner_conversions", conversion_id, values, before.uses if before else None, row.uses)
        state.tell(events.partner_conversion_changed(row))


def decide(state: PointsState, command: PartnerCommand, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command on conversions with partners."""
    match command:
        case StartPartnerConversion():
            return _start(state, command, moment)
        case AnswerPartnerConversion() | SettlePartnerConversion():
            return _close(state, command, moment)


def cap_keys(command: StartPartnerConversion, config: PointsConfig) -> list[CapKey]:
    """The cap that a conversion may draw on, from its earliest period on."""
    exchange = config.exchanges.get(command.conversion)
    key = None if exchange is None else rules.cap_of(exchange, command.member_id, command.received_at)
    return [] if key is None else [key]


def cap_keys_of(conversion: PartnerConversion, config: PointsConfig) -> list[CapKey]:
    """The cap that a conversion drew on, as far as it is configured still."""
    exchange = config.exchanges.get(conversion.conversion)
    key = None if exchange is None else rules.cap_of(exchange, conversion.member_id, conversion.started_at)
    return [] if key is None else [key]


def _start(state: PointsState, command: StartPartnerConversion, moment: Moment[PointsConfig]) -> Decided:
    exchange = _exchange(state, command, moment.config)
    if isinstance(exchange, Rejection):
        return exchange
    exchanged = exchange.terms.exchange(command.amount, state.levels(command.member_id, moment.at))
    if isinstance(exchanged, Rejection):
        return exchanged
    wallet = _wallet(state, command, exchange, moment)
    key = rules.cap_of(exchange, command.member_id, moment.at)
    used = state.used(key) if key is not None else 0
    wanted = _wanted(command, exchange, exchanged, moment)
    started = rules.start(wallet, exchange, wanted, command.amount, used)
    if isinstance(started, Rejection):
        return started
    if key is not None:
        wallet.cap_uses[key] = state.cap_uses.get(key, 0) + rules.capped(wanted)
    return Decision(Changed(started, wallet), lambda: wire.convert_response(started, exchanged, moment))


def _wallet(
    state: PointsState, command: StartPartnerConversion, exchange: Exchange, moment: Moment[PointsConfig]
) -> Wallet:
    """The wallet that points go out of, or that they come into."""
    member_id, unit = command.member_id, exchange.unit.code
    if exchange.is_outgoing:
        return wallet_to_draw_on(state, member_id, unit, command.amount, command.request.key, moment.at)
    return wallet_to_give_to(state, member_id, unit, moment.at)


def _exchange(state: PointsState, command: StartPartnerConversion, config: PointsConfig) -> Exchange | Rejection:
    """The conversion, if the member may make it with its account at the partner."""
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    if not config.units:
        return NOT_CONFIGURED
    exchange = config.exchanges.get(command.conversion)
    if exchange is None:
        return conversion_unknown(command.conversion)
    return member_rejection(state, command.member_id, command.partner_account_id, exchange.partner.domain) or exchange


def _wanted(
    command: StartPartnerConversion, exchange: Exchange, exchanged: Exchanged, moment: Moment[PointsConfig]
) -> PartnerConversion:
    ours, theirs = exchanged.debited, exchanged.credited
    if not exchange.is_outgoing:
        ours, theirs = theirs, ours
    return PartnerConversion(
        partner_conversion_id=command.partner_conversion_id,
        member_id=command.member_id,
        account_id=command.account_id,
        domain=command.domain,
        conversion=exchange.code,
        partner=exchange.partner.code,
        partner_account_id=command.partner_account_id,
        incoming=not exchange.is_outgoing,
        unit=exchange.unit.code,
        amount=ours,
        partner_unit=exchange.partner_unit,
        partner_amount=theirs,
        state=State.STARTED,
        funder=exchange.funder,
        started_at=moment.at,
        closed_at=None,
        settled_by="",
        reference=command.reference,
        booking="",
        reason="",
    )


def _close(
    state: PointsState, command: AnswerPartnerConversion | SettlePartnerConversion, moment: Moment[PointsConfig]
) -> Decided:
    conversion = state.partner_conversions.get(command.partner_conversion_id)
    if conversion is None:
        return errors.partner_conversion_unknown(wire.partner_conversion_id(command.partner_conversion_id))
    if isinstance(command, SettlePartnerConversion):
        if not conversion.is_open:
            return errors.partner_conversion_closed(conversion.state.name.lower())
        conversion = replace(conversion, settled_by=command.settled_by)
    elif not conversion.is_open or command.answer.state is conversion.state:
        # The answer changes nothing; one that contradicts is told by whoever asked for it.
        return Decision([], lambda: wire.settle_response(conversion, moment))
    wallet = state.wallet(conversion.member_id, conversion.unit)
    unit = moment.config.units.get(conversion.unit)
    changed = rules.answered(wallet, unit, conversion, command.answer, moment.at)
    if isinstance(changed, Rejection):
        return changed
    _give_cap_back(state, wallet, changed, moment.config)
    return Decision(Changed(changed, wallet), lambda: wire.settle_response(changed, moment))


def _give_cap_back(state: PointsState, wallet: Wallet, conversion: PartnerConversion, config: PointsConfig) -> None:
    """What is refused did not draw on its cap."""
    if conversion.state is State.REFUSED:
        for key in cap_keys_of(conversion, config):
            wallet.cap_uses[key] = max(0, state.cap_uses.get(key, 0) - rules.capped(conversion))
