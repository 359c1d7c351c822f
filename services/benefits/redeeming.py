"""Benefits are used, and uses taken back."""

from services.benefits import errors, events, rules, wire
from services.benefits.commands import Redeem, ReverseRedemption
from services.benefits.state import Draft, State
from services.benefits.values import Benefit, BenefitsConfig, Member, Redemption
from services.chassis import idempotency
from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.chassis.verdicts import accepted, refused


def redeem(state: State, command: Redeem, moment: Moment[BenefitsConfig]) -> Decided:
    """Use a benefit: an entitlement, or the quota of this period. The redemption itself is what a retry finds."""
    made = state.redemptions.get(command.redemption_id)
    if made is not None:
        return _again(made, command, moment)
    member = state.members.get(command.member_id)
    refusal = rules.member_refusal(member)
    if refusal is not None or member is None:
        return refusal or errors.MEMBER_UNKNOWN
    benefit = moment.config.benefits.get(command.benefit)
    if benefit is None:
        return errors.benefit_unknown(command.benefit)
    if command.account_id is not None:
        account = state.account(command.member_id, command.account_id)
        refusal = rules.account_refusal(account, command.member_id, command.domain)
        if refusal is not None:
            return refusal
    return _use(state, command, moment, member, benefit)


def _again(made: Redemption, command: Redeem, moment: Moment[BenefitsConfig]) -> Decided:
    if made.fingerprint != command.request.fingerprint:
        return refused(idempotency.REUSED, wire.ERROR_DOMAIN)
    return accepted(wire.redeem_answer(made, moment.partition_of(made.member_id.int)))


def _use(
    state: State, command: Redeem, moment: Moment[BenefitsConfig], member: Member, benefit: Benefit
) -> Decision | Rejection:
    draft = Draft(state)
    person = draft.person(command.member_id)
    held = [entitlement for each in person for entitlement in state.held(each, benefit.code)]
    own_use = state.quota_uses.get((command.member_id, benefit.code))
    uses = [use for each in person if (use := state.quota_uses.get((each, benefit.code))) is not None]
    use = rules.united(uses)
    if command.entitlement_id is not None:
        judged = rules.benefit_refusal(benefit, member, command.domain, moment.at) or rules.judge_wanted(
            benefit, held, command.entitlement_id, moment.at
        )
    else:
        rights = rules.rights_of(held, moment.at)
        judged = rules.judge(benefit, member, command.domain, moment.at, rights, use)
    if isinstance(judged, rules.No):
        return judged.rejection
    entitlement = state.entitlements[judged.entitlement_id] if judged.entitlement_id is not None else None
    period = None
    if benefit.quota is not None:
        period = rules.quota_period(benefit, benefit.quota, moment.at)
        draft.quota_uses.append(rules.use_quota(own_use, command.member_id, benefit.code, period))
    if entitlement is not None and entitlement.uses_left is not None:
        draft.entitlements[entitlement.entitlement_id] = rules.use_entitlement(entitlement, entitlement.uses_left)
    partition, position = wire.place_of(moment.within(state.partition_of(command.member_id)))
    redemption = Redemption(
        redemption_id=command.redemption_id,
        fingerprint=command.request.fingerprint,
        member_id=command.member_id,
        benefit=benefit.code,
        domain=command.domain,
        account_id=command.account_id,
        reference=command.reference,
        entitlement_id=judged.entitlement_id,
        period_start=period,
        uses_left=judged.uses_left - 1 if judged.uses_left is not None else None,
        redeemed_at=moment.at,
        position=position,
        config_version=moment.config_version,
        reversed_at=None,
    )
    draft.redemptions.append(redemption)
    draft.counted.append((redemption.member_id, benefit.code, "redeemed"))
    draft.events.append((redemption.member_id, events.benefit_redeemed(redemption)))
    # One that was sent to another ID is looked for there when it is repeated, wherever that leads by then.
    is_found = command.sent_to is None
    return Decision(draft, answer=lambda: wire.redeem_answer(redemption, partition), keeps_itself=is_found)


def reverse(state: State, command: ReverseRedemption, moment: Moment[BenefitsConfig]) -> Decided:
    """Take a redemption back: the entitlement may be used again, the quota of its period has one more."""
    made = state.redemptions.get(command.redemption_id)
    if made is None:
        return errors.REDEMPTION_UNKNOWN
    if not command.caller.may_act_in(made.domain):
        # Not kept: what a caller may do is no fact of the redemption, and may change.
        return refused(domain_not_allowed(command.caller, made.domain), wire.ERROR_DOMAIN)
    if made.reversed_at is not None:
        return errors.redemption_already_reversed(made.reversed_at)
    draft = Draft(state)
    if made.entitlement_id is not None:
        entitlement = state.entitlements[made.entitlement_id]
        if entitlement.uses_left is not None:
            draft.entitlements[made.entitlement_id] = rules.return_entitlement(entitlement, entitlement.uses_left)
    elif made.period_start is not None:
        for each in draft.counting(made):
            use = rules.return_quota(state.quota_uses.get((each, made.benefit)), made.period_start)
            if use is not None:
                draft.quota_uses.append(use)
                break
    redemption = made._replace(reversed_at=moment.at)
    draft.redemptions.append(redemption)
    draft.counted.append((made.member_id, made.benefit, "reversed"))
    draft.events.append((made.member_id, events.redemption_reversed(redemption)))
    place = wire.place_of(moment.within(state.partition_of(made.member_id)))
    return Decision(draft, answer=lambda: wire.reverse_answer(redemption, place))
