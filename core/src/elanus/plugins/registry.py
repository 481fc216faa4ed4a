"""Which embedder, reranker or part of an analyzer does a name stand for?

Names are declared by entry points, in the groups ``elanus.embeddings``, ``elanus.rerankers`` and
``elanus.analyzers``; the value is a factory that takes keyword arguments. A factory is imported
when it is first asked for. A provider is never guessed from a part of a model name: the text before
the first ":" is the name, the text after it goes to the factory as ``model``.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

from elanus.errors import (
    ElanusError,
    InvalidArgumentError,
    PluginError,
    PluginNotInstalledError,
)
from elanus.plugins.adapters import adapted_embedder
from elanus.plugins.config import check_storable
from elanus.plugins.protocols import (
    AnyEmbedder,
    Embedder,
    HybridEmbedder,
    MultiVectorEmbedder,
    Reranker,
    SparseEmbedder,
    VectorKind,
)
from elanus.plugins.trust import check_stored_key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True, slots=True)
class _Group:
    """One kind of plug-in.

    Attributes:
        noun: What it is called in messages.
        entry_points: Its entry-point group.
        members: Attributes that every plug-in of the group has.
        provided_by: What to install for the names that are known to exist.
        distribution: What to install for any name at all.
    """

    noun: str
    entry_points: str
    members: tuple[str, ...]
    provided_by: Mapping[str, str]
    distribution: str


_EMBEDDERS: Final = _Group(
    noun="embedder",
    entry_points="elanus.embeddings",
    members=("info", "embed_documents", "embed_queries"),
    provided_by={
        "hash": "elanus-embeddings",
        "lsa": "elanus-embeddings",
        "minilm": "elanus-embeddings[minilm]",
        "sentence-transformers": "elanus-embeddings[sentence-transformers]",
        "splade": "elanus-embeddings[sentence-transformers]",
        "transformers": "elanus-embeddings[transformers]",
        "late-interaction": "elanus-embeddings[transformers]",
        "bge-m3": "elanus-embeddings[transformers]",
        "onnx": "elanus-embeddings[onnx]",
        "model2vec": "elanus-embeddings[model2vec]",
        "fastembed": "elanus-embeddings[fastembed]",
        "truncated": "elanus-embeddings",
        "openai": "elanus-embeddings",
        "ollama": "elanus-embeddings",
        "tei": "elanus-embeddings",
        "cohere": "elanus-embeddings",
        "voyage": "elanus-embeddings",
        "jina": "elanus-embeddings",
        "gemini": "elanus-embeddings",
        "mistral": "elanus-embeddings",
        "bedrock-titan": "elanus-embeddings",
        "bedrock-cohere": "elanus-embeddings",
        "vertex": "elanus-embeddings[vertex]",
        "nvidia": "elanus-embeddings",
        "mixedbread": "elanus-embeddings",
        "dashscope": "elanus-embeddings",
        "siliconflow": "elanus-embeddings",
        "yandex": "elanus-embeddings",
        "huggingface": "elanus-embeddings",
    },
    distribution="elanus-embeddings",
)
_RERANKERS: Final = _Group(
    noun="reranker",
    entry_points="elanus.rerankers",
    members=("info", "score"),
    provided_by={
        "lexical": "elanus-rerankers",
        "cross-encoder": "elanus-rerankers[cross-encoder]",
        "onnx-cross-encoder": "elanus-rerankers[onnx]",
        "yes-no": "elanus-rerankers[cross-encoder]",
        "flashrank": "elanus-rerankers[flashrank]",
        "maxsim": "elanus-rerankers",
        "llm-pointwise": "elanus-rerankers",
        "llm-listwise": "elanus-rerankers",
        "cohere": "elanus-rerankers",
        "voyage": "elanus-rerankers",
        "jina": "elanus-rerankers",
        "tei": "elanus-rerankers",
        "vllm": "elanus-rerankers",
        "bedrock": "elanus-rerankers",
        "vertex": "elanus-rerankers[vertex]",
        "nvidia": "elanus-rerankers",
        "nim": "elanus-rerankers",
        "mixedbread": "elanus-rerankers",
        "dashscope": "elanus-rerankers",
        "siliconflow": "elanus-rerankers",
    },
    distribution="elanus-rerankers",
)
_ANALYZERS: Final = _Group(
    noun="analyzer plug-in",
    entry_points="elanus.analyzers",
    members=(),
    provided_by={},
    distribution="",
)


def get_embedder(spec: str | Embedder, /, **config: object) -> Embedder:
    """Return the dense embedder that ``spec`` stands for.

    Args:
        spec: A name (``"minilm"``), a name with a model (``"sentence-transformers:BAAI/bge-m3"``),
            or an object that fulfils ``Embedder``, which is returned as it is. An embedding object
            of LangChain or LlamaIndex is taken as well.
        config: Keyword arguments of the factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name, or a package that it needs is
            missing.
        InvalidArgumentError: The factory does not take these arguments, the object does not fulfil
            the protocol, or the embedder makes vectors of another kind.
        PluginError: Two distributions claim the name, or its factory returned something else.
    """
    return cast(Embedder, _of_kind(get_embedding(spec, **config), VectorKind.DENSE, spec))


def get_sparse_embedder(spec: str | SparseEmbedder, /, **config: object) -> SparseEmbedder:
    """Return the sparse embedder that ``spec`` stands for; else as ``get_embedder``."""
    return cast(SparseEmbedder, _of_kind(get_embedding(spec, **config), VectorKind.SPARSE, spec))


def get_multivector_embedder(
    spec: str | MultiVectorEmbedder, /, **config: object
) -> MultiVectorEmbedder:
    """Return the embedder of token vectors that ``spec`` stands for; else as ``get_embedder``."""
    made = _of_kind(get_embedding(spec, **config), VectorKind.MULTIVECTOR, spec)
    return cast(MultiVectorEmbedder, made)


def get_embedding(spec: str | AnyEmbedder, /, **config: object) -> AnyEmbedder:
    """Return the embedder of any kind that ``spec`` stands for; else as ``get_embedder``.

    ``info.kind`` of what is returned tells which kind it is.
    """
    return cast(AnyEmbedder, _resolve(_EMBEDDERS, adapted_embedder(spec), config))


def get_reranker(spec: str | Reranker, /, **config: object) -> Reranker:
    """Return the reranker that ``spec`` stands for; else as ``get_embedder``."""
    return cast(Reranker, _resolve(_RERANKERS, spec, config))


def embedder_from_config(config: Mapping[str, object]) -> Embedder:
    """Build the dense embedder that ``plugin_config`` described.

    Raises:
        PluginNotInstalledError: It was an object of the user's own, or is not installed here.
    """
    return cast(Embedder, embedding_from_config(config, VectorKind.DENSE))


def embedding_from_config(config: Mapping[str, object], kind: VectorKind) -> AnyEmbedder:
    """Build the embedder of any kind that ``plugin_config`` described.

    Args:
        config: What ``plugin_config`` returned.
        kind: Which vectors it makes; a hybrid model serves each kind.

    Raises:
        PluginNotInstalledError: It was an object of the user's own, or is not installed here.
        PluginError: It would send a key to a host that is not trusted (``plugins.trust``).
        InvalidArgumentError: It makes vectors of another kind.
    """
    name, params = _stored(_EMBEDDERS, config)
    return _of_kind(get_embedding(name, **params), kind, name)


def reranker_from_config(config: Mapping[str, object]) -> Reranker:
    """Build the reranker that ``plugin_config`` described; else as ``embedder_from_config``."""
    name, params = _stored(_RERANKERS, config)
    return get_reranker(name, **params)


def installed_embedders() -> tuple[str, ...]:
    """Return the names of the installed embedders, dense and sparse, sorted."""
    return tuple(sorted(_declared(_EMBEDDERS.entry_points)))


def installed_rerankers() -> tuple[str, ...]:
    """Return the names of the installed rerankers, sorted."""
    return tuple(sorted(_declared(_RERANKERS.entry_points)))


def make_analysis(name: str, settings: Mapping[str, object]) -> object:
    """Return what the factory of a plug-in for the analysis of texts makes.

    Args:
        name: Its name in the group ``elanus.analyzers``.
        settings: Keyword arguments of the factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name, or it cannot be imported.
        InvalidArgumentError: The factory does not take these settings.
        PluginError: Two distributions claim the name, or the factory failed.
    """
    check_storable(f"analyzer plug-in {name!r}: settings", settings)
    factory = _factory(_ANALYZERS, name)
    try:
        return _call(_ANALYZERS, name, factory, settings)
    except ElanusError:
        raise
    except Exception as error:
        raise PluginError(
            f"analyzer plug-in {name!r} cannot be made with {dict(settings)}: "
            f"{type(error).__name__}: {error}"
        ) from error


def installed_analyzers() -> tuple[str, ...]:
    """Return the names of the installed plug-ins for the analysis of texts, sorted."""
    return tuple(sorted(_declared(_ANALYZERS.entry_points)))


def analyzer_origin(name: str) -> tuple[str, str]:
    """Return the distribution that declares a plug-in for texts, and its version; "" if unknown."""
    for point in _declared(_ANALYZERS.entry_points).get(name, ()):
        if point.dist is not None:
            return point.dist.name, point.dist.version
    return "", ""


def require_package(module: str, *, plugin: str, extra: str) -> ModuleType:
    """Import an optional package that a plug-in needs.

    Args:
        module: Import name of the package.
        plugin: Name of the plug-in, for the message.
        extra: What pip has to install, such as ``"elanus-embeddings[minilm]"``.

    Raises:
        PluginNotInstalledError: The package is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PluginNotInstalledError(
            f"{plugin!r} needs the package {module!r}, which cannot be imported ({error}): "
            f"pip install '{extra}'",
            name=plugin,
            extra=extra,
        ) from error


