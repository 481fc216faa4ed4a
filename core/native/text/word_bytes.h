// Which bytes of a text are in words of ASCII? Sixty-four are looked at together.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "text/char_classes.h"
#include "text/utf8.h"

namespace elanus {

// Places are asked for in ascending order, or what was looked at is looked at again.
class WordBytes {
 public:
  explicit WordBytes(Utf8 text) : text_(text) {}

  // The first byte from `at` on that is in a word or is not ASCII; the end of the text without.
  [[nodiscard]] std::size_t next_begin(std::size_t at) noexcept {
    return first(at, [this] { return words_ | others_; });
  }

  // The first byte from `at` on that is not an ASCII character of a word.
  [[nodiscard]] std::size_t next_end(std::size_t at) noexcept {
    return first(at, [this] { return ~words_; });
  }

 private:
  static constexpr std::size_t kBytes = 64;

  template <typename Wanted>
  std::size_t first(std::size_t at, Wanted wanted) noexcept {
    while (at < text_.size()) {
      if (at / kBytes != block_) look_at(at / kBytes);
      const std::uint64_t found = wanted() >> (at % kBytes);
      if (found != 0) {
        at += static_cast<std::size_t>(std::countr_zero(found));
        return at < text_.size() ? at : text_.size();
      }
      at = (at / kBytes + 1) * kBytes;
    }
    return text_.size();
  }

  void look_at(std::size_t block) noexcept {
    block_ = block;
    const std::size_t begin = block * kBytes;
    if (text_.size() - begin >= kBytes) {
      classify(text_.data() + begin);
      return;
    }
    std::uint8_t padded[kBytes] = {};
    std::memcpy(padded, text_.data() + begin, text_.size() - begin);
    classify(padded);
  }

#if defined(__SSE2__)
  void classify(const std::uint8_t* bytes) noexcept {
    words_ = others_ = 0;
    for (std::size_t i = 0; i < kBytes; i += 16) {
      const __m128i chars = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
      const auto up_to = [](__m128i values, char most) {
        return _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(most)), values);
      };
      const __m128i lower = _mm_or_si128(chars, _mm_set1_epi8(0x20));
      const __m128i letters = up_to(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 'z' - 'a');
      const __m128i digits = up_to(_mm_sub_epi8(chars, _mm_set1_epi8('0')), 9);
      const __m128i underscores = _mm_cmpeq_epi8(chars, _mm_set1_epi8('_'));
      const __m128i words = _mm_or_si128(_mm_or_si128(letters, digits), underscores);
      words_ |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(words))} << i;
      others_ |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(chars))} << i;
    }
  }
#else
  void classify(const std::uint8_t* bytes) noexcept {
    words_ = others_ = 0;
    for (std::size_t i = 0; i < kBytes; ++i) {
      const bool is_other = bytes[i] >= 0x80;
      const bool is_word = !is_other && (kAsciiClasses[bytes[i]] & kWord) != 0;
      words_ |= std::uint64_t{is_word} << i;
      others_ |= std::uint64_t{is_other} << i;
    }
  }
#endif

  Utf8 text_;
  std::size_t block_ = ~std::size_t{0};
  std::uint64_t words_ = 0;   // characters of words
  std::uint64_t others_ = 0;  // not ASCII
};

}  // namespace elanus
