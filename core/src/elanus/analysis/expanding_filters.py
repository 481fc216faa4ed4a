"""How does one token become several terms?

``expand`` of a filter returns all terms of a token, none to drop it. They stand at its place, so
that a phrase finds the text by any of them. Filters are safe from many threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from elanus.analysis.plugin_parts import PluginExpander
from elanus.errors import PluginNotInstalledError, SchemaError


class DecompounderFilter:
    """Splits a compound into the words of a list that it is made of, as in Tantivy.

    From the left, the longest word of the list that goes on counts. A token that the list does not
    cover from end to end stays as it is.

    Attributes:
        word_list: The words.
    """

    def __init__(self, word_list: Iterable[str]) -> None:
        self.word_list = tuple(word_list)
        longest_first = sorted(filter(None, self.word_list), key=len, reverse=True)
        if not longest_first:
            raise SchemaError("decompounder: word_list: expected at least one word, got none")
        self._word = re.compile("|".join(map(re.escape, longest_first)))

    def expand(self, token: str) -> Sequence[str]:
        parts: list[str] = self._word.findall(token)
        # What the words leave out shows in the length: they do not overlap.
        return parts if sum(map(len, parts)) == len(token) else [token]

    def to_params(self) -> str | dict[str, object]:
        return {"type": "decompounder", "word_list": list(self.word_list)}


class SynonymFilter:
    r"""Puts words that mean the same in place of a token, or beside it.

    A rule is ``"a, b, c"`` (each means all of them) or ``"a, b => c, d"`` (what is left of the
    arrow becomes what is right of it). ``\`` stands before a comma, a space, ``=>`` or itself that
    belongs to a word.

    Attributes:
        synonyms: The rules.
        expand_all: With True, the token itself stays, and each word of ``"a, b, c"`` becomes all
            three; with False it becomes the first one.
    """

    def __init__(self, synonyms: Iterable[str], expand_all: bool = True) -> None:
        self.synonyms = tuple(synonyms)
        self.expand_all = expand_all
        terms: dict[str, dict[str, None]] = {}
        for rule in self.synonyms:
            left, right = _read_rule(rule)
            words = right if right is not None else left if expand_all else left[:1]
            for word in left:
                made = terms.setdefault(word, {word: None} if expand_all else {})
                made.update(dict.fromkeys(words))
        self._terms = {word: tuple(made) for word, made in terms.items()}

    def expand(self, token: str) -> Sequence[str]:
        return self._terms.get(token) or (token,)

    def to_params(self) -> str | dict[str, object]:
        params: dict[str, object] = {"type": "synonym", "synonyms": list(self.synonyms)}
        return params if self.expand_all else {**params, "expand": False}


def _read_rule(rule: str) -> tuple[list[str], list[str] | None]:
    """Return the words left and right of the arrow; None when there is no arrow.

    Raises:
        SchemaError: The rule does not read as one.
    """
    sides: list[list[str]] = [[]]
    word, between, end = "", False, 0
    for match in _RULE_PART.finditer(rule):
        if match.start() > end:
            break
        end = match.end()
        escaped, mark, space, plain = match.groups()
        if mark:
            if word:
                sides[-1].append(word)
            if mark == "=>":
                sides.append([])
            word, between = "", False
        elif space:
            between = bool(word)
        elif between:
            raise _bad_rule(rule, "a space stands inside of a word; write '\\ ' for it")
        else:
            word += escaped or plain
    if end < len(rule):
        raise _bad_rule(rule, f"nothing is escaped by {rule[end : end + 2]!r}")
    if word:
        sides[-1].append(word)
    if len(sides) > 2:
        raise _bad_rule(rule, "it has more than one '=>'")
    if not sides[0]:
        raise _bad_rule(rule, "it has no word")
    return sides[0], sides[1] if len(sides) == 2 else None


# An escaped character, a separator, spaces, or anything else.
_RULE_PART = re.compile(r"\\(=>|[,\\ ])|(,|=>)|( +)|([^\\])")


def _bad_rule(rule: str, why: str) -> SchemaError:
    return SchemaError(f"synonym: synonyms: {rule!r}: {why}; expected 'a, b, c' or 'a, b => c, d'")


class PinyinFilter:
    """Puts the pinyin of Chinese characters beside a token, read with the library ``pypinyin``.

    Attributes:
        options: ``keep_original`` (the token itself), ``keep_full_pinyin`` (one term for each
            character), ``keep_joined_full_pinyin`` (all of them as one term) and
            ``keep_separate_first_letter`` (their first letters as one term).

    Raises:
        PluginNotInstalledError: ``pypinyin`` is not installed.
    """

    DEFAULTS: Mapping[str, bool] = {
        "keep_original": True,
        "keep_full_pinyin": True,
        "keep_joined_full_pinyin": False,
        "keep_separate_first_letter": False,
    }

    def __init__(self, options: Mapping[str, bool] | None = None) -> None:
        self._given = dict(options or {})
        self.options = {**self.DEFAULTS, **self._given}
        try:
            from pypinyin import lazy_pinyin
        except ImportError:
            raise PluginNotInstalledError(
                "analyzer: filter 'pinyin' needs pypinyin, which is not installed; "
                "pip install 'elanus[pinyin]'",
                name="pinyin",
                extra="elanus[pinyin]",
            ) from None
        self._pinyin = lazy_pinyin

    def expand(self, token: str) -> Sequence[str]:
        syllables = [] if token.isascii() else self._pinyin(token, errors="ignore")
        options = self.options
        terms = [token] if options["keep_original"] else []
        if options["keep_full_pinyin"]:
            terms += syllables
        if syllables and options["keep_joined_full_pinyin"]:
            terms.append("".join(syllables))
        if syllables and options["keep_separate_first_letter"]:
            terms.append("".join(syllable[0] for syllable in syllables))
        return terms

    def to_params(self) -> str | dict[str, object]:
        return {"type": "pinyin", **self._given} if self._given else "pinyin"


ExpandingFilter = DecompounderFilter | SynonymFilter | PinyinFilter | PluginExpander
