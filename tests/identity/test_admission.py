"""Items of a bulk resolve are not all shown to the validator; none gets past it for that."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.access import ALL, Caller
from services.chassis.validation import item_rejection
from services.identity.resolution import admit
from services.identity.vault import Vault
from tessera.identity.v1 import identity_service_pb2 as pb

_TEXTS = st.sampled_from(["a", "a", "", "x" * 128, "x" * 129, "ü" * 256, "漢" * 171]) | st.text(max_size=140)
_DOMAINS = st.sampled_from(["grocery", "fuel", "", "Grocery", "g" * 63, "g" * 64, "1st", "grocery\n"])


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            pb.ResolveAccountRequest,
            domain=_DOMAINS,
            external_id=_TEXTS,
            request_id=_TEXTS,
            create_missing=st.booleans(),
            attributes=st.just({}) | st.dictionaries(st.sampled_from(["region", "Region"]), _TEXTS, max_size=1),
        ),
        max_size=6,
    )
)
def test_the_short_cut_past_the_validator_refuses_what_the_validator_refuses(
    requests: list[pb.ResolveAccountRequest],
) -> None:
    admitted = admit(requests, Caller("any", frozenset(), ALL), Vault(bytes(32)))
    refused = {index for index, request in enumerate(requests) if item_rejection(request) is not None}
    assert admitted.refusals.keys() == refused
    assert len(admitted.blind_indexes) == len(requests)
