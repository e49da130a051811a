"""What every contestant of `benches/run` does: prepare, then run once per line it is sent.

Each answer is one line of JSON: `{"ready": …}` after preparation, then `{"seconds": …}` per run.
"""

import json
import sys
import time
from collections.abc import Callable


def serve(run: Callable[[], object], about: dict) -> None:
    print(json.dumps({"ready": about}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
