"""`tessera seal` and `tessera rebuild` say what they did for each partition."""

from tests.cli.command import Up


async def test_sealing_and_rebuilding_tell_of_every_partition(up: Up) -> None:
    sealed = up.json("seal")
    rebuilt = up.json("rebuild")
    assert [line["partition"] for line in sealed] == [line["partition"] for line in rebuilt] != []
    assert [line["findings"] for line in sealed] == [[]] * len(sealed)
    assert all(line["count"] == line["repaired"] == 0 and line["differences"] == [] for line in rebuilt)
    for command in ("seal", "rebuild"):
        done = up.run(command)
        assert done.returncode == 0
        assert "partition" in done.stdout
    assert up.run("verify", "--from-seal").returncode == 0