def _resolve(group: _Group, spec: object, config: Mapping[str, object]) -> object:
    if not isinstance(spec, str):
        _check_members(group, spec)
        if config:
            raise InvalidArgumentError(
                f"{group.noun}: options {sorted(config)} were given with a finished "
                f"{type(spec).__name__}; options go with a name"
            )
        return spec
    name, colon, model = spec.partition(":")
    params = dict(config)
    if colon:
        if not model or "model" in params:
            raise InvalidArgumentError(
                f"{group.noun} {spec!r}: expected one model, as 'name:model' or as model=..., got "
                f"{model!r} and {params.get('model')!r}"
            )
        params["model"] = model
    made = _call(group, name, _factory(group, name), params)
    missing = _missing_members(group, made)
    if missing:
        raise PluginError(
            f"{group.noun} {name!r}: its factory returned {type(made).__name__}, which lacks "
            f"{', '.join(missing)}"
        )
    return made


def _factory(group: _Group, name: str) -> Callable[..., object]:
    if name not in _declared(group.entry_points):
        # Something may have been installed since the last look, as happens in notebooks.
        _scan.cache_clear()
    found = _declared(group.entry_points).get(name, ())
    if not found:
        raise _not_installed(group, name)
    if len(found) > 1:
        owners = sorted(point.dist.name if point.dist else point.value for point in found)
        raise PluginError(
            f"{group.noun} {name!r} is declared by {' and '.join(owners)}: uninstall all but one"
        )
    try:
        factory = found[0].load()
    except ImportError as error:
        extra = group.provided_by.get(name)
        raise PluginNotInstalledError(
            f"{group.noun} {name!r} ({found[0].value}) cannot be imported: {error}",
            name=name,
            extra=extra,
        ) from error
    return cast(Callable[..., object], factory)


