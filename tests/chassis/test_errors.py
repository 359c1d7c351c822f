"""A rejection and its status on the wire are the same thing in two forms."""

from datetime import timedelta

from google.rpc import status_pb2
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.errors import (
    MAX_STATUS_BYTES,
    FieldViolation,
    Rejection,
    bounded_status,
    from_status,
    to_status,
)

DOMAIN = "points.tessera"
words = st.text(max_size=20)
rejections = st.builds(
    Rejection,
    reason=st.sampled_from(["INSUFFICIENT_POINTS", "INVALID_REQUEST"]),
    message=words,
    code=st.sampled_from([code for code in StatusCode if code is not StatusCode.OK]),
    metadata=st.dictionaries(words, words, max_size=3),
    retry_after=st.none() | st.timedeltas(timedelta(0), timedelta(days=1)),
    violations=st.lists(st.builds(FieldViolation, words, words), max_size=3).map(tuple),
)


@given(rejections)
def test_a_rejection_arrives_as_it_was_given(rejection: Rejection) -> None:
    status = to_status(rejection, DOMAIN)
    assert from_status(status_pb2.Status.FromString(status.SerializeToString())) == rejection
    assert to_status(from_status(status), DOMAIN) == status


def test_what_does_not_fit_into_trailers_goes_without_violations_and_then_without_metadata() -> None:
    many = tuple(FieldViolation(f"items[{number}]", "x" * 100) for number in range(100))
    figures = {"needed": "5"}
    bounded = from_status(bounded_status(Rejection("NO", "no", metadata=figures, violations=many), DOMAIN))
    assert (bounded.metadata, bounded.violations) == (figures, ())
    status = bounded_status(Rejection("NO", "n" * 10_000, metadata={"all": "x" * 10_000}, violations=many), DOMAIN)
    assert status.ByteSize() <= MAX_STATUS_BYTES
    assert from_status(status).reason == "NO"
