"""Compiled configuration: once a version, and kept while it is used."""

import asyncio
from collections.abc import Sequence

import pytest

from services.chassis import configurations
from services.chassis.configurations import KEPT_COMPILED, Configurations
from services.chassis.documents import Document


class Compiler:
    """Knows what was read and compiled."""

    def __init__(self) -> None:
        self.compiled: list[str] = []

    def __call__(self, documents: Sequence[Document]) -> str:
        self.compiled.append(documents[0].code)
        return f"compiled {documents[0].code}"


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    async def load(connection: object, version: int) -> list[Document]:
        await asyncio.sleep(0)
        return [Document("setting", f"v{version}", "shop", {})]

    monkeypatch.setattr(configurations, "load_documents", load)
    return Compiler()


async def test_all_lanes_that_meet_a_new_version_compile_it_once(compiler: Compiler) -> None:
    known = Configurations(compiler)
    assert await asyncio.gather(*(known.at(None, 1) for _ in range(8))) == ["compiled v1"] * 8
    assert compiler.compiled == ["v1"]


async def test_the_version_in_force_is_kept_however_many_old_ones_are_read(compiler: Compiler) -> None:
    known = Configurations(compiler)
    for version in range(100, 100 + 3 * KEPT_COMPILED):
        await known.at(None, 1)
        await known.at(None, version)
    assert compiler.compiled.count("v1") == 1
    assert known.newest_version == 99 + 3 * KEPT_COMPILED


async def test_what_was_compiled_for_publishing_is_not_compiled_again(compiler: Compiler) -> None:
    known = Configurations(compiler)
    known.keep(3, "compiled before")
    assert await known.at(None, 3) == "compiled before"
    assert compiler.compiled == []


async def test_a_version_that_could_not_be_read_is_read_again(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Configurations(compiler)
    with monkeypatch.context() as patch:
        patch.setattr(configurations, "load_documents", _away)
        with pytest.raises(ConnectionError):
            await known.at(None, 1)
    assert await known.at(None, 1) == "compiled v1"


async def _away(connection: object, version: int) -> list[Document]:
    raise ConnectionError
