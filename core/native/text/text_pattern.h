// Which texts match a pattern of fixed pieces, those of LIKE?
//
// What every matching text holds is looked for in the bytes of all texts as they lie, and only
// texts that hold it are looked at by themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/find_kernels.h"
#include "text/texts.h"
#include "text/utf8.h"

namespace elanus {

class TextPattern {
 public:
  // Bytes of a pattern that no text in UTF-8 holds: any text, also none, and one character.
  static constexpr std::uint8_t kAnyText = 0xfe;
  static constexpr std::uint8_t kAnyCharacter = 0xff;

  // `pattern`: what a text is from its begin to its end, in UTF-8 with those bytes. When case is
  // ignored it is in small letters.
  TextPattern(std::span<const std::uint8_t> pattern, bool ignores_case);

  // Sets matching[i] to 1 for each text that matches and to 0 for the others. When case is ignored,
  // the small form of letters beyond ASCII is not known here: texts with such letters that may
  // match are added to `undecided`, ascending, and get 0.
  void match(const Texts& texts, std::span<std::uint8_t> matching,
             std::vector<std::int64_t>& undecided) const;

 private:
  // Bytes between two kAnyText, and what of them is compared in small letters: folds[i] is a bit
  // that letter i of the text is given, or 0.
  struct Piece {
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> folds;
  };
  // Texts of a chunk that stays in the cache of a core.
  struct Chunk {
    std::size_t first;
    std::size_t end;
  };
  struct Answers {
    std::span<std::uint8_t> matching;
    std::vector<std::int64_t>& undecided;
  };

  // Up to eight bytes that a text begins or ends with, compared at once.
  struct Word {
    std::uint64_t bytes = 0;
    std::uint64_t mask = 0;
  };

  [[nodiscard]] Piece to_piece(std::span<const std::uint8_t> bytes) const;
  [[nodiscard]] static Piece longest_run(const Piece& piece, bool of_ascii);
  [[nodiscard]] static Word to_word(const Piece& piece, bool of_end);
  void match_each(const Texts& texts, Chunk chunk, Answers& answers) const;
  void match_holding(const Texts& texts, Chunk chunk, Answers& answers) const;
  void mark_odd_letters(const Texts& texts, Chunk chunk, Answers& answers) const;
  void decide(const Texts& texts, std::size_t i, Answers& answers) const;
  [[nodiscard]] bool matches(Utf8 text) const;
  [[nodiscard]] static std::size_t match_from(const Piece& piece, Utf8 text, std::size_t at);
  [[nodiscard]] static std::size_t match_back(const Piece& piece, Utf8 text);
  [[nodiscard]] std::size_t find_piece(const Piece& piece, Utf8 text, std::size_t at) const;

  bool ignores_case_;
  FindKernel find_;
  Piece front_;                // what a text begins with
  std::vector<Piece> middle_;  // what stands in it, in this order
  Piece back_;                 // what it ends with
  bool is_whole_ = false;      // it is front_, and nothing else
  Word begin_word_;
  Word end_word_;
  Piece sought_;            // what is looked for in all bytes; empty: each text is looked at
  bool is_enough_ = false;  // a text that holds that matches
};

}  // namespace elanus
