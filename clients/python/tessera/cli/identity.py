"""`tessera identity`: what a policy would make of members who may be one person, and bringing them under one."""

from collections.abc import AsyncIterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tessera.cli.console import Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import dump
from tessera.cli.running import run
from tessera.client import connect
from tessera.errors import Error
from tessera.identity.v1 import match_pb2 as pb
from tessera.packs import PackDocument, message_of, raise_mistakes, read_document

KIND = "match-policy"
PAIRS_SHOWN = 10
"""Of each kind, in the table."""

WORDS = {
    pb.MATCH_STATUS_MERGING: "merged",
    pb.MATCH_STATUS_OPEN: "reviewed",
    pb.MATCH_STATUS_LINKED: "linked",
}

app = typer.Typer(no_args_is_help=True, help="Find members who are one person.")
Answer = TypeVar("Answer", pb.SimulateMatchPolicyResponse, pb.EvaluateMatchesResponse)


@app.callback()
def identity() -> None:
    """Find members who are one person."""


@app.command()
def simulate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="YAML with one match-policy document.")
    ],
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
    samples: Annotated[
        int, typer.Option(min=1, max=1000, help="How many pairs of each kind are shown at most.")
    ] = PAIRS_SHOWN,
) -> None:
    """Tell what a policy would merge, review and link among all members there are. Nothing is published or changed."""
    summary = run(_simulate(read_document(file, KIND), Path(suite) if suite else None, samples))
    if output is Output.JSON:
        fields = MessageToDict(summary, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        typer.echo(dump(_with_numbers(fields)))
    else:
        print_summary(out(), summary)


@app.command()
def evaluate(suite: SuiteOption = None, output: OutputOption = Output.TABLE) -> None:
    """Bring all members there are under the policies in force. It can be interrupted and run again."""
    done = run(_evaluate(Path(suite) if suite else None))
    figures = {"pairs": done.progress.pairs, "changed": done.changed}
    if output is Output.JSON:
        typer.echo(dump(figures))
    else:
        out().print(f"{number(done.progress.pairs)} pairs judged, {number(done.changed)} matches new or changed")


async def _simulate(document: PackDocument, suite: Path | None, samples: int) -> pb.MatchSummary:
    async with connect(suite_file=suite) as client:
        request = pb.SimulateMatchPolicyRequest(policy=message_of(document), samples=samples)
        try:
            return (await _last_of(client.identity.SimulateMatchPolicy(request))).summary
        except Error as error:
            raise_mistakes([document], [error])
            raise


async def _evaluate(suite: Path | None) -> pb.EvaluateMatchesResponse:
    async with connect(suite_file=suite) as client:
        return await _last_of(client.identity.EvaluateMatches(pb.EvaluateMatchesRequest()))


async def _last_of(answers: AsyncIterable[Answer]) -> Answer:
    """The last answer of a stream, with a bar for how far it is."""
    columns = (TextColumn("{task.description:<7}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    last: Answer | None = None
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        values, pairs = bars.add_task("values", total=None), bars.add_task("pairs", total=None)
        async for answer in answers:
            progress, last = answer.progress, answer
            bars.update(values, completed=progress.partitions, total=progress.partitions_total)
            bars.update(pairs, completed=progress.pairs, total=progress.pairs_total or None)
    if last is None:
        raise RuntimeError("the stream ended before it began")
    return last


def print_summary(console: Console, summary: pb.MatchSummary) -> None:
    """How many pairs become what, and some of each kind."""
    listing = table("pairs that", ">pairs")
    for name, count in (
        ("share something", summary.pairs),
        ("would be merged", summary.merged),
        ("would be reviewed", summary.reviewed),
        ("  with different real names", summary.real_names_differ),
        ("  on which somebody decided before", summary.decided_before),
        ("would be linked", summary.linked),
        ("stay as somebody decided", summary.decided),
    ):
        listing.add_row(name, number(count))
    console.print(listing)
    console.print(f"Of {number(summary.members)} members {number(summary.members_remaining)} would remain.")
    if not summary.samples:
        return
    pairs = table("would be", "member", "other", ">score", "because of", title="Some of them")
    for pair in summary.samples:
        pairs.add_row(WORDS[pair.status], pair.member_id, pair.other_id, str(pair.score), _why(pair))
    console.print(pairs)


def _why(pair: pb.JudgedPair) -> str:
    shared = ", ".join(f"{one.type} {one.weight}" for one in pair.evidence)
    return shared if pair.reason == "SCORE" else f"{shared} ({pair.reason})"


def _with_numbers(fields: dict[str, Any]) -> dict[str, Any]:
    """Counts as numbers: JSON of protobuf writes those of 64 bits as texts."""
    return {name: int(value) if isinstance(value, str) and value.isdigit() else value for name, value in fields.items()}
