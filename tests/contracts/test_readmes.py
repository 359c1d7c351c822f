"""What the services' READMEs show as documents can be published as it stands."""

import re
from pathlib import Path

import pytest
import yaml

from services.chassis.documents import Document
from tests.support.suite import SERVICES, definition_of

ROOT = Path(__file__).parents[2]
PROGRAMME = {"name": "Any", "time_zone": "UTC", "currency": "USD"}
LEVELS = [{"code": code} for code in ("bronze", "silver", "gold", "platinum")]
NEIGHBOURS = {"benefits": [Document("ladder", "shopper", "grocer", {"levels": LEVELS})]}
"""What other READMEs show and the documents of a service refer to."""


@pytest.mark.parametrize("service", SERVICES)
def test_the_documents_of_a_readme_compile(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text()
    shown = [
        Document(**given)
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S)
        for given in yaml.safe_load_all(block)
    ]
    assert shown
    documents = [*shown, *NEIGHBOURS.get(service, ())]
    missing = {document.programme for document in documents} - {d.code for d in documents if d.kind == "programme"}
    programmes = [Document("programme", code, code, PROGRAMME) for code in missing]
    definition_of(service).compile_documents([*programmes, *documents])
