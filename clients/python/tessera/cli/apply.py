"""`tessera apply`: configures the services by a pack of documents, and shows what that changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.text import Text

from tessera.cli.console import Output, OutputOption, SuiteOption, out
from tessera.cli.failures import dump
from tessera.cli.running import run
from tessera.client import connect
from tessera.config.v1 import config_service_pb2
from tessera.packs import PackDocument, publish_pack, read_pack

Answers = Mapping[str, config_service_pb2.PublishDocumentsResponse]

_ACTIONS = {
    config_service_pb2.DocumentChange.ACTION_CREATED: ("created", "+", "green"),
    config_service_pb2.DocumentChange.ACTION_UPDATED: ("updated", "~", "yellow"),
    config_service_pb2.DocumentChange.ACTION_REMOVED: ("removed", "-", "red"),
}


def apply(
    folder: Annotated[Path, typer.Option("--file", "-f", exists=True, file_okay=False, help="Folder of YAML files.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")] = False,
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a pack of documents to the services they concern, and show what changed.

    The documents are everything their programmes have: others of these programmes are removed.
    """
    documents, answers = run(_apply(folder, Path(suite) if suite else None, dry_run=dry_run))
    if output is Output.JSON:
        typer.echo(dump(changes_as_json(answers, dry_run=dry_run)))
    else:
        print_changes(out(), documents, answers, dry_run=dry_run)


async def _apply(folder: Path, suite: Path | None, *, dry_run: bool) -> tuple[list[PackDocument], Answers]:
    documents = read_pack(folder)
    async with connect(suite_file=suite) as client:
        return documents, await publish_pack(client, documents, dry_run=dry_run)


def print_changes(
    console: Console, documents: list[PackDocument], answers: Answers, *, dry_run: bool, in_full: bool = True
) -> None:
    """What publishing did, or would do, to each service, and in full to each document."""
    for service, answer in answers.items():
        count = len(answer.changes)
        would = "would change" if dry_run else "changed"
        said = f"{count} document(s) {would}" if count else "nothing to change"
        console.print(
            Text(f"{service:<8} ", style="bold").append(f"version {answer.version}: {said}", style="not bold")
        )
        for change in answer.changes if in_full else ():
            _print_change(console, change)
    console.print(f"{len(documents)} documents {'checked' if dry_run else 'in force'}.")


def _print_change(console: Console, change: config_service_pb2.DocumentChange) -> None:
    name, sign, style = _ACTIONS[change.action]
    document = change.after if change.HasField("after") else change.before
    console.print(Text(f"  {sign} {document.kind}/{document.code}", style=style).append(f"  {name}", style="dim"))
    if change.HasField("before") and change.HasField("after"):
        for path, before, after in differences(change):
            console.print(
                Text(f"      {path}: ").append(before, style="red").append(" → ").append(after, style="green")
            )


def differences(change: config_service_pb2.DocumentChange) -> list[tuple[str, str, str]]:
    """The fields in which a document differs: path, before, after; a field that is not there is shown as –."""
    before, after = _fields(change.before), _fields(change.after)
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return [(path, before.get(path, "–"), after.get(path, "–")) for path in paths]


def _fields(document: config_service_pb2.Document) -> dict[str, str]:
    found: dict[str, str] = {}
    _collect("", MessageToDict(document.spec), found)
    if document.programme:
        found["programme"] = document.programme
    return found


def _collect(path: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _collect(f"{path}.{key}" if path else key, inner, found)
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            _collect(f"{path}[{place}]", inner, found)
    else:
        found[path] = _shown(value)


def _shown(value: Any) -> str:
    """A value as it stands in YAML; all numbers travel as doubles."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def changes_as_json(answers: Answers, *, dry_run: bool) -> dict[str, Any]:
    """The same for machines."""
    return {
        "dry_run": dry_run,
        "services": {
            service: {
                "version": answer.version,
                "changes": [
                    {
                        "action": _ACTIONS[change.action][0],
                        "kind": (change.after if change.HasField("after") else change.before).kind,
                        "code": (change.after if change.HasField("after") else change.before).code,
                        "fields": [
                            {"path": path, "before": before, "after": after}
                            for path, before, after in differences(change)
                        ],
                    }
                    for change in answer.changes
                ],
            }
            for service, answer in answers.items()
        },
    }
