"""`python -m tessera.up.launch points`: the process of a service that is told later with what settings to serve.

It imports the service's code at once, which takes most of a start, and waits for one line on stdin meanwhile. Then it
is `python -m services.points`.
"""

import gc
import importlib
import json
import os
import runpy
import sys


def main() -> None:
    """Preload, wait for the order, serve."""
    service = sys.argv[1]
    gc.disable()  # nothing that is imported is garbage
    importlib.import_module(f"services.{service}.definition")
    gc.enable()
    order = json.loads(sys.stdin.readline() or "null")
    if order is None:
        return  # the suite was stopped before it was ready
    os.environ.update(order["environment"])
    module = f"services.{service}"
    # What supervises workers starts them with this process's own command line.
    sys.argv, sys.orig_argv = [module], [sys.executable, "-m", module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
