"""How consents are decided."""

from services.chassis.operations import Decided, Decision, Forwarded, Moment
from services.identity import errors as identity_errors
from services.identity.privacy import rules, wire
from services.identity.privacy.changes import ConsentSet
from services.identity.privacy.commands import SetConsent
from services.identity.privacy.values import Consent
from services.identity.state import State
from services.identity.values import Config


def set_consent(state: State, command: SetConsent, moment: Moment[Config]) -> Decided:
    """Record what a person has decided, if it is new."""
    member = state.member(command.member_id)
    if member is not None and member.survivor_id is not None:
        return Forwarded(command.meaning(member.survivor_id))
    refusal = rules.consent_refusal(state.config, member, command.domain, command.purpose)
    if refusal is not None or member is None:
        return refusal or identity_errors.MEMBER_UNKNOWN
    last = state.privacy.decisions(command.member_id).get((command.domain, command.purpose))
    new = Consent(
        member_id=command.member_id,
        domain=command.domain,
        purpose=command.purpose,
        number=1 if last is None else last.number + 1,
        granted=command.granted,
        evidence=command.evidence,
        through_domain=command.through_domain,
        caller=command.caller,
        decided_at=moment.at,
    )
    if last is not None and rules.is_decided(last, new):
        return Decision(ConsentSet(None), lambda: wire.consent_answer(last, None))
    position = None if command.validate_only else (member.partition, moment.positions[member.partition])
    return Decision(ConsentSet(new), lambda: wire.consent_answer(new, position, changed=True))
