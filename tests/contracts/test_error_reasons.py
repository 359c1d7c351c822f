"""Every way of saying no stands in a contract, and every reason of a contract is given, with the code it names."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "protos" / "tessera"
COMMON = "chassis"
PACKAGES = {COMMON: "type", **{service: service for service in ("identity", "points", "tiers", "benefits")}}
"""Who gives reasons, and the contract in which they stand."""
SEVERAL_WORDS = r"\b[A-Z]+(?:_[A-Z]+)+\b"
"""How a reason looks in the comment of a method."""

every_package = pytest.mark.parametrize("package", PACKAGES)


@dataclass(frozen=True)
class Reason:
    """A reason as it stands in a contract, or in the code that gives it."""

    code: str
    may_say_when_to_retry: frozenset[bool]
    metadata: frozenset[str]


def documented(package: str) -> dict[str, Reason]:
    """The reasons of a contract; those that are never sent, or no longer, are left out."""
    values = re.finditer(
        r"((?:^ *//.*\n)+) *ERROR_REASON_(\w+) = [1-9]\d*;", contract_of(package, "error_reason.proto"), re.MULTILINE
    )
    return {name: _read(" ".join(re.findall(r"// ?(.*)", comment))) for comment, name in (v.groups() for v in values)}


def _read(comment: str) -> Reason:
    code = re.match(r"([A-Z_]+)(?: with RetryInfo|(, with RetryInfo if [^:]*))?:", comment)
    metadata = re.search(r"metadata: ([a-z_, ]+)", comment)
    return Reason(
        code[1] if code else "FAILED_PRECONDITION",
        frozenset({True, False} if code and code[2] else {"with RetryInfo:" in comment}),
        frozenset(metadata[1].split(", ")) if metadata else frozenset(),
    )


def contract_of(package: str, name: str) -> str:
    return (CONTRACTS / PACKAGES[package] / "v1" / name).read_text()


def given(package: str) -> Iterator[tuple[str, Reason, bool]]:
    """Each rejection that the code of a package makes by name, and whether its metadata is written out beside it."""
    for path in (ROOT / "services" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Rejection", "invalid_argument") and node.args:
                reason = ast.unparse(node.args[0]).strip("'\"")
                if reason.isupper():
                    yield (reason, *_made(node))


def _made(call: ast.Call) -> tuple[Reason, bool]:
    names = ("reason", "message", "code", "metadata", "retry_after")
    if ast.unparse(call.func) == "invalid_argument":
        return Reason("INVALID_ARGUMENT", frozenset({False}), frozenset()), True
    values = dict(zip(names, call.args, strict=False)) | {word.arg: word.value for word in call.keywords}
    metadata = values.get("metadata", ast.Dict([], []))
    is_written_out = isinstance(metadata, ast.Dict)
    keys = [ast.literal_eval(key) for key in metadata.keys if key] if isinstance(metadata, ast.Dict) else []
    code = ast.unparse(values["code"]).removeprefix("StatusCode.") if "code" in values else "FAILED_PRECONDITION"
    return Reason(code, frozenset({"retry_after" in values}), frozenset(keys)), is_written_out


@every_package
def test_every_reason_of_the_contract_is_given(package: str) -> None:
    texts = [path.read_text() for path in (ROOT / "services" / package).rglob("*.py")]
    assert [name for name in documented(package) if not any(f'"{name}"' in text for text in texts)] == []


@every_package
def test_every_reason_that_is_given_stands_in_the_contract(package: str) -> None:
    known = documented(package).keys() | documented(COMMON).keys()
    assert {name for name, _, _ in given(package)} <= known


@every_package
def test_code_retry_and_metadata_are_those_that_the_contract_names(package: str) -> None:
    stated = documented(COMMON) | documented(package)
    for name, made, is_written_out in given(package):
        assert made.code == stated[name].code, name
        assert made.may_say_when_to_retry <= stated[name].may_say_when_to_retry, name
        assert not is_written_out or stated[name].metadata <= made.metadata, name


@pytest.mark.parametrize(
    "contract",
    # What a partner implements refuses by an outcome, not by a reason of ours.
    sorted(path for path in CONTRACTS.glob("*/v1/*_service.proto") if path.parts[-3] != "partner"),
    ids=lambda path: path.stem,
)
def test_methods_name_reasons_that_there_are(contract: Path) -> None:
    package = contract.parts[-3] if contract.parts[-3] in PACKAGES else COMMON
    known = documented(COMMON).keys() | documented(package).keys()
    comments = re.findall(r"((?:^ *//.*\n)+) *rpc ", contract.read_text(), re.MULTILINE)
    named = [set(re.findall(SEVERAL_WORDS, comment.partition("Errors")[2])) for comment in comments]
    assert any(named)
    assert set().union(*named) <= known
