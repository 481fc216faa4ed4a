"""Which sentences of the context answer the question?"""

import math
import re
from collections import Counter

PASSAGE = re.compile(r"^\[(?P<source>[^\]]+)\] (?P<text>.*)$", re.MULTILINE)
"""A passage of a prompt: its source in brackets, then its text, on one line."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w+")
_STOP_WORDS = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how"}
    | {"i", "in", "is", "it", "my", "of", "on", "or", "that", "the", "this", "to", "was"}
    | {"what", "when", "where", "which", "who", "why", "with", "you", "your"}
)


def write_passages(passages: list[tuple[str, str]]) -> str:
    """Return (source, text) pairs as the part of a prompt that ``best_sentences`` reads."""
    return "\n".join(f"[{source}] {' '.join(text.split())}" for source, text in passages)


def best_sentences(context: str, question: str, limit: int = 2) -> str:
    """Return the sentences that share the rarest words with the question, with their sources.

    Args:
        context: A prompt with passages as ``write_passages`` writes them.
        question: What was asked.
        limit: Most sentences in the answer.
    """
    sentences = [
        (match["source"], sentence)
        for match in PASSAGE.finditer(context)
        for sentence in _SENTENCE_END.split(match["text"])
    ]
    counts = Counter(stem for _, sentence in sentences for stem in _stems(sentence))
    wanted = _stems(question)
    scored = [
        (sum(math.log(1 + len(sentences) / counts[stem]) for stem in wanted & _stems(text)), i)
        for i, (_, text) in enumerate(sentences)
    ]
    best = sorted((score, -i) for score, i in scored if score > 0)[-limit:][::-1]
    if not best:
        return "The documents do not say."
    chosen = [sentences[-i] for _, i in best]
    return " ".join(f"{text} [{source}]" for source, text in dict.fromkeys(chosen))


def _stems(text: str) -> set[str]:
    """Return the first letters of each word, which joins most forms of one word."""
    words = (word.lower() for word in _WORD.findall(text))
    return {word[:5] for word in words if word not in _STOP_WORDS}
