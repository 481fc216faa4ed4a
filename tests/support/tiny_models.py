"""Tiny models with random weights, built and saved by the tests that run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import model2vec
import numpy as np
import safetensors.torch
import sentence_transformers
import sentence_transformers.sparse_encoder.modules
import tokenizers
import torch
import transformers

from elanus_rerankers import export_cross_encoder

_WORDS = [
    *("how", "to", "do", "i", "rotate", "rotated", "a", "an", "the", "access", "key", "keys"),
    *("is", "are", "in", "of", "under", "security", "console", "weather", "paris", "each"),
    *("year", "word", "one", "two", "?", "!", ".", ",", ":", "-"),
]
_PIECES = [
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
]


def save_tokenizer(folder: Path) -> Any:
    """Write a WordPiece vocabulary and a BERT tokenizer over it; return the tokenizer."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = list(dict.fromkeys([*special, *_WORDS, *_PIECES]))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.txt"
    file.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(file), model_max_length=64)
    tokenizer.save_pretrained(folder)
    return tokenizer


def bert_config(vocabulary_size: int, labels: int = 1) -> Any:
    """Return a configuration of two layers of 32 dimensions."""
    return transformers.BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        num_labels=labels,
    )


def save_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """Save a sequence classifier with its tokenizer; the same weights for every call."""
    tokenizer = save_tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.BertForSequenceClassification(bert_config(len(tokenizer), labels))
    model.save_pretrained(folder)
    return folder


def save_encoder(folder: Path) -> Path:
    """Save a bare encoder with its tokenizer; the same weights for every call."""
    tokenizer = save_tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.BertModel(bert_config(len(tokenizer)))
    model.save_pretrained(folder)
    return folder


def save_heads(folder: Path, dim: int = 8) -> Path:
    """Save an encoder with the two heads of BGE-M3; token vectors have ``dim`` numbers."""
    save_encoder(folder)
    with torch.random.fork_rng():
        torch.manual_seed(8)
        for name, size in (("sparse_linear", 1), ("colbert_linear", dim)):
            torch.save(torch.nn.Linear(32, size).state_dict(), folder / f"{name}.pt")
    return folder


def save_colbert(folder: Path, *, attend: bool = False, expand: bool = True) -> Path:
    """Save an encoder with the linear layer and the settings that PyLate writes."""
    save_encoder(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["[Q] ", "[D] "])
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.BertModel(bert_config(len(tokenizer)))
        weight = torch.nn.Linear(32, 8, bias=False).weight.detach().contiguous()
    model.save_pretrained(folder)
    (folder / "1_Dense").mkdir()
    safetensors.torch.save_file({"linear.weight": weight}, folder / "1_Dense" / "model.safetensors")
    settings = {
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 12,
        "document_length": 20,
        "attend_to_expansion_tokens": attend,
        "do_query_expansion": expand,
        "skiplist_words": [".", "?", ":"],
    }
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return folder


def save_masked_model(folder: Path) -> Path:
    """Save a SPLADE model: a masked language model, and pooling over its logits."""
    raw = folder / "raw"
    tokenizer = save_tokenizer(raw)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        transformers.BertForMaskedLM(bert_config(len(tokenizer))).save_pretrained(raw)
    sparse = sentence_transformers.sparse_encoder.modules
    modules = [
        sparse.MLMTransformer(str(raw), max_seq_length=64),
        sparse.SpladePooling(pooling_strategy="max"),
    ]
    encoder = sentence_transformers.SparseEncoder(modules=modules, device="cpu")
    encoder.save_pretrained(str(folder / "splade"))
    return folder / "splade"


def save_static_model(folder: Path) -> Path:
    """Save a model2vec model of 16 dimensions over the tiny vocabulary."""
    tokenizer = save_tokenizer(folder / "raw").backend_tokenizer
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("$A", None, [])
    table = np.random.default_rng(7).standard_normal((tokenizer.get_vocab_size(), 16))
    model = model2vec.StaticModel(table.astype(np.float32), tokenizer, config={"normalize": False})
    model.save_pretrained(folder / "static")
    return folder / "static"


def save_decoder(folder: Path, *, causal_head: bool = False) -> Path:
    """Save a Qwen3 model of two layers with a word tokenizer that ends texts with ``<eos>``."""
    words = ["<unk>", "<pad>", "<eos>", "yes", "no", "Yes", "No", *_WORDS, *_PIECES]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(words))}
    raw = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if not causal_head:
        eos = vocabulary["<eos>"]
        raw.post_processor = tokenizers.processors.TemplateProcessing(
            single="$A <eos>", special_tokens=[("<eos>", eos)]
        )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", pad_token="<pad>", eos_token="<eos>"
    )
    tokenizer.model_max_length = 256
    tokenizer.save_pretrained(folder)
    config = transformers.Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        max_position_embeddings=256,
        initializer_range=0.5,
        pad_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = transformers.Qwen3ForCausalLM if causal_head else transformers.Qwen3Model
        made(config).save_pretrained(folder)
    return folder


def save_flashrank(folder: Path) -> Path:
    """Lay a tiny cross-encoder out as FlashRank keeps its smallest model; return its source."""
    source = save_cross_encoder(folder / "model")
    graph = export_cross_encoder(source, folder / "onnx", offline=True)
    home = folder / "ms-marco-TinyBERT-L-2-v2"
    home.mkdir()
    (home / "flashrank-TinyBERT-L-2-v2.onnx").write_bytes((graph / "model.onnx").read_bytes())
    (home / "tokenizer.json").write_bytes((graph / "tokenizer.json").read_bytes())
    (home / "vocab.txt").write_bytes((source / "vocab.txt").read_bytes())
    settings: dict[str, Any] = {
        "config.json": {"pad_token_id": 0},
        "tokenizer_config.json": {"model_max_length": 64, "pad_token": "[PAD]"},
        "special_tokens_map.json": {"unk_token": "[UNK]", "sep_token": "[SEP]"},
    }
    for name, content in settings.items():
        (home / name).write_text(json.dumps(content))
    return source
