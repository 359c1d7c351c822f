"""The ways of saying no are those of the contract."""

import inspect

from services.chassis.errors import Rejection
from services.identity import errors
from tessera.identity.v1 import error_reason_pb2

PREFIX = "ERROR_REASON_"


def reasons_of_the_module() -> set[str]:
    constants = {value.reason for _, value in inspect.getmembers(errors) if isinstance(value, Rejection)}
    made = {
        function(*["1"] * len(inspect.signature(function).parameters)).reason
        for _, function in inspect.getmembers(errors, inspect.isfunction)
        if function.__module__ == errors.__name__
    }
    return constants | made


def test_every_reason_of_the_contract_is_given_and_no_other() -> None:
    contract = {name.removeprefix(PREFIX) for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert reasons_of_the_module() == contract
