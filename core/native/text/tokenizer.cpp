#include "text/tokenizer.h"

namespace elanus {
namespace {

constexpr CharClass kExtend = kMark | kFormat;
constexpr std::uint32_t kZeroWidthJoiner = 0x200D;

}  // namespace

std::size_t UnicodeMatcher::skip(std::size_t from, CharClass classes) const noexcept {
  for (Char next = at(from); (next.classes & classes) != 0; next = at(from)) from = next.end;
  return from;
}

// Characters of a word with what attaches to them, from `begin`, which is one.
UnicodeMatcher::WordSoFar UnicodeMatcher::extend_word(std::size_t begin) const noexcept {
  WordSoFar word{begin, 0};
  for (Char next = at(begin); (next.classes & (kWord | kExtend)) != 0; next = at(word.end)) {
    word = {next.end, next.classes};
  }
  return word;
}

// Whether the word goes on behind a joiner; then *next is where.
bool UnicodeMatcher::joins(const WordSoFar& word, std::size_t* next) const noexcept {
  const Char joiner = at(word.end);
  if (joiner.code_point == '"') {
    *next = joiner.end;
    return (word.last & kHebrew) != 0 && (at(joiner.end).classes & kHebrew) != 0;
  }
  if ((joiner.classes & (kLetterJoiner | kDecimalJoiner)) == 0) return false;
  *next = skip(joiner.end, kExtend);
  const CharClass after = at(*next).classes;
  // A mark before a joiner is taken to stand on a letter; on a digit it is no number.
  const bool letters = (joiner.classes & kLetterJoiner) != 0 &&
                       (word.last & (kLetter | kMark)) != 0 && (after & kLetter) != 0;
  const bool digits = (joiner.classes & kDecimalJoiner) != 0 && (word.last & kDecimal) != 0 &&
                      (after & kDecimal) != 0;
  return letters || digits;
}

std::size_t UnicodeMatcher::word_end(std::size_t begin) const noexcept {
  WordSoFar word = extend_word(begin);
  for (std::size_t next = 0; joins(word, &next);) word = extend_word(next);
  return word.end;
}

std::size_t UnicodeMatcher::emoji_end(std::size_t begin) const noexcept {
  const Char first = at(begin);
  if ((first.classes & kFlag) != 0) {
    const Char second = at(first.end);
    if ((second.classes & kFlag) != 0) return second.end;
  }
  if ((first.classes & kEmoji) == 0) return begin;
  std::size_t end = skip(first.end, kEmojiModifier);
  while (true) {
    const Char joiner = at(end);
    if (joiner.code_point != kZeroWidthJoiner) return end;
    const Char next = at(joiner.end);
    if ((next.classes & kEmoji) == 0) return end;
    end = skip(next.end, kEmojiModifier);
  }
}

UnicodeMatcher::CjkRun UnicodeMatcher::cjk_run(std::size_t begin) const noexcept {
  CjkRun run{begin, true};
  for (Char next = at(begin); (next.classes & (kCjk | kExtend)) != 0; next = at(run.end)) {
    run.is_plain = run.is_plain && (next.classes & kPlainCjk) != 0;
    run.end = next.end;
  }
  return run;
}

}  // namespace elanus