def _call(
    group: _Group, name: str, factory: Callable[..., object], params: Mapping[str, object]
) -> object:
    signature = inspect.signature(factory)
    try:
        signature.bind(**params)
    except TypeError as error:
        accepted = ", ".join(signature.parameters) or "none"
        model, hint = signature.parameters.get("model"), ""
        if model is None and "model" in params:
            hint = f"; it has one model, and its name is {name!r}"
        elif model and model.default is model.empty and "model" not in params:
            hint = f"; write '{name}:MODEL'"
        raise InvalidArgumentError(
            f"{group.noun} {name!r}: {error}{hint}; its options are: {accepted}"
        ) from error
    return factory(**params)


def _not_installed(group: _Group, name: str) -> PluginNotInstalledError:
    installed = sorted(_declared(group.entry_points))
    extra = group.provided_by.get(name)
    lines = [f"no {group.noun} called {name!r} is installed."]
    lines.append(f"Installed: {', '.join(installed) or 'none'}.")
    close = difflib.get_close_matches(name, {*installed, *group.provided_by} - {name}, n=1)
    if extra is None and close:
        lines.append(f"Did you mean {close[0]!r}?")
        if close[0] not in installed:
            extra = group.provided_by[close[0]]
    if extra is None and not installed:
        extra = group.distribution or None
    if extra is not None:
        lines.append(f"To install: pip install '{extra}'.")
    lines.append("A model is named after its provider, as in 'provider:model'.")
    return PluginNotInstalledError(" ".join(lines), name=name, extra=extra)


def _declared(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    return _scan(group, tuple(sys.path))


@functools.lru_cache(maxsize=8)
def _scan(group: str, path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """Read every installed distribution, which takes milliseconds; ``path`` is part of the key."""
    del path
    # It brings a reader of e-mail with it, and most programs name no plug-in.
    from importlib.metadata import entry_points

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def _missing_members(group: _Group, plugin: object) -> list[str]:
    return [member for member in group.members if not _has(plugin, member)]


def _has(plugin: object, member: str) -> bool:
    # A look without evaluation first: ``info`` of a local model may have to load it.
    try:
        inspect.getattr_static(plugin, member)
    except AttributeError:
        return hasattr(plugin, member)
    return True


def _check_members(group: _Group, plugin: object) -> None:
    missing = _missing_members(group, plugin)
    if missing:
        raise InvalidArgumentError(
            f"{group.noun}: expected a name or an object with {', '.join(group.members)}; "
            f"{type(plugin).__name__} lacks {', '.join(missing)}"
        )


def _of_kind(embedder: AnyEmbedder, kind: VectorKind, spec: object) -> AnyEmbedder:
    found = embedder.info.kind
    if found is kind:
        return embedder
    if found is VectorKind.HYBRID:
        return cast(HybridEmbedder, embedder).view(kind)
    raise InvalidArgumentError(
        f"embedder {spec!r} makes {found} vectors, expected one that makes {kind} vectors"
    )


def _stored(group: _Group, config: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    name, params = config.get("name"), config.get("params")
    if not isinstance(name, str):
        raise InvalidArgumentError(
            f"stored {group.noun}: expected a mapping with 'name' and 'params', got {config!r}"
        )
    if not isinstance(params, Mapping):
        raise PluginNotInstalledError(
            f"the stored {group.noun} {name!r} is an object of your own that cannot be built from "
            f"its configuration: pass {group.noun}=... when you open the collection",
            name=name,
        )
    stored = {str(key): value for key, value in params.items()}
    check_stored_key(group.noun, name, stored)
    return name, stored
