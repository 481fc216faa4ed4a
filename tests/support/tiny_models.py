"""Tiny BERT models with random weights, built and saved by the tests that run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

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
