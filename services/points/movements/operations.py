"""Commands that move points: who may, what is decided, how it is answered."""

from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points import errors, wire
from services.points.commands import Convert, Forfeit, Grant
from services.points.documents import PointsConfig
from services.points.members import member_rejection
from services.points.merges.drawing import wallet_to_draw_on, wallet_to_give_to
from services.points.movements import answers, rules
from services.points.state import PointsState
from services.points.values import CapKey
from services.points.wallets.operations import spendable_unit

MovementCommand = Grant | Forfeit | Convert


def decide(state: PointsState, command: MovementCommand, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command. Its outcome is the wallets as they become."""
    match command:
        case Grant():
            return _grant(state, command, moment)
        case Forfeit():
            return _forfeit(state, command, moment)
        case Convert():
            return _convert(state, command, moment)


def cap_keys(command: Convert, config: PointsConfig) -> list[CapKey]:
    """The cap that a conversion may draw on, from its earliest period on."""
    conversion = config.conversions.get(command.conversion)
    if conversion is None:
        return []
    key = rules.cap_key(conversion.code, conversion.terms, conversion.source, command.member_id, command.received_at)
    return [] if key is None else [key]


def _grant(state: PointsState, command: Grant, moment: Moment[PointsConfig]) -> Decided:
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    unit = spendable_unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    if command.funder not in moment.config.funders:
        return errors.funder_unknown(command.funder)
    wallet = wallet_to_give_to(state, command.member_id, command.unit, moment.at)
    granted = rules.grant(
        wallet,
        unit,
        command.grant_id,
        command.account_id,
        command.domain,
        command.amount,
        command.funder,
        command.reference,
        command.expires_at,
        command.merchant,
        moment.at,
    )
    if isinstance(granted, Rejection):
        return granted
    return Decision([wallet], lambda: answers.granted(granted, wallet.balance, wire.position_of(moment)))


def _forfeit(state: PointsState, command: Forfeit, moment: Moment[PointsConfig]) -> Decided:
    if command.member_id not in state.members:
        return errors.member_unknown(wire.member_id(command.member_id))
    unit = spendable_unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    wallet = wallet_to_draw_on(
        state, command.member_id, command.unit, command.amount or None, command.request.key, moment.at
    )
    forfeited = rules.forfeit(wallet, command.forfeit_id, command.amount, command.reason, command.reference, moment.at)
    if isinstance(forfeited, Rejection):
        return forfeited
    return Decision([wallet], lambda: answers.forfeited(forfeited, wallet.balance, wire.position_of(moment)))


def _convert(state: PointsState, command: Convert, moment: Moment[PointsConfig]) -> Decided:
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    if not moment.config.units:
        return errors.NOT_CONFIGURED
    conversion = moment.config.conversions.get(command.conversion)
    if conversion is None:
        return errors.conversion_unknown(command.conversion)
    source = wallet_to_draw_on(
        state, command.member_id, conversion.source.code, command.amount, command.request.key, moment.at
    )
    target = wallet_to_give_to(state, command.member_id, conversion.target.code, moment.at)
    key = rules.cap_key(conversion.code, conversion.terms, conversion.source, command.member_id, moment.at)
    converted = rules.convert(
        source,
        target,
        conversion,
        command.conversion_id,
        command.account_id,
        command.domain,
        command.amount,
        command.reference,
        state.levels(command.member_id, moment.at),
        state.used(key) if key is not None else 0,
        moment.at,
    )
    if isinstance(converted, Rejection):
        return converted
    if key is not None:
        source.cap_uses[key] = state.cap_uses.get(key, 0) + converted.exchanged.debited
    return Decision(
        [source, target],
        lambda: answers.converted(converted, source.balance, target.balance, wire.position_of(moment)),
    )
