"""Functions of collections that are there: models that embed texts, BM25 and MinHash.

A field that BM25 or MinHash fills is nothing without its function, so the two come and go together;
a field of vectors takes a model, or gives it up, and keeps its vectors.
"""

from __future__ import annotations

from typing import Any

from elanus import Embedding
from elanus_server.codec.schema import function_of
from elanus_server.failures import invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.registry import rpc
from elanus_server.wire import schema as messages


@rpc("AddCollectionFunction")
def add_collection_function(call: Call, request: Any) -> None:
    hosted, wanted = _hosted(call, request), request.functionSchema
    if any(known.name == wanted.name for known in hosted.known.message.functions):
        raise invalid(f"function name already exists: {wanted.name}")
    output, made = _embedding_of(wanted, "currently does not support adding {kind} function")
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
    known = known_function(hosted, request.function_name)
    if wanted.name != known.name:
        raise invalid(
            f"invalid function config, name not match: {request.function_name} and {wanted.name}"
        )
    for what in ("type", "input_field_names", "output_field_names"):
        if getattr(wanted, what) != getattr(known, what):
            raise invalid(f"function {known.name}: its {what} cannot be altered")
    output, made = _embedding_of(wanted, "currently does not support alter {kind} function")
    hosted.collection.alter_field(output, embedding=made)
    _keep(hosted, wanted, instead_of=known.name)


@rpc("DropCollectionFunction")
def drop_collection_function(call: Call, request: Any) -> None:
    hosted = _hosted(call, request)
    drop_function(hosted, known_function(hosted, request.function_name))


def drop_function(hosted: Hosted, known: Any) -> None:
    """Remove a function, a ``FunctionSchema``, from a collection; its field keeps its vectors.

    Raises:
        MilvusError: It is BM25 or MinHash.
    """
    output, _ = _embedding_of(
        known,
        "{kind} function must be dropped with its output field in drop_function_field interface: "
        f"{known.name}",
    )
    hosted.collection.alter_field(output, embedding=None)
    _keep(hosted, None, instead_of=known.name)


def _hosted(call: Call, request: Any) -> Hosted:
    if request.collection_name or not request.collectionID:
        return call.hosted(request)
    return call.by_number(request.collectionID, request)


def known_function(hosted: Hosted, name: str) -> Any:
    """Return the ``FunctionSchema`` of this name.

    Raises:
        MilvusError: There is none.
    """
    if not name:
        raise invalid("function name is empty")
    found = [f for f in hosted.known.message.functions if f.name == name]
    if not found:
        raise invalid(f"function not found: {name}")
    return found[0]


def droppable_output(hosted: Hosted, known: Any) -> str:
    """Return the field that a function fills, which is to go with it.

    Raises:
        MilvusError: It stays, as Milvus says.
    """
    if known.type not in (messages.FunctionType.BM25, messages.FunctionType.MinHash):
        raise invalid(
            f"only BM25 and MinHash functions support dropping output fields: {known.name}"
        )
    (name,) = known.output_field_names
    if _is_last_vector(hosted, name):
        raise invalid(
            f"cannot drop function {known.name}: it would leave no vector field in the collection"
        )
    return str(name)


def check_droppable(hosted: Hosted, name: str) -> None:
    """Refuse to drop a field that Milvus keeps, in its words.

    Raises:
        MilvusError: There is none of this name, or it stays.
    """
    if not name:
        raise invalid("field name is empty")
    schema = hosted.collection.schema
    found = next((f for f in schema.fields if f.name == name), None)
    if found is None:
        raise invalid(f"field not found: {name}")
    for kind, is_one in (
        ("primary key", found.primary),
        ("partition key", found.partition_key),
        ("clustering key", found.clustering_key),
    ):
        if is_one:
            raise invalid(f"cannot drop {kind} field: {name}")
    for function in hosted.known.message.functions:
        if name in function.input_field_names:
            raise invalid(f"field is referenced by function {function.name} as input")
        if name in function.output_field_names:
            raise invalid(
                f"field is referenced by function {function.name} as output, drop function first"
            )
    if _is_last_vector(hosted, name):
        if found.struct is None:
            raise invalid(f"cannot drop the last vector field: {name}")
        raise invalid(
            f"cannot drop struct array field {name}: it would leave no vector field in the "
            f"collection"
        )


def _is_last_vector(hosted: Hosted, name: str) -> bool:
    """Whether a field, or struct, has all the vectors of a collection."""
    with_vectors = {
        f.name
        for f in hosted.collection.schema.fields
        if f.vector_type.is_vector or any(part.vector_type.is_vector for part in f.struct or ())
    }
    return with_vectors == {name}


def _embedding_of(function: Any, refused: str) -> tuple[str, Embedding]:
    """Return the output of a function that embeds; ``refused`` is the error of other kinds, whose
    field comes and goes with them."""
    found = function_of(function)
    if found is None:
        raise invalid(f"function {function.name}: a ranker belongs to a search")
    output, made = found
    if not isinstance(made, Embedding):
        raise invalid(refused.replace("{kind}", type(made).__name__))
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
