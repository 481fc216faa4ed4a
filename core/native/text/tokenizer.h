// Where does a word begin and end? The native half of the tokenizers of `elanus.analysis`.
//
// A piece is a part of the text whose tokens do not depend on what stands around it: one word, one
// emoji, one pair of CJK characters, or a CJK run that has to be normalised before it is paired.
// Pieces end to end have the tokens of the text; what lies between them is in no token.
//
// Source: Unicode Standard Annex 29, section 4.1, rules WB3c to WB16, as `tokenizers.py` reads
// them.
#pragma once

#include <cstddef>

#include "text/char_classes.h"
#include "text/utf8.h"
#include "text/word_bytes.h"

namespace elanus {

enum class TokenizerKind { standard, whitespace };

// Bytes [begin, end) of a text.
struct Piece {
  std::size_t begin;
  std::size_t end;
  bool is_ascii;  // then it is one token, as it stands
};

// Matches of the patterns of `StandardTokenizer` that begin at a character that is not ASCII, or
// that meet one.
class UnicodeMatcher {
 public:
  UnicodeMatcher(Utf8 text, const CharClasses& classes) : text_(text), classes_(classes) {}

  struct Char {
    CharClass classes;
    std::uint32_t code_point;
    std::size_t end;
  };

  // The character at `at`; of no class at the end of the text.
  [[nodiscard]] Char at(std::size_t at) const noexcept {
    if (at >= text_.size()) return {0, kInvalidCodePoint, at};
    const DecodedChar decoded = decode_utf8(text_, at);
    return {classes_.of(decoded.code_point), decoded.code_point, at + decoded.size};
  }

  [[nodiscard]] Utf8 text() const noexcept { return text_; }

  // The end of the word that begins at `begin`, a character of class kWord.
  [[nodiscard]] std::size_t word_end(std::size_t begin) const noexcept;
  // The end of the emoji or flag that begins at `begin`, or `begin` when there is none.
  [[nodiscard]] std::size_t emoji_end(std::size_t begin) const noexcept;

  // The end of the CJK run at `begin`, and whether all of it is kPlainCjk.
  struct CjkRun {
    std::size_t end;
    bool is_plain;
  };
  [[nodiscard]] CjkRun cjk_run(std::size_t begin) const noexcept;

 private:
  // What the last character of a word so far allows to join to it.
  struct WordSoFar {
    std::size_t end;
    CharClass last;
  };

  [[nodiscard]] WordSoFar extend_word(std::size_t begin) const noexcept;
  [[nodiscard]] std::size_t skip(std::size_t from, CharClass classes) const noexcept;
  [[nodiscard]] bool joins(const WordSoFar& word, std::size_t* next) const noexcept;

