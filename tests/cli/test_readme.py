"""The first calls that the README shows work as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from tessera.identity.v1 import identity_service_pb2
from tests.cli.command import Up

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def configured(up: Up) -> Up:
    pack = re.search(r"tessera apply -f (\S+) ", README)
    assert pack is not None
    up.json("apply", "-f", str(ROOT / pack[1]))
    return up


def test_the_call_by_grpcurl_is_answered(configured: Up) -> None:
    """As grpcurl makes it: the body is JSON, the method is found by its full name."""
    found = re.search(r"grpcurl (.*?)-d '(.*?)' \\\n +127.0.0.1:7401 (\S+)/(\S+)\n", README, re.DOTALL)
    assert found is not None
    options, body, service, method = found.groups()
    files = dict(re.findall(r"-(cacert|cert|key) build/data/up/(\S+)", options))
    shown = [(configured.data / files[option]).read_bytes() for option in ("cacert", "key", "cert")]
    assert identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"].full_name == service
    request = json_format.Parse(body, identity_service_pb2.ResolveAccountRequest())
    with grpc.secure_channel(
        configured.suite["addresses"]["identity"], grpc.ssl_channel_credentials(*shown)
    ) as channel:
        call = channel.unary_unary(
            f"/{service}/{method}",
            type(request).SerializeToString,
            identity_service_pb2.ResolveAccountResponse.FromString,
        )
        assert call(request).member_id


def test_the_program_on_the_sdk_runs(configured: Up) -> None:
    program = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TESSERA_SUITE": str(configured.data)},
    )
    assert done.returncode == 0, done.stderr
    assert 'unit: "points"' in done.stdout


def test_the_commands_to_try_run(configured: Up) -> None:
    commands = re.findall(r"^\.venv/bin/tessera (verify|apply -f \S+ --dry-run) ", README, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        done = configured.run(*command.replace("deploy/", f"{ROOT}/deploy/").split())
        assert done.returncode == 0, done.stderr
