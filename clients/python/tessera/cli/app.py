"""The commands and their options."""

from importlib.metadata import version
from typing import Annotated

import typer

from tessera.cli import apply, audit, identity, importing, ledger, liability, member, replay, token, up, verify

app = typer.Typer(
    name="tessera",
    help="One membership for a group of brands: start, configure, inspect and prove a Tessera suite.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("up")(up.up)
app.command("apply")(apply.apply)
app.command("verify")(verify.verify)
app.command("seal")(ledger.seal)
app.command("archive")(ledger.archive)
app.command("rebuild")(ledger.rebuild)
app.command("liability")(liability.liability)
app.command("token")(token.token)
app.add_typer(audit.app, name="audit")
app.add_typer(importing.app, name="import")
app.add_typer(identity.app, name="identity")
app.add_typer(member.app, name="member")
app.add_typer(replay.replay_app, name="replay")
app.add_typer(replay.run_app, name="run")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("tessera"))
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """One membership for a group of brands: start, configure, inspect and prove a Tessera suite."""