  Utf8 text_;
  const CharClasses& classes_;
};

// The end of the ASCII word at `begin`, or 0 when a character that is not ASCII may belong to it.
[[nodiscard]] inline std::size_t ascii_word_end(Utf8 text, WordBytes& bytes,
                                                std::size_t begin) noexcept {
  std::size_t end = begin;
  while (true) {
    end = bytes.next_end(end);
    if (end == text.size()) return end;
    if (text[end] >= 0x80) return 0;
    const CharClass joiner = kAsciiClasses[text[end]];
    if ((joiner & kDecimalJoiner) == 0 || end + 1 == text.size()) return end;
    if (text[end + 1] >= 0x80) return 0;
    const CharClass before = kAsciiClasses[text[end - 1]];
    const CharClass both = before & kAsciiClasses[text[end + 1]];
    const bool joined =
        ((joiner & kLetterJoiner) != 0 && (both & kLetter) != 0) || (both & kDecimal) != 0;
    if (!joined) return end;
    ++end;
  }
}

[[nodiscard]] inline bool is_all_underscores(Utf8 word) noexcept {
  for (const std::uint8_t byte : word) {
    if (byte != '_') return false;
  }
  return true;
}

// Calls emit(Piece) for each piece of `text`. Without `classes` it stops at the first character
// that is not ASCII and returns false.
template <typename Emit>
bool standard_pieces(Utf8 text, const CharClasses* classes, Emit emit);

// As above, for words between white space.
template <typename Emit>
bool whitespace_pieces(Utf8 text, const CharClasses* classes, Emit emit);

template <typename Emit>
void emit_cjk_pairs(const UnicodeMatcher& matcher, std::size_t begin, std::size_t end, Emit emit) {
  std::size_t first = begin;
  std::size_t second = matcher.at(first).end;
  if (second == end) emit(Piece{begin, end, false});
  while (second < end) {
    const std::size_t third = matcher.at(second).end;
    emit(Piece{first, third, false});
    first = second;
    second = third;
  }
}

[[nodiscard]] inline bool is_ascii(Utf8 text) noexcept {
  for (const std::uint8_t byte : text) {
    if (byte >= 0x80) return false;
  }
  return true;
}

// A word of underscores alone is none.
template <typename Emit>
void emit_word(Utf8 text, std::size_t begin, std::size_t end, Emit emit) {
  const Utf8 word = text.subspan(begin, end - begin);
  if (word[0] == '_' && is_all_underscores(word)) return;
  emit(Piece{begin, end, is_ascii(word)});
}

// Emits what begins at `begin`, a character that is not ASCII or a word that holds one; returns
// where to go on.
template <typename Emit>
std::size_t emit_unicode(const UnicodeMatcher& matcher, std::size_t begin, Emit emit) {
  const UnicodeMatcher::Char first = matcher.at(begin);
  if ((first.classes & kCjk) != 0) {
    const UnicodeMatcher::CjkRun run = matcher.cjk_run(begin);
    if (run.is_plain) {
      emit_cjk_pairs(matcher, begin, run.end, emit);
    } else {
      emit(Piece{begin, run.end, false});
    }
    return run.end;
  }
  std::size_t end = begin;
  if ((first.classes & kWord) != 0) {
    end = matcher.word_end(begin);
  } else if ((first.classes & (kEmoji | kFlag)) != 0) {
    end = matcher.emoji_end(begin);
  }
  if (end == begin) return first.end;
  emit_word(matcher.text(), begin, end, emit);
  return end;
}

template <typename Emit>
bool standard_pieces(Utf8 text, const CharClasses* classes, Emit emit) {
  WordBytes bytes(text);
  std::size_t at = bytes.next_begin(0);
  while (at < text.size()) {
    const std::size_t end = text[at] < 0x80 ? ascii_word_end(text, bytes, at) : 0;
    if (end != 0) {
      const bool empty = text[at] == '_' && is_all_underscores(text.subspan(at, end - at));
      if (!empty) emit(Piece{at, end, true});
      at = bytes.next_begin(end);
      continue;
    }
    if (classes == nullptr) return false;
    at = bytes.next_begin(emit_unicode(UnicodeMatcher(text, *classes), at, emit));
  }
  return true;
}

template <typename Emit>
bool whitespace_pieces(Utf8 text, const CharClasses* classes, Emit emit) {
  std::size_t at = 0;
  std::size_t begin = 0;
  bool ascii = true;
  while (at < text.size()) {
    CharClass found = 0;
    std::size_t next = at + 1;
    if (text[at] < 0x80) {
      found = kAsciiClasses[text[at]];
    } else {
      if (classes == nullptr) return false;
      const DecodedChar decoded = decode_utf8(text, at);
      found = classes->of(decoded.code_point);
      next = at + decoded.size;
    }
    if ((found & kSpace) != 0) {
      if (at > begin) emit(Piece{begin, at, ascii});
      begin = next;
      ascii = true;
    } else if (text[at] >= 0x80) {
      ascii = false;
    }
    at = next;
  }
  if (at > begin) emit(Piece{begin, at, ascii});
  return true;
}

}  // namespace elanus
