"""Functions of collections that are there: models that embed texts, and BM25.

A field that BM25 fills is nothing without its function, so the two come and go together; a field of
vectors takes a model, or gives it up, and keeps its vectors.
"""

from __future__ import annotations

from typing import Any

from elanus import Embedding
from elanus_server.codec.schema import function_of
from elanus_server.failures import invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.registry import rpc


@rpc("AddCollectionFunction")
def add_collection_function(call: Call, request: Any) -> None:
    hosted, wanted = _hosted(call, request), request.functionSchema
    if any(known.name == wanted.name for known in hosted.known.message.functions):
        raise invalid(f"function name already exists: {wanted.name}")
    output, made = _embedding_of(wanted, "adding")
    field = next((f for f in hosted.collection.schema.fields if f.name == output), None)
    if field is None:
        raise invalid(f"function output field not found: {output}")
    if field.embedding is not None or field.source is not None:
        raise invalid(f"function output field {output} is the output of another function")
    hosted.collection.alter_field(output, embedding=made)
    _keep(hosted, wanted, instead_of=None)


@rpc("AlterCollectionFunction")
def alter_collection_function(call: Call, request: Any) -> None:
    hosted, wanted = _hosted(call, request), request.functionSchema
    known = _known(hosted, request.function_name)
    if wanted.name != known.name:
        raise invalid(
            f"invalid function config, name not match: {request.function_name} and {wanted.name}"
        )
    for what in ("type", "input_field_names", "output_field_names"):
        if getattr(wanted, what) != getattr(known, what):
            raise invalid(f"function {known.name}: its {what} cannot be altered")
    output, made = _embedding_of(wanted, "altering")
    hosted.collection.alter_field(output, embedding=made)
    _keep(hosted, wanted, instead_of=known.name)


@rpc("DropCollectionFunction")
def drop_collection_function(call: Call, request: Any) -> None:
    hosted = _hosted(call, request)
    drop_function(hosted, _known(hosted, request.function_name))


def drop_function(hosted: Hosted, known: Any) -> None:
    """Remove a function, a ``FunctionSchema``, from a collection; its field keeps its vectors.

    Raises:
        MilvusError: It is BM25.
    """
    output, _ = _embedding_of(known, "dropping")
    hosted.collection.alter_field(output, embedding=None)
    _keep(hosted, None, instead_of=known.name)


def _hosted(call: Call, request: Any) -> Hosted:
    if request.collection_name or not request.collectionID:
        return call.hosted(request)
    return call.by_number(request.collectionID, request)


def _known(hosted: Hosted, name: str) -> Any:
    found = [f for f in hosted.known.message.functions if f.name == name]
    if not found:
        raise invalid(f"function not found: {name}")
    return found[0]


def _embedding_of(function: Any, doing: str) -> tuple[str, Embedding]:
    found = function_of(function)
    if found is None:
        raise invalid(f"function {function.name}: a ranker belongs to a search")
    output, made = found
    if not isinstance(made, Embedding):
        raise invalid(
            f"currently does not support {doing} BM25 function; its field comes and goes with it: "
            f"see add_function_field and drop_function_field"
        )
    return output, made


def _keep(hosted: Hosted, wanted: Any, *, instead_of: str | None) -> None:
    """Remember a function; None: no more the one that is replaced."""
    kept = hosted.schema()
    functions = [f for f in kept.functions if f.name != instead_of]
    # An altered field is described by what the collection is, so only names are remembered here.
    functions = [f for f in functions if wanted is None or f.name != wanted.name]
    if wanted is not None:
        outputs = set(wanted.output_field_names)
        functions = [f for f in functions if outputs.isdisjoint(f.output_field_names)]
        functions.append(wanted)
    del kept.functions[:]
    kept.functions.extend(functions)
    hosted.keep_schema(kept)
