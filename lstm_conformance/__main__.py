"""Run the command without its installation: `python -m lstm_conformance`, or this folder."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # python path/to/lstm_conformance
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from lstm_conformance import main

sys.exit(main())
