"""Messages and values of consents and erasures, one made of the other. Nothing in them is personal."""

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.identity.groups.changes import Changed
from services.identity.privacy.commands import EraseMember
from services.identity.privacy.rules import Decisions
from services.identity.privacy.values import Consent
from services.identity.values import Config
from services.identity.wire import SERVICE, Place
from tessera.identity.v1 import privacy_pb2 as pb
from tessera.type.v1 import position_pb2


class Found(Protocol):
    """An effect or a blocker, as a neighbour tells it."""

    @property
    def code(self) -> str: ...

    @property
    def details(self) -> Mapping[str, str]: ...


def consent_message(consent: Consent) -> pb.Consent:
    """A decision."""
    return pb.Consent(
        domain=consent.domain,
        purpose=consent.purpose,
        granted=consent.granted,
        evidence=consent.evidence,
        through_domain=consent.through_domain,
        caller=consent.caller,
        decided_at=timestamp(consent.decided_at),
    )


def standing_consents(config: Config, domains: Iterable[str], decisions: Decisions) -> list[pb.Consent]:
    """What holds for domains: each purpose of their programmes, and what was decided on others that there were."""
    messages = {place: consent_message(consent) for place, consent in decisions.items() if place[0] in domains}
    for domain in domains:
        configured = config.domains.get(domain)
        for purpose in config.purposes.values():
            if configured is not None and configured.programme == purpose.programme:
                by_default = pb.Consent(domain=domain, purpose=purpose.code, granted=purpose.granted_by_default)
                messages.setdefault((domain, purpose.code), by_default)
    return [messages[place] for place in sorted(messages)]


def consent_answer(consent: Consent, place: Place, *, changed: bool = False) -> bytes:
    """What holds now; nothing was written where it held before, or in a dry run."""
    answer = pb.SetConsentResponse(consent=consent_message(consent), changed=changed)
    if place is not None:
        answer.position.CopyFrom(_position(*place))
    return answer.SerializeToString()


def erased_answer(command: EraseMember, left: Changed, moment: Moment[Config]) -> bytes:
    """Where an erasure was committed; a dry run is committed nowhere."""
    answer = pb.EraseMemberResponse()
    if not command.validate_only:
        home = moment.partition_of(command.member_id.int)
        answer.position.CopyFrom(_position(home, moment.positions[home]))
        others = _partitions(left, moment) - {home}
        answer.other_positions.extend(_position(other, moment.positions[other]) for other in sorted(others))
    return answer.SerializeToString()


def _partitions(left: Changed, moment: Moment[Config]) -> set[int]:
    owners: list[UUID] = []
    for seat, _ in left.seats:
        owners += [seat.group_id, seat.member_id]
    for invitation in left.invitations:
        owners += [invitation.group_id, invitation.member_id]
    return {moment.partition_of(owner.int) for owner in owners}


def finding(service: str, found: Found) -> pb.ErasureFinding:
    """What a neighbour says of an erasure, in its name."""
    return pb.ErasureFinding(service=service, code=found.code, details=dict(found.details))


def own_blocker(rejection: Rejection) -> pb.ErasureFinding:
    """What stands in the way here: what a blocked erasure says of it, or the reason why it is refused."""
    details = dict(rejection.metadata)
    code = details.pop("code", rejection.reason)
    return pb.ErasureFinding(service=details.pop("service", SERVICE), code=code, details=details)


def _position(partition: int, position: int) -> position_pb2.Position:
    return position_pb2.Position(service=SERVICE, partition=partition, position=position)
