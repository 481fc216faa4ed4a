"""How does a sentence-transformers model become a folder that ONNX Runtime runs?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import require_package
from elanus.plugins.onnx_graphs import quantize, write_graph
from elanus_embeddings.encoder import without_progress_bar

_PLUGIN: Final = "export_onnx"
_EXTRA: Final = "elanus-embeddings[onnx-export]"


def export_onnx(
    model: str | Path,
    folder: str | Path,
    *,
    int8: bool = False,
    revision: str | None = None,
    offline: bool = False,
) -> Path:
    """Write a model as ``model.onnx`` and ``tokenizer.json`` for ``get_embedder("onnx:folder")``.

    Pooling, prompts and the token limit go along. The graph makes hidden states; ``OnnxEmbedder``
    pools them. fastembed runs the folder as well, as a custom model.

    Args:
        model: Folder of a sentence-transformers model, or its name at the Hugging Face Hub.
        folder: Where to write; it is created, and files in it are replaced.
        int8: True to also write ``model_int8.onnx``, with int8 weights and activations that are
            quantized as they come. It is smaller and faster and makes other vectors.
        revision: Branch, tag or commit at the hub, or None for its default.
        offline: True to never use the network.

    Returns:
        ``folder``.

    Raises:
        PluginNotInstalledError: sentence-transformers, onnxruntime or onnx is not installed.
        InvalidArgumentError: The model is not a transformer followed by pooling.
        ProviderError: The model cannot be loaded.
    """
    for needed in ("onnx", "onnxruntime"):
        require_package(needed, plugin=_PLUGIN, extra=_EXTRA)
    loaded = _load(str(model), revision=revision, offline=offline)
    names = [type(module).__name__ for module in loaded]
    if names[:2] != ["Transformer", "Pooling"] or not set(names[2:]) <= {"Normalize"}:
        raise InvalidArgumentError(
            f"{_PLUGIN}: {str(model)!r} consists of {', '.join(names)}; only a transformer with "
            "pooling can be exported"
        )
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    _write_settings(loaded, str(model), out)
    write_graph(loaded[0].model, loaded.tokenizer, out / "model.onnx", "last_hidden_state")
    if int8:
        quantize(out / "model.onnx", out / "model_int8.onnx")
    return out


def _load(model: str, *, revision: str | None, offline: bool) -> Any:
    package = require_package("sentence_transformers", plugin=_PLUGIN, extra=_EXTRA)
    try:
        with without_progress_bar(_PLUGIN, _EXTRA):
            return package.SentenceTransformer(
                model,
                device="cpu",
                revision=revision,
                local_files_only=offline,
                # The other kernels have no form in ONNX.
                model_kwargs={"attn_implementation": "eager"},
            ).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise ProviderError(
            f"{_PLUGIN}: cannot load the model {model!r}: {error}. Check the name or the "
            "folder, and the network if the model has to be fetched."
        ) from error


def _write_settings(loaded: Any, source: str, out: Path) -> None:
    loaded.tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    (out / "1_Pooling").mkdir(exist_ok=True)
    settings = {
        "config.json": {
            "pad_token_id": loaded.tokenizer.pad_token_id,
            "elanus_source": Path(source).name if Path(source).is_dir() else source,
            "prompts": {name: prompt for name, prompt in loaded.prompts.items() if prompt},
        },
        # What fastembed reads beside the tokenizer itself.
        "tokenizer_config.json": {
            "model_max_length": loaded.max_seq_length,
            "pad_token": loaded.tokenizer.pad_token,
        },
        "sentence_bert_config.json": {"max_seq_length": loaded.max_seq_length},
        "1_Pooling/config.json": loaded[1].get_config_dict(),
    }
    for name, content in settings.items():
        (out / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
