"""The transports for httpx and for httpx2 are one text over two libraries, typed as each is."""
import re
from pathlib import Path

import leat

FOLDER = Path(leat.__file__).parent


def test_both_transports_are_one_text() -> None:
    one = (FOLDER / "httpx.py").read_text().replace("httpx 0.28", "httpx")
    assert re.sub(r"\bhttpx\b", "httpx2", one) == (FOLDER / "httpx2.py").read_text()
