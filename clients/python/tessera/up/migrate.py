"""`python -m tessera.up.migrate`: brings databases up to date, in a process that ends afterwards.

What migrations need is large, and the services need nothing of it while they serve. One line on stdin names each
service's database.
"""

import asyncio
import gc
import importlib
import json
import sys


async def main() -> None:
    """Run what is missing of the migrations."""
    migrations = importlib.import_module("services.chassis.migrations")
    order = json.loads(sys.stdin.readline())
    for service, dsn in order["dsns"].items():  # one after the other: Alembic knows one migration a process
        await migrations.migrate_async(dsn, service, order["partitions"])


if __name__ == "__main__":
    gc.disable()  # it ends before there is anything worth collecting
    asyncio.run(main())
