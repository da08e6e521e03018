"""`python -m tests.fuzz TARGET SECONDS`: fuzz one decoder, guided by its coverage. Needs atheris.

New inputs that reach something new go to a folder of their own, printed at the end; those worth keeping, a few small
ones, go to tests/corpus/TARGET/ by hand. A crash leaves its input beside them and ends with an exit code other than 0.
"""

import sys
import tempfile
from pathlib import Path

INPUT_BYTES_MAX = 600
"""The longest packet on a serial port, with its escapes; records have the same structure at any length."""
CORPUS = Path(__file__).parent.parent / "corpus"


def main(name: str, seconds: int) -> None:
    """Fuzz until the time is over, or something breaks."""
    import atheris

    with atheris.instrument_imports(include=["app"]):
        from tests.fuzz.targets import TARGETS
    found = Path(tempfile.mkdtemp(prefix=f"tntn-fuzz-{name}-"))
    kept = CORPUS / name
    options = [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10", "-rss_limit_mb=1024"]
    options += ["-print_final_stats=1", f"-artifact_prefix={found}/crash-"]
    print(f"fuzz {name}: {seconds} s; what is found goes to {found}", flush=True)
    atheris.Setup([sys.argv[0], *options, str(found), *([str(kept)] if kept.is_dir() else [])], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
