"""The published schemas: as they were, unless a reader can live with the change."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edge.feed import commands, schemas
from tests.conftest import Edge, need

GOLDEN = Path(__file__).parent.parent / "golden" / "schemas"


@pytest.mark.parametrize("kind", schemas.kinds())
def test_schemas_change_only_on_purpose(kind: str) -> None:
    """HEDGEROW_WRITE_SCHEMAS=1 writes them anew. What breaks a reader needs a /2 beside it."""
    path = GOLDEN / f"{kind.replace('/', '-')}.json"
    made = schemas.schema(kind)
    Draft202012Validator.check_schema(made)
    if os.environ.get("HEDGEROW_WRITE_SCHEMAS"):
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    assert json.loads(path.read_text()) == made, "see this test's first lines"


def test_readers_must_take_keys_that_come_later_and_commands_must_not() -> None:
    assert "additionalProperties" not in schemas.schema("event")
    assert schemas.schema("command/pause")["additionalProperties"] is False


def test_the_schemas_of_commands_refuse_what_the_device_refuses() -> None:
    wrong: list[tuple[str, Any]] = [
        ("snapshot", {}),
        ("threshold", {"label": "person", "enter": 60}),
        ("replay", {"from_seq": 0}),
        ("pause", {"sauce": "cam"}),
    ]
    for name, body in wrong:
        with pytest.raises(ValidationError):
            Draft202012Validator(schemas.schema(f"command/{name}")).validate(body)
        with pytest.raises(ValueError, match="validation error"):
            commands.KINDS[name].model_validate(body)


def test_the_asyncapi_document_names_every_topic_and_command() -> None:
    document = schemas.asyncapi()
    addresses = {channel["address"] for channel in document["channels"].values()}
    for topic in ("status", "availability", "{source}/event", "{source}/state", "command/replay"):
        assert f"hedgerow/{{device}}/{topic}" in addresses
    assert json.dumps(document).count('"#/$defs/') == 0, "every reference starts at the root"


def test_no_channel_of_the_asyncapi_document_hides_another() -> None:
    """The picture's and the command's were both called snapshot."""
    document = schemas.asyncapi()
    by_address = {c["address"]: c for c in document["channels"].values()}
    assert len(by_address) == len(document["channels"])
    wanted = {
        *(f"hedgerow/{{device}}/{{source}}/{kind}" for kind in ("snapshot", "availability")),
        *(f"hedgerow/{{device}}/command/{name}" for name in commands.KINDS),
        *(f"hedgerow/{{device}}/command/{name}/result" for name in (*commands.KINDS, "unknown")),
        "hedgerow/{device}/command/replay/to/{reader}",
        "{prefix}/device/hedgerow_{device}/config",
    }
    assert wanted <= set(by_address)
    for address, channel in by_address.items():
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", address))
        (message,) = channel["messages"].values()
        assert message["$ref"].rpartition("/")[2] in document["components"]["messages"]
    used = {each["channel"]["$ref"] for each in document["operations"].values()}
    used |= {o["reply"]["channel"]["$ref"] for o in document["operations"].values() if "reply" in o}
    assert used == {f"#/channels/{name}" for name in document["channels"]}
    picture = document["components"]["messages"]["picture"]
    assert picture["contentType"] == "image/jpeg"


@pytest.mark.parametrize("kind", schemas.PUBLISHED)
def test_every_payload_names_its_schema(kind: str) -> None:
    made = schemas.schema(kind)
    for part in (made, *made.get("$defs", {}).values()):
        assert ("schema" in part.get("properties", {})) == ("schema" in part.get("required", ()))
    with pytest.raises(ValidationError, match="'schema' is a required property"):
        Draft202012Validator(made).validate({})


def test_edge_schema_prints_them(edge: Edge) -> None:
    assert json.loads(edge("schema", "event").stdout) == schemas.schema("event")
    assert set(json.loads(edge("schema").stdout)) == set(schemas.kinds())
    assert json.loads(edge("schema", "--asyncapi").stdout)["asyncapi"] == "3.0.0"
    wrong = edge("schema", "sauce")
    assert wrong.returncode == 2
    assert "there is no 'sauce'; there are event, state" in wrong.stderr


def test_asyncapis_own_parser_accepts_the_document(edge: Edge, tmp_path: Path) -> None:
    """`npm install @asyncapi/parser` in $HEDGEROW_ASYNCAPI; CONTRIBUTING.md has the command."""
    place = os.environ.get("HEDGEROW_ASYNCAPI", "")
    need(bool(place) and shutil.which("node") is not None, "npm's @asyncapi/parser")
    document = tmp_path / "asyncapi.json"
    document.write_text(edge("schema", "--asyncapi").stdout)
    program = (
        "const {Parser} = require('@asyncapi/parser');"
        "const text = require('fs').readFileSync(process.argv[1], 'utf8');"
        "new Parser().parse(text).then(({document, diagnostics}) => {"
        "const bad = diagnostics.filter(d => d.severity === 0);"
        "for (const d of bad) console.error(d.path.join('.'), d.message);"
        "process.exit(document && bad.length === 0 ? 0 : 1)})"
    )
    done = subprocess.run(
        ["node", "-e", program, str(document)],
        capture_output=True, text=True, cwd=place, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
