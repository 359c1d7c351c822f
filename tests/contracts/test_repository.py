"""What is true of the repository itself: what is committed, and what the lock promises."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"

INDEX_HOST = re.compile(r"\b(?:pypi|pythonhosted|devpi|artifactory)\.[a-z]", re.IGNORECASE)
INDEX_OPTION = re.compile(r"^\s*--(?:index-url|extra-index-url|find-links|trusted-host)\b", re.MULTILINE)
HOME_FOLDER = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w")
EXCEPTION_WITHOUT_REASON = re.compile(
    r"#\s*(?:type:\s*ignore(?:\[[^]]*\])?|noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?)\s*$", re.MULTILINE
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")


def tracked_files() -> list[Path]:
    """Every file that is committed or would be by adding all."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def tracked_texts(suffix: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of every tracked file."""
    for path in tracked_files():
        if path.name.endswith(suffix):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="ignore")


def offenders(pattern: re.Pattern[str], suffix: str = "") -> list[str]:
    """Where in the tracked files the pattern occurs, as `file: match`."""
    return [f"{name}: {match.group()}" for name, text in tracked_texts(suffix) for match in pattern.finditer(text)]


def locked_requirements() -> dict[str, str]:
    """The lines of each package in the lock, joined, by canonical name."""
    joined = LOCK.read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {canonicalize_name(re.split(r"[=\s]", line, maxsplit=1)[0]): line for line in lines}


def locked_version(package: str) -> Version:
    requirement = locked_requirements()[package]
    return Version(Requirement(requirement.split("--hash")[0].strip()).specifier.__str__().removeprefix("=="))


def declared_requirements() -> list[Requirement]:
    """What pyproject.toml asks for, the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def lower_bound(package: str) -> Version:
    """The oldest version of a package that the SDK accepts."""
    declared = next(requirement for requirement in declared_requirements() if requirement.name == package)
    return min(Version(specifier.version) for specifier in declared.specifier if specifier.operator in {">=", "=="})


@pytest.mark.parametrize("pattern", [INDEX_HOST, INDEX_OPTION, HOME_FOLDER, re.compile(re.escape(str(ROOT)) + r"\b")])
def test_no_tracked_file_names_a_package_index_or_a_place_on_one_machine(pattern: re.Pattern[str]) -> None:
    assert offenders(pattern) == []


def test_stubs_are_not_tracked() -> None:
    assert [path for path in tracked_files() if "_pb2" in path.name or "clients/python/buf/" in path.as_posix()] == []


def test_every_exception_from_a_check_says_why() -> None:
    assert offenders(EXCEPTION_WITHOUT_REASON, suffix=".py") == []


@pytest.mark.parametrize("suffix", [".py", ".proto", ".md", ".yaml"])
def test_nothing_is_left_for_later(suffix: str) -> None:
    assert offenders(UNFINISHED, suffix) == []


def test_every_locked_package_has_one_version_and_hashes() -> None:
    loose = [name for name, line in locked_requirements().items() if "==" not in line or "--hash=sha256:" not in line]
    assert locked_requirements()
    assert loose == []


def test_the_lock_holds_nothing_but_packages_and_hashes() -> None:
    assert "://" not in LOCK.read_text()
    assert " @ " not in LOCK.read_text()


def test_the_lock_satisfies_everything_declared() -> None:
    unsatisfied = [
        str(requirement)
        for requirement in declared_requirements()
        if not requirement.specifier.contains(locked_version(canonicalize_name(requirement.name)), prereleases=True)
    ]
    assert unsatisfied == []


def test_all_packages_of_grpc_are_of_one_version() -> None:
    family = {name: locked_version(name) for name in locked_requirements() if name.startswith("grpcio")}
    assert {"grpcio", "grpcio-tools", "grpcio-status"} <= family.keys()
    assert len(set(family.values())) == 1


def test_callers_may_install_no_grpc_older_than_the_stubs() -> None:
    assert lower_bound("grpcio") == locked_version("grpcio-tools")


def test_callers_may_install_no_protobuf_older_than_the_stubs() -> None:
    stub = resources.files("tessera.access.v1").joinpath("access_pb2.py").read_text()
    written_by = re.search(r"^# Protobuf Python Version: (\S+)$", stub, re.MULTILINE)
    assert written_by is not None
    generated, locked = Version(written_by.group(1)), locked_version("protobuf")
    assert generated <= lower_bound("protobuf") <= locked
    assert generated.major == locked.major
