"""The ways of saying no are those of the contract, and each method names its own."""

import inspect
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.chassis.errors import Rejection
from services.points import errors
from tessera.points.v1 import error_reason_pb2, points_service_pb2
from tessera.type.v1 import error_reason_pb2 as common_pb2

PREFIX = "ERROR_REASON_"
EXAMPLES: dict[Any, Any] = {
    "str": "x",
    "int": 1,
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "timedelta": timedelta(1),
}


def rejections() -> list[Rejection]:
    constants = [value for _, value in inspect.getmembers(errors) if isinstance(value, Rejection)]
    functions = [
        function
        for _, function in inspect.getmembers(errors, inspect.isfunction)
        if function.__module__ == errors.__name__
    ]
    return constants + [
        function(
            *[EXAMPLES[parameter.annotation.__name__] for parameter in inspect.signature(function).parameters.values()]
        )
        for function in functions
    ]


def reasons_of(module: Any) -> set[str]:
    names = module.ErrorReason.keys()
    return {name.removeprefix(PREFIX) for name in names} - {"UNSPECIFIED"}


def test_every_reason_of_the_contract_is_given_and_no_other() -> None:
    assert {rejection.reason for rejection in rejections()} == reasons_of(error_reason_pb2)


def test_code_and_metadata_are_those_that_the_contract_names() -> None:
    documented = contract("error_reason.proto")
    for rejection in rejections():
        comment = documented[f"{PREFIX}{rejection.reason}"]
        named = comment.split(":")[0].removesuffix(" with RetryInfo")
        code = named if named.isupper() else "FAILED_PRECONDITION"
        assert rejection.code.name == code, rejection.reason
        assert (rejection.retry_after is not None) == ("with RetryInfo" in comment), rejection.reason
        metadata = re.search(r"metadata: ([a-z_, ]+)\.", comment)
        if metadata:
            assert set(metadata[1].split(", ")) <= rejection.metadata.keys(), rejection.reason


def test_methods_name_reasons_that_there_are() -> None:
    known = reasons_of(error_reason_pb2) | reasons_of(common_pb2)
    documented = contract("points_service.proto")
    service = points_service_pb2.DESCRIPTOR.services_by_name["PointsService"]
    for method in service.methods:
        named = set(re.findall(r"\b[A-Z][A-Z]+_[A-Z_]+[A-Z]\b", documented[method.name]))
        assert named <= known, method.name


def contract(name: str) -> dict[str, str]:
    """The comment before each value and method of a contract."""
    text = (Path(__file__).parents[2] / "protos/tessera/points/v1" / name).read_text()
    found = re.finditer(r"((?:^ *//.*\n)+) *(?:rpc )?(\w+)", text, re.MULTILINE)
    return {match[2]: " ".join(re.findall(r"// ?(.*)", match[1])) for match in found}
