"""One HTTP/2 connection of a load generator: prepared requests go out as bytes, of answers it looks at how they end.

A gRPC client library spends more time on a call than the servers measured here, so a load made with one would measure
itself. This one writes frames that are ready but for their stream number. It allows the server no table of response
headers, so the trailers of a call that went well are always the same bytes.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from struct import Struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4

LARGEST_WINDOW = (1 << 31) - 1
FIRST_WINDOW = 65_535
CREDIT_STEP = 1 << 20
"""After so many bytes the server is told that it may send as many again."""
RECEIVE_BYTES = 1 << 18
FRAME_PREFIX = 5
"""Length, type and flags: what stands before the stream number in the head of a frame."""

_HEAD = Struct(">HBBBI")
_UINT32 = Struct(">I")
_SETTING = Struct(">HI")
_STATUS_0 = (
    b"grpc-status\x010",
    # The same in the Huffman code of RFC 7541.
    bytes.fromhex("9acac8b21234da8f8107"),
    bytes.fromhex("9acac8b21234da8f0130"),
)

Finished = Callable[[int, bool, bytes], None]
"""Told of every call that ended: its stream, whether its status is OK, and its last message (if messages are kept)."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A whole frame."""
    return frame_prefix(kind, flags, len(payload)) + _UINT32.pack(stream) + payload


def frame_prefix(kind: int, flags: int, length: int) -> bytes:
    """The head of a frame up to its stream number."""
    return length.to_bytes(3, "big") + bytes((kind, flags))


def request_headers(authority: str, path: str, token: str, timeout: str) -> tuple[bytes, bytes]:
    """The header block of the first call on a connection, and the one of all later ones, which refers to it."""
    indexed = [
        (b"\x44", path),
        (b"\x41", authority),
        (b"\x40" + _text("te"), "trailers"),
        (b"\x5f", "application/grpc"),
        (b"\x57", f"Bearer {token}"),
        (b"\x40" + _text("grpc-timeout"), timeout),
    ]
    method_and_scheme = b"\x83\x86"
    first = method_and_scheme + b"".join(name + _text(value) for name, value in indexed)
    newest = 62
    later = method_and_scheme + bytes(0x80 | newest + age for age in reversed(range(len(indexed))))
    return first, later


def _text(value: str) -> bytes:
    """A string literal, not Huffman-coded."""
    raw, length = value.encode(), len(value)
    if length < 0x7F:
        return bytes((length,)) + raw
    head, length = [0x7F], length - 0x7F
    while length >= 0x80:
        head.append(0x80 | length & 0x7F)
        length >>= 7
    return bytes((*head, length)) + raw


def prepared(message: bytes) -> tuple[bytes, bytes]:
    """A message as `Connection.call` takes it: the head of its DATA frame up to the stream number, and its payload."""
    payload = b"\0" + len(message).to_bytes(4, "big") + message
    return frame_prefix(DATA, END_STREAM, len(payload)), payload


class Connection:
    """A connection and the calls in progress on it. The owner's loop says when it is readable or writable."""

    def __init__(self, host: str, port: int, headers: tuple[bytes, bytes], finished: Finished, *, keep: bool) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._headers, self._later_headers = headers
        self._headers_prefix = frame_prefix(HEADERS, END_HEADERS, len(self._headers))
        self._finished = finished
        self._keep = keep
        self._messages: dict[int, bytes] = {}
        self._outcomes: dict[bytes, bool] = {}
        self._next_stream = 1
        self._window = FIRST_WINDOW
        self._waiting: list[tuple[int, tuple[bytes, bytes]]] = []
        self._uncredited = 0
        self._rest = b""
        self._out: list[bytes] = [_preface()]
        self.unsent = b""

    def call(self, body: tuple[bytes, bytes]) -> int:
        """Begin a call with a prepared message; returns its stream."""
        stream = self._next_stream
        self._next_stream += 2
        number = _UINT32.pack(stream)
        self._out += (self._headers_prefix, number, self._headers)
        if stream == 1:
            self._headers = self._later_headers
            self._headers_prefix = frame_prefix(HEADERS, END_HEADERS, len(self._headers))
        size = len(body[1])
        if self._waiting or size > self._window:
            self._waiting.append((stream, body))
        else:
            self._window -= size
            self._out += (body[0], number, body[1])
        return stream

    def flush(self) -> None:
        """Send what there is to send; `unsent` is what the socket did not take."""
        data = self.unsent + b"".join(self._out)
        self._out.clear()
        if data:
            with suppress(BlockingIOError):
                data = data[self.socket.send(data) :]
            self.unsent = data

    def receive(self) -> None:
        """Read what has arrived and tell of the calls that it ends."""
        try:
            received = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not received:
            raise ConnectionError("the server closed the connection")
        data = self._rest + received
        offset, end = 0, len(data)
        while end - offset >= _HEAD.size:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, offset)
            start = offset + _HEAD.size
            after = start + (high << 8 | low)
            if after > end:
                break
            if kind == DATA:
                self._uncredited += after - start
                if self._keep:
                    self._messages[stream] = self._messages.get(stream, b"") + data[start:after]
            elif kind == HEADERS:
                if flags & END_STREAM:
                    self._end(stream, data[start:after])
            else:
                self._control(kind, flags, stream, data[start:after])
            offset = after
        self._rest = data[offset:]
        self._credit()

    def _end(self, stream: int, trailers: bytes) -> None:
        is_ok = self._outcomes.get(trailers)
        if is_ok is None:
            is_ok = self._outcomes[trailers] = any(status in trailers for status in _STATUS_0)
        self._finished(stream, is_ok, self._messages.pop(stream, b"") if self._keep else b"")

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE and stream == 0:
            self._window += _UINT32.unpack(payload)[0]
            self._send_waiting()
        elif kind == SETTINGS and not flags & ACK:
            self._out.append(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            self._finished(stream, False, b"")
        elif kind == GOAWAY:
            raise ConnectionError(f"the server said GOAWAY: {payload[8:].decode(errors='replace')}")

    def _send_waiting(self) -> None:
        while self._waiting and len(self._waiting[0][1][1]) <= self._window:
            stream, body = self._waiting.pop(0)
            self._window -= len(body[1])
            self._out += (body[0], _UINT32.pack(stream), body[1])

    def _credit(self) -> None:
        if self._uncredited >= CREDIT_STEP:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, _UINT32.pack(self._uncredited)))
            self._uncredited = 0


def _preface() -> bytes:
    header_table_size, enable_push, initial_window = 1, 2, 4
    settings = b"".join(
        _SETTING.pack(name, value)
        for name, value in ((header_table_size, 0), (enable_push, 0), (initial_window, LARGEST_WINDOW))
    )
    connection_window = _UINT32.pack(LARGEST_WINDOW - FIRST_WINDOW)
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(SETTINGS, 0, 0, settings)
        + frame(WINDOW_UPDATE, 0, 0, connection_window)
    )
