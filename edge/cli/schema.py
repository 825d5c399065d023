"""`edge schema`: what the feed's payloads look like, for machines."""

import json

import click


@click.command()
@click.argument("kind", required=False)
@click.option("--asyncapi", is_flag=True, help="The whole feed as an AsyncAPI 3 document.")
def schema(kind: str | None, asyncapi: bool) -> None:
    """Print the JSON Schema of a payload: event, state, status, observation, result, command/NAME.

    Without KIND: all of them, as one JSON object by kind.
    """
    from edge.feed import schemas

    if kind is not None and kind not in schemas.kinds():
        raise click.UsageError(f"there is no {kind!r}; there are {', '.join(schemas.kinds())}")
    if asyncapi:
        document = schemas.asyncapi()
    elif kind is not None:
        document = schemas.schema(kind)
    else:
        document = {name: schemas.schema(name) for name in schemas.kinds()}
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
