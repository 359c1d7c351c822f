"""The catalogue of refusals and the contract's enum are the same list."""

import re
from datetime import UTC, datetime
from pathlib import Path

from services.benefits import errors
from services.chassis.errors import Rejection
from tessera.benefits.v1.error_reason_pb2 import ErrorReason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REJECTIONS = [value for value in vars(errors).values() if isinstance(value, Rejection)] + [
    errors.benefit_unknown("coffee"),
    errors.not_issued_to_lists("coffee"),
    errors.already_issued("entitlement_0"),
    errors.domain_not_in_scope("coffee", ["cafe"]),
    errors.outside_validity(NOW, None),
    errors.not_eligible("true"),
    errors.entitlement_not_usable("expired"),
    errors.quota_exhausted(1, 1, NOW),
    errors.redemption_already_reversed(NOW),
]


def test_every_reason_of_the_contract_can_be_given_and_no_other() -> None:
    contract = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118  # an enum, no mapping
    assert {rejection.reason for rejection in REJECTIONS} == contract


def test_the_codes_are_those_that_the_contract_states() -> None:
    text = (Path(__file__).parents[2] / "protos/tessera/benefits/v1/error_reason.proto").read_text()
    stated = re.findall(r"// (?:([A-Z_]+)(?: with RetryInfo)?: )?[^\n]*\n  ERROR_REASON_([A-Z_]+) =", text)
    codes = {reason: code or "FAILED_PRECONDITION" for code, reason in stated}
    for rejection in REJECTIONS:
        assert rejection.code.name == codes[rejection.reason], rejection.reason
