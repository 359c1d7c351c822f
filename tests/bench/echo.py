"""The reference of all single calls: a bare grpc.aio server, in a process of its own, that answers with what it got.

`python -m tests.bench.echo` prints the port on which it serves.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc import aio

METHOD = "bench.Echo/Echo"


async def _echo(message: bytes, _context: object) -> bytes:
    return message


async def serve() -> None:
    """Serve until killed."""
    server = aio.server()
    service, _, method = METHOD.partition("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {method: grpc.unary_unary_rpc_method_handler(_echo)}
    server.add_registered_method_handlers(service, handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A running echo server, given as its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.echo", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve())
