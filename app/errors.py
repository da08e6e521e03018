"""Every error this program raises on purpose, grouped by who can act on it.

    TntnError
    ├── InputError            the user: the message says what to change, `field` where
    │   ├── DecodeError       bytes from outside that are no value of their format
    │   └── StrangerError     an envelope that none of our keys opens
    ├── NotFoundError         the user: what was asked for is not here
    ├── ForbiddenError        the user: not with this key or session
    ├── ConflictError         the user: something else already stands there
    ├── PeerError             a remote node: count it and drop it, never crash
    ├── DeviceError           radio, disk: retry and show it
    └── StoreError            the database
        ├── StoreFullError    no space left: nothing was half written
        └── NewerDatabaseError a later version of this program wrote it

Anything else that is raised is a bug of ours and is meant to be seen. Messages are whole sentences in plain
words: the web pages and the command line show them as they are.
"""


class TntnError(Exception):
    """The root of the tree. `message` is a sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InputError(TntnError):
    """What the user gave cannot be used. `field` names the input, where there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class DecodeError(InputError):
    """Bytes from outside that break their format. `code` is one of the short words of docs/protocol/record.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StrangerError(DecodeError):
    """An envelope whose hint fits none of our epochs: somebody else's traffic."""

    def __init__(self) -> None:
        super().__init__("stranger", "This was sealed for another community.")


class NotFoundError(TntnError):
    """What was asked for is not on this node."""


class ForbiddenError(TntnError):
    """The act needs another key or a keeper's session."""


class ConflictError(TntnError):
    """The state does not allow the act."""


class PeerError(TntnError):
    """A remote node broke the protocol."""


class DeviceError(TntnError):
    """A radio or disk does not answer as it should."""


class StoreError(TntnError):
    """The database refused."""


class StoreFullError(StoreError):
    """No space is left. The transaction was undone whole."""


class NewerDatabaseError(StoreError):
    """The data folder was written by a later version of this program."""
