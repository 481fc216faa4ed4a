// What a character is to a tokenizer: bits that say which classes it belongs to.
//
// Which characters are letters, marks or emoji is for the caller to say, who asks the Unicode
// database of the running Python; the classes of ASCII are fixed and need no table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace elanus {

using CharClass = std::uint16_t;

// One character of a word that is not CJK: letters, digits, numbers, underscore.
inline constexpr CharClass kWord = 1 << 0;
inline constexpr CharClass kLetter = 1 << 1;   // a word character, no decimal digit or underscore
inline constexpr CharClass kDecimal = 1 << 2;  // a decimal digit
inline constexpr CharClass kMark = 1 << 3;     // a combining mark
inline constexpr CharClass kFormat = 1 << 4;   // an invisible format character
inline constexpr CharClass kCjk = 1 << 5;
inline constexpr CharClass kLetterJoiner = 1 << 6;   // joins letters when between two
inline constexpr CharClass kDecimalJoiner = 1 << 7;  // joins decimal digits when between two
inline constexpr CharClass kEmoji = 1 << 8;
inline constexpr CharClass kFlag = 1 << 9;  // regional indicators: two are a flag
inline constexpr CharClass kEmojiModifier = 1 << 10;
inline constexpr CharClass kHebrew = 1 << 11;  // letters that '"' joins
inline constexpr CharClass kSpace = 1 << 12;
// A CJK character that is its own compatibility form, whatever stands beside it.
inline constexpr CharClass kPlainCjk = 1 << 13;

inline constexpr std::uint32_t kNumCodePoints = 0x110000;
inline constexpr std::uint32_t kInvalidCodePoint = 0xFFFFFFFF;  // of no class

constexpr std::array<CharClass, 128> make_ascii_classes() {
  std::array<CharClass, 128> classes{};
  for (unsigned c = 'a'; c <= 'z'; ++c) {
    classes[c] = kWord | kLetter;
    classes[c - 'a' + 'A'] = kWord | kLetter;
  }
  for (unsigned c = '0'; c <= '9'; ++c) classes[c] = kWord | kDecimal;
  classes['_'] = kWord;
  classes['.'] = classes['\''] = kLetterJoiner | kDecimalJoiner;
  classes[','] = classes[';'] = kDecimalJoiner;
  classes[' '] = kSpace;
  for (unsigned c = 0x09; c <= 0x0D; ++c) classes[c] = kSpace;
  for (unsigned c = 0x1C; c <= 0x1F; ++c) classes[c] = kSpace;
  return classes;
}

inline constexpr std::array<CharClass, 128> kAsciiClasses = make_ascii_classes();

// The classes of every code point. Immutable; safe from many threads.
class CharClasses {
 public:
  // The bits of each code point; ASCII has the classes above, whatever they say.
  // Throws Error unless there is one for each of kNumCodePoints.
  explicit CharClasses(std::span<const CharClass> classes);

  [[nodiscard]] CharClass of(std::uint32_t code_point) const noexcept {
    if (code_point >= kNumCodePoints) return 0;
    return blocks_[starts_[code_point / kBlock] + code_point % kBlock];
  }

 private:
  static constexpr std::uint32_t kBlock = 256;

  std::vector<std::uint32_t> starts_;  // of each block in blocks_; equal blocks are stored once
  std::vector<CharClass> blocks_;
};

}  // namespace elanus
