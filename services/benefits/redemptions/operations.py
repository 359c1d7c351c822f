"""Benefits are used, and uses taken back."""

from services.benefits import errors, events, wire
from services.benefits.commands import Redeem, ReverseRedemption
from services.benefits.config import Benefit, BenefitsConfig
from services.benefits.entitlements.rules import rights_of
from services.benefits.merges.commands import meaning
from services.benefits.merges.resolving import holder_of, used_entitlement
from services.benefits.redemptions import rules
from services.benefits.rules import account_refusal, member_refusal
from services.benefits.state import Draft, State
from services.benefits.states import States, Work
from services.benefits.values import Member, Redemption
from services.chassis import idempotency
from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Forwarded, Moment, Wider
from services.chassis.verdicts import accepted, refused


def redeem(state: State, command: Redeem, moment: Moment[BenefitsConfig]) -> Decided:
    """Use a benefit: an entitlement, or the quota of this period. The redemption itself is what a retry finds."""
    made = state.redemptions.get(command.redemption_id)
    if made is not None:
        return _again(made, command, moment)
    member = state.members.get(command.member_id)
    if member is not None and member.leads_to is not None:
        return Forwarded(meaning(command, member.leads_to))
    refusal = member_refusal(member)
    if refusal is not None or member is None:
        return refusal or errors.MEMBER_UNKNOWN
    benefit = moment.config.benefits.get(command.benefit)
    if benefit is None:
        return errors.benefit_unknown(command.benefit)
    if command.account_id is not None:
        account = state.accounts.get(command.account_id)
        refusal = account_refusal(account, command.member_id, command.domain)
        if refusal is not None:
            return refusal
    return _use(state, command, moment, member, benefit)


def _again(made: Redemption, command: Redeem, moment: Moment[BenefitsConfig]) -> Decided:
    if made.fingerprint != command.request.fingerprint:
        return refused(idempotency.REUSED, wire.ERROR_DOMAIN)
    partition, _ = wire.place_of(moment, made.redemption_id)
    return accepted(wire.redeem_answer(made, partition))


def _use(
    state: State, command: Redeem, moment: Moment[BenefitsConfig], member: Member, benefit: Benefit
) -> Decision | Rejection:
    held = state.held(command.member_id, benefit.code)
    use = state.quota_uses.get((command.member_id, benefit.code))
    if command.entitlement_id is not None:
        judged = rules.benefit_refusal(benefit, member, command.domain, moment.at) or rules.judge_wanted(
            benefit, held, command.entitlement_id, moment.at
        )
    else:
        rights = rights_of(held, moment.at)
        judged = rules.judge(benefit, member, command.domain, moment.at, rights, use)
    if isinstance(judged, rules.No):
        return judged.rejection
    draft = Draft(state)
    entitlement = state.entitlements[judged.entitlement_id] if judged.entitlement_id is not None else None
    period = None
    if benefit.quota is not None:
        period = rules.quota_period(benefit, benefit.quota, moment.at)
        draft.put_quota_use(rules.use_quota(use, command.member_id, benefit.code, period, command.account_id))
    if entitlement is not None and entitlement.uses_left is not None:
        draft.entitlements[entitlement.entitlement_id] = rules.use_entitlement(entitlement, entitlement.uses_left)
    partition, position = wire.place_of(moment, command.redemption_id)
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
    draft.counted.append((benefit.code, "redeemed"))
    draft.events.append(events.benefit_redeemed(redemption))
    # A request that was sent to an ID which leads here is known there: its own row is not found by that ID.
    keeps_itself = command.sent_to is None
    return Decision((draft,), answer=lambda: wire.redeem_answer(redemption, partition), keeps_itself=keeps_itself)


def reverse(states: States, command: ReverseRedemption, moment: Moment[BenefitsConfig]) -> Decided:
    """Take a redemption back: the entitlement may be used again, the quota of its period has one more."""
    work = Work(states, moment)
    made = work.state_of(command.redemption_id).redemptions.get(command.redemption_id)
    if made is None:
        return errors.REDEMPTION_UNKNOWN
    if not command.caller.may_act_in(made.domain):
        # Not kept: what a caller may do is no fact of the redemption, and may change.
        return refused(domain_not_allowed(command.caller, made.domain), wire.ERROR_DOMAIN)
    if made.reversed_at is not None:
        return errors.redemption_already_reversed(made.reversed_at)
    wider = _give_back(work, made)
    if wider is not None:
        return wider
    draft = work.of(made.redemption_id)
    redemption = made._replace(reversed_at=moment.at)
    draft.redemptions.append(redemption)
    draft.counted.append((made.benefit, "reversed"))
    draft.events.append(events.redemption_reversed(redemption))
    place = wire.place_of(moment, made.redemption_id)
    return Decision(tuple(work.drafts.values()), answer=lambda: wire.reverse_answer(redemption, place))


def _give_back(work: Work, made: Redemption) -> Wider | None:
    """Give a use back to where the entitlement is or the quota is counted by now; what has to be locked for that."""
    if made.entitlement_id is not None:
        entitlement = used_entitlement(work, made, made.entitlement_id)
        if isinstance(entitlement, Wider):
            return entitlement
        if entitlement.uses_left is not None:
            returned = rules.return_entitlement(entitlement, entitlement.uses_left)
            work.of(entitlement.member_id).entitlements[made.entitlement_id] = returned
    elif made.period_start is not None:
        holder_id = holder_of(work, made)
        if isinstance(holder_id, Wider):
            return holder_id
        draft = work.of(holder_id)
        source = made.account_id or (made.member_id if made.member_id != holder_id else None)
        use = rules.return_quota(draft.quota_use(holder_id, made.benefit), made.period_start, source)
        if use is not None:
            draft.put_quota_use(use)
    return None
