"""`tessera token`: a token of one of the suite's callers."""

from pathlib import Path
from typing import Annotated

import typer

from tessera.cli.console import SuiteOption
from tessera.cli.failures import Failure
from tessera.suite import read_suite


def token(
    caller: Annotated[str, typer.Argument(help="A caller that the suite's policy.yaml names, for example operator.")],
    suite: SuiteOption = None,
    hours: Annotated[int, typer.Option("--hours", min=1, help="How long it is good.")] = 24,
) -> None:
    """Print a fresh token of a caller."""
    from tessera.up.options import Layout
    from tessera.up.secrets import callers, make_token

    layout = Layout(Path(read_suite(Path(suite) if suite else None).data))
    if caller not in callers(layout):
        raise Failure(f"{layout.policy} names no caller {caller}; it names {', '.join(callers(layout))}")
    typer.echo(make_token(layout, caller, hours * 3600))
