#include "text/text_pattern.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "support/cancel.h"

namespace elanus {
namespace {

constexpr std::size_t kNowhere = ~std::size_t{0};
constexpr std::size_t kChunkBytes = std::size_t{1} << 18U;
constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
constexpr std::uint8_t kCaseBit = 0x20;
// The only other letters with ASCII in their small form: I with a dot, and the sign of Kelvin.
constexpr std::uint8_t kOddI[] = {0xC4, 0xB0};
constexpr std::uint8_t kOddK[] = {0xE2, 0x84, 0xAA};
constexpr std::uint8_t kNoFolds[] = {0, 0, 0};

bool is_inside_character(std::uint8_t byte) { return (byte & 0xC0U) == 0x80; }

std::uint64_t word_at(const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

bool is_ascii(Utf8 bytes) {
  std::uint8_t all = 0;
  for (const std::uint8_t byte : bytes) all |= byte;
  return all < 0x80;
}

}  // namespace

TextPattern::TextPattern(std::span<const std::uint8_t> pattern, bool ignores_case)
    : ignores_case_(ignores_case), find_(find_kernel()) {
  std::vector<Piece> pieces;
  auto begin = pattern.begin();
  while (true) {
    const auto end = std::find(begin, pattern.end(), kAnyText);
    pieces.push_back(to_piece({begin, end}));
    if (end == pattern.end()) break;
    begin = end + 1;
  }
  front_ = pieces.front();
  is_whole_ = pieces.size() == 1;
  if (!is_whole_) back_ = pieces.back();
  for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
    if (!pieces[i].bytes.empty()) middle_.push_back(pieces[i]);
  }
  const bool has_ends = !front_.bytes.empty() || !back_.bytes.empty();
  // Begin and end of a text are looked at sooner than found; but with small letters, texts that
  // cannot be decided here are many where nothing is sought.
  if (has_ends && !ignores_case) {
    begin_word_ = to_word(front_, false);
    end_word_ = to_word(is_whole_ ? front_ : back_, true);
    return;
  }
  for (const Piece& piece : pieces) {
    Piece run = longest_run(piece, ignores_case);
    if (run.bytes.size() > sought_.bytes.size()) sought_ = std::move(run);
  }
  is_enough_ = !has_ends && middle_.size() == 1 && middle_[0].bytes == sought_.bytes;
}

TextPattern::Piece TextPattern::to_piece(std::span<const std::uint8_t> bytes) const {
  Piece piece{{bytes.begin(), bytes.end()}, {}};
  for (const std::uint8_t byte : bytes) {
    const bool is_letter = byte >= 'a' && byte <= 'z';
    piece.folds.push_back(ignores_case_ && is_letter ? kCaseBit : std::uint8_t{0});
  }
  return piece;
}

TextPattern::Piece TextPattern::longest_run(const Piece& piece, bool of_ascii) {
  const auto is_apart = [of_ascii](std::uint8_t byte) {
    return of_ascii ? byte >= 0x80 : byte == kAnyCharacter;
  };
  std::size_t best = 0;
  std::size_t best_size = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= piece.bytes.size(); ++i) {
    if (i < piece.bytes.size() && !is_apart(piece.bytes[i])) continue;
    if (i - begin > best_size) {
      best = begin;
      best_size = i - begin;
    }
    begin = i + 1;
  }
  const auto cut = [&](const std::vector<std::uint8_t>& all) {
    return std::vector<std::uint8_t>(
        std::next(all.begin(), static_cast<std::ptrdiff_t>(best)),
        std::next(all.begin(), static_cast<std::ptrdiff_t>(best + best_size)));
  };
  return {cut(piece.bytes), cut(piece.folds)};
}

TextPattern::Word TextPattern::to_word(const Piece& piece, bool of_end) {
  Word word;
  const std::size_t size = piece.bytes.size();
  for (std::size_t i = 0; i < std::min(size, kWordBytes); ++i) {
    const std::uint8_t byte = piece.bytes[of_end ? size - 1 - i : i];
    if (byte == kAnyCharacter) break;
    const std::size_t shift = 8 * (of_end ? kWordBytes - 1 - i : i);
    word.bytes |= std::uint64_t{byte} << shift;
    word.mask |= std::uint64_t{0xff} << shift;
  }
  return word;
}

void TextPattern::match(const Texts& texts, std::span<std::uint8_t> matching,
                        std::vector<std::int64_t>& undecided) const {
  Answers answers{matching, undecided};
  CancelPoint point;
  Chunk chunk{0, 0};
  while (chunk.first < texts.size()) {
    const std::size_t begin = texts.begin_of(chunk.first);
    chunk.end = chunk.first + 1;
    while (chunk.end < texts.size() && texts.end_of(chunk.end) - begin <= kChunkBytes) ++chunk.end;
    if (sought_.bytes.empty()) {
      match_each(texts, chunk, answers);
    } else {
      match_holding(texts, chunk, answers);
    }
    point.passed(texts.end_of(chunk.end - 1) - begin + chunk.end - chunk.first);
    chunk.first = chunk.end;
  }
}

