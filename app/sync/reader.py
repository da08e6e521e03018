"""Cuts the stream of a peer into messages. Pure. Spec: docs/protocol/sync.md."""

from app.errors import PeerError
from app.sync.message import LENGTH_BYTES, MESSAGE_BYTES_MAX, Message, decode_body


class MessageReader:
    """Cuts a stream into messages. Holds at most one message that isn't whole yet."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that has begun and isn't whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete. PeerError for a length that no message has, or a wrong body."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while len(self._buffer) - at >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[at : at + LENGTH_BYTES], "big")
            if not 1 <= length <= MESSAGE_BYTES_MAX:
                raise PeerError(f"A message has 1 to {MESSAGE_BYTES_MAX} bytes, not {length}.")
            end = at + LENGTH_BYTES + length
            if end > len(self._buffer):
                break
            messages.append(decode_body(bytes(self._buffer[at + LENGTH_BYTES : end])))
            at = end
        del self._buffer[:at]
        return messages
