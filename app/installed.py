"""Where the files for the browser lie: beside the package in a checkout, under share/ in an installation."""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent
SHARED = _CHECKOUT if (_CHECKOUT / "web").is_dir() else Path(sys.prefix) / "share" / "tntn"
WEB = SHARED / "web"
TEMPLATES = SHARED / "templates"