void TextPattern::match_each(const Texts& texts, Chunk chunk, Answers& answers) const {
  const std::uint8_t* data = texts.data().data();
  const std::size_t size = texts.data().size();
  for (std::size_t i = chunk.first; i < chunk.end; ++i) {
    // Most texts are told by a word at their begin or end, whatever lies beside it; the branches
    // that look at one byte after the other are never foreseen.
    const std::size_t begin = texts.begin_of(i);
    const std::size_t end = texts.end_of(i);
    std::uint64_t differs = 0;
    if (begin + kWordBytes <= size) {
      differs |= (word_at(data + begin) ^ begin_word_.bytes) & begin_word_.mask;
    }
    if (end >= kWordBytes) {
      differs |= (word_at(data + end - kWordBytes) ^ end_word_.bytes) & end_word_.mask;
    }
    if (differs != 0) {
      answers.matching[i] = 0;
    } else {
      decide(texts, i, answers);
    }
  }
}

void TextPattern::match_holding(const Texts& texts, Chunk chunk, Answers& answers) const {
  std::fill(answers.matching.begin() + static_cast<std::ptrdiff_t>(chunk.first),
            answers.matching.begin() + static_cast<std::ptrdiff_t>(chunk.end), std::uint8_t{0});
  const std::size_t end = texts.end_of(chunk.end - 1);
  const std::size_t size = sought_.bytes.size();
  const std::size_t num_undecided = answers.undecided.size();
  std::size_t text = chunk.first;
  std::size_t at = texts.begin_of(text);
  while (at < end) {
    at +=
        find_(texts.data().data() + at, end - at, sought_.bytes.data(), sought_.folds.data(), size);
    if (at >= end) break;
    text = texts.text_at(text, at);
    if (at + size > texts.end_of(text)) {
      ++at;  // what begins in one text and ends in the next stands in neither
      continue;
    }
    if (is_enough_) {
      answers.matching[text] = 1;
    } else {
      decide(texts, text, answers);
    }
    at = texts.end_of(text);
  }
  if (!ignores_case_ || is_ascii({texts.data().data() + texts.begin_of(chunk.first),
                                  end - texts.begin_of(chunk.first)})) {
    return;
  }
  mark_odd_letters(texts, chunk, answers);
  auto& undecided = answers.undecided;
  const auto first = undecided.begin() + static_cast<std::ptrdiff_t>(num_undecided);
  std::sort(first, undecided.end());
  undecided.erase(std::unique(first, undecided.end()), undecided.end());
}

void TextPattern::mark_odd_letters(const Texts& texts, Chunk chunk, Answers& answers) const {
  const std::size_t end = texts.end_of(chunk.end - 1);
  for (const std::span<const std::uint8_t> letter :
       {std::span<const std::uint8_t>(kOddI), std::span<const std::uint8_t>(kOddK)}) {
    std::size_t text = chunk.first;
    std::size_t at = texts.begin_of(text);
    while (at < end) {
      at += find_(texts.data().data() + at, end - at, letter.data(), kNoFolds, letter.size());
      if (at >= end) break;
      text = texts.text_at(text, at);
      if (answers.matching[text] == 0) {
        answers.undecided.push_back(static_cast<std::int64_t>(text));
      }
      at = std::max(at + 1, texts.end_of(text));
    }
  }
}

void TextPattern::decide(const Texts& texts, std::size_t i, Answers& answers) const {
  const Utf8 text = texts[i];
  if (ignores_case_ && !is_ascii(text)) {
    answers.matching[i] = 0;
    answers.undecided.push_back(static_cast<std::int64_t>(i));
    return;
  }
  answers.matching[i] = matches(text) ? 1 : 0;
}

bool TextPattern::matches(Utf8 text) const {
  std::size_t at = match_from(front_, text, 0);
  if (at == kNowhere) return false;
  if (is_whole_) return at == text.size();
  // The end first: it is one look, and says no to most texts.
  const std::size_t end = match_back(back_, text);
  if (end == kNowhere) return false;
  for (const Piece& piece : middle_) {
    at = find_piece(piece, text, at);
    if (at == kNowhere) return false;
  }
  return at <= end;
}

// Where a piece that begins at a place ends.
std::size_t TextPattern::match_from(const Piece& piece, Utf8 text, std::size_t at) {
  for (std::size_t i = 0; i < piece.bytes.size(); ++i) {
    if (at >= text.size()) return kNowhere;
    if (piece.bytes[i] == kAnyCharacter) {
      ++at;
      while (at < text.size() && is_inside_character(text[at])) ++at;
    } else if ((text[at] | piece.folds[i]) == piece.bytes[i]) {
      ++at;
    } else {
      return kNowhere;
    }
  }
  return at;
}

// Where a piece begins that ends with the text.
std::size_t TextPattern::match_back(const Piece& piece, Utf8 text) {
  std::size_t at = text.size();
  for (std::size_t i = piece.bytes.size(); i-- > 0;) {
    if (at == 0) return kNowhere;
    --at;
    if (piece.bytes[i] == kAnyCharacter) {
      while (at > 0 && is_inside_character(text[at])) --at;
    } else if ((text[at] | piece.folds[i]) != piece.bytes[i]) {
      return kNowhere;
    }
  }
  return at;
}

// Where a piece ends that stands as early as it can.
std::size_t TextPattern::find_piece(const Piece& piece, Utf8 text, std::size_t at) const {
  const auto stop = std::find(piece.bytes.begin(), piece.bytes.end(), kAnyCharacter);
  const auto run = static_cast<std::size_t>(stop - piece.bytes.begin());
  while (true) {
    if (run > 0) {
      at += find_(text.data() + at, text.size() - at, piece.bytes.data(), piece.folds.data(), run);
    }
    if (at >= text.size()) return kNowhere;
    const std::size_t end = match_from(piece, text, at);
    if (end != kNowhere) return end;
    ++at;
    while (at < text.size() && is_inside_character(text[at])) ++at;
  }
}

}  // namespace elanus
