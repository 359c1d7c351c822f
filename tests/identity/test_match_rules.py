"""Whatever members share, and whatever policies say: what must always be true of what becomes of them."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.identity.identifiers.values import Strength
from services.identity.matches import rules
from services.identity.matches.values import Action, Evidence, Match, MatchPolicy, MatchStatus
from services.identity.values import Status

AT = datetime(2026, 1, 1, tzinfo=UTC)
CODES = ("email", "device", "address")

weights = st.dictionaries(st.tuples(st.sampled_from(CODES), st.sampled_from(Strength)), st.integers(1, 100))
thresholds = st.none() | st.integers(1, 100)
policies = st.builds(MatchPolicy, st.sampled_from(["one", "two"]), weights, thresholds, thresholds, thresholds)
several = st.lists(policies, min_size=1, max_size=2)
ids = st.integers(1, 6).map(lambda number: UUID(int=number))
evidence = st.lists(
    st.builds(Evidence, st.sampled_from(CODES), ids, ids, st.sampled_from(Strength), st.booleans()), max_size=6
)
statuses = st.sampled_from(Status)
matches = st.builds(
    Match,
    match_id=ids,
    member_id=ids,
    other_id=ids,
    score=st.integers(0, 100),
    status=st.sampled_from(MatchStatus),
    reason=st.sampled_from(["SCORE", "DECIDED"]),
    policy=st.just("one"),
    config_version=st.just(1),
    evidence=evidence.map(tuple),
    created_at=st.just(AT),
    changed_at=st.just(AT),
    decided_at=st.none() | st.just(AT),
)


@given(several, evidence, st.booleans())
def test_nothing_but_a_proof_between_the_two_merges(
    given_policies: list[MatchPolicy], shared: list[Evidence], names_differ: bool
) -> None:
    outcome = rules.judged(given_policies, shared, names_differ=names_differ)
    if outcome.action is Action.MERGE:
        assert not names_differ
        assert any(one.strength is Strength.PROOF and one.weight for one in outcome.evidence)


@given(several, evidence)
def test_hints_alone_link_at_most(given_policies: list[MatchPolicy], shared: list[Evidence]) -> None:
    hints = [one._replace(strength=Strength.HINT) for one in shared]
    assert rules.judged(given_policies, hints, names_differ=False).action <= Action.LINK


@given(several, evidence)
def test_evidence_alone_is_reviewed_at_most(given_policies: list[MatchPolicy], shared: list[Evidence]) -> None:
    weaker = [one._replace(strength=min(one.strength, Strength.EVIDENCE)) for one in shared]
    assert rules.judged(given_policies, weaker, names_differ=False).action <= Action.REVIEW


@given(policies, evidence, st.booleans())
def test_the_score_is_what_the_weights_of_the_types_add_up_to(
    policy: MatchPolicy, shared: list[Evidence], names_differ: bool
) -> None:
    outcome = rules.judged([policy], shared, names_differ=names_differ)
    counted = [one for one in outcome.evidence if one.weight]
    assert len({one.type for one in counted}) == len(counted)
    assert 0 <= outcome.score <= 100
    assert outcome.score <= sum(one.weight for one in counted)


@given(several, evidence, st.lists(matches, max_size=3), st.lists(statuses, min_size=2, max_size=2))
def test_what_somebody_decided_no_policy_overrules(
    given_policies: list[MatchPolicy], shared: list[Evidence], known: list[Match], held: list[Status]
) -> None:
    outcome = rules.judged(given_policies, shared, names_differ=False)
    conclusion = rules.concluded(outcome, known, held)
    if conclusion is None:
        return
    settled = [match for match in known if match.is_settled]
    seen = {one.known_by for match in settled for one in match.evidence}
    assert not settled or {one.known_by for one in shared} - seen
    if any(match.decided_at for match in known):
        assert conclusion[0] is not MatchStatus.MERGING
    if conclusion[0] is MatchStatus.MERGING:
        assert Status.SUSPENDED not in held
        assert not rules.ENDED & set(held)
