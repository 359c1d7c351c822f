"""The catalogue of refusals and the contract's enum are the same list."""

import re
from pathlib import Path

from services.chassis.instants import out_of_range
from services.tiers import errors
from tessera.tiers.v1.error_reason_pb2 import ErrorReason

REJECTIONS = [errors.member_unknown("member_0"), errors.ladder_unknown("shopper"), out_of_range("effective_at")]


def test_every_reason_of_the_contract_can_be_given_and_no_other() -> None:
    contract = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118  # an enum, no mapping
    assert {rejection.reason for rejection in REJECTIONS} == contract


def test_codes_and_hints_are_those_that_the_contract_states() -> None:
    text = (Path(__file__).parents[2] / "protos/tessera/tiers/v1/error_reason.proto").read_text()
    stated = re.findall(r"// ([A-Z_]+)( with RetryInfo)?: [^\n]*\n  ERROR_REASON_([A-Z_]+) =", text)
    assert {(rejection.code.name, rejection.retry_after is not None, rejection.reason) for rejection in REJECTIONS} == {
        (code, bool(retry), reason) for code, retry, reason in stated
    }
