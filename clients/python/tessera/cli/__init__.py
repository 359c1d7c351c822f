"""The `tessera` command."""

import sys

from tessera.cli.app import app
from tessera.cli.failures import report_failure


def main() -> None:
    """The entry of the command: failures become a readable line and an exit code, never a traceback."""
    try:
        app(standalone_mode=True)
    except Exception as error:
        sys.exit(report_failure(error))
