"""A form's one file, as it comes: whatever its size, a piece at a time. Pure. RFC 7578, RFC 2046 section 5.1."""

import re

from app.errors import InputError

BOUNDARY_CHARACTERS_MAX = 70
"""RFC 2046."""
HEADER_BYTES_MAX = 4096
"""What stands before the file in its part: a name and a type."""
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;]+))')


class FormFile:
    """Takes the body of `multipart/form-data` and gives back the bytes of its first part, which has to be a file."""

    def __init__(self, content_type: str) -> None:
        found = _BOUNDARY.search(content_type)
        boundary = "" if found is None else found[1] or found[2]
        if not content_type.startswith("multipart/form-data") or not 0 < len(boundary) <= BOUNDARY_CHARACTERS_MAX:
            raise _broken()
        self._opening = b"--" + boundary.encode("latin-1", "replace") + b"\r\n"
        self._closing = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._buffer = bytearray()
        self._began = False
        self.is_over = False

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the file. InputError when this is no form with a file."""
        if self.is_over:
            return b""
        self._buffer += data
        return self._body() if self._began or self._begin() else b""

    def end(self) -> None:
        """The body is over. InputError when the file isn't."""
        if not self.is_over:
            raise _broken()

    def _begin(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 and len(self._buffer) <= HEADER_BYTES_MAX:
            return False
        head = bytes(self._buffer[: max(end, 0)])
        if not head.startswith(self._opening) or b"filename=" not in head.lower():
            raise _broken()
        del self._buffer[: end + 4]
        self._began = True
        return True

    def _body(self) -> bytes:
        end = self._buffer.find(self._closing)
        self.is_over = end >= 0
        end = end if self.is_over else max(len(self._buffer) - len(self._closing) + 1, 0)
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data


def _broken() -> InputError:
    return InputError("This form holds no file, or it broke off on its way. Choose the file once more.", "bundle")
