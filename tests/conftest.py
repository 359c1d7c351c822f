"""What holds for all tests."""

import os
from collections.abc import Iterator

import pytest

# Before gRPC is imported: a process that tests start is never a gRPC client of its parent's, and what gRPC does in a
# child between fork and exec has crashed one.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


@pytest.fixture(autouse=True, scope="session")
def _a_machine_that_stands_still_for_a_moment_fails_no_test() -> Iterator[None]:
    """Where a limit of transactions is tested, it is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.chassis.database.IDLE_IN_TRANSACTION_TIMEOUT_MS", 20_000)
        patch.setattr("services.chassis.database.TRANSACTION_TIMEOUT_MS", 30_000)
        yield
