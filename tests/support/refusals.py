"""Refused calls, as a client reads them."""

from typing import Any

from grpc import aio

from tessera.errors import Error, error_of_call


async def refusal_of(call: Any) -> Error:
    """Why a call is refused; AssertionError when it is not."""
    try:
        answer = await call
    except aio.AioRpcError as failure:
        return error_of_call(failure)
    raise AssertionError(f"not refused: {answer}")
