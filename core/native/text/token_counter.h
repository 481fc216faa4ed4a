// How often does each term occur in each text?
//
// A text is cut into pieces (`tokenizer.h`), and most pieces have been seen before: a table has the
// term of each. What is new and of ASCII passes the filters that are native; the rest is left to
// the caller, once for each distinct piece. So a batch takes three steps: `scan` the texts,
// `resolve` what is pending, `count`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/types.h"
#include "text/ascii_filters.h"
#include "text/byte_string_map.h"
#include "text/char_classes.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace elanus {

struct AnalyzerChain {
  TokenizerKind tokenizer = TokenizerKind::standard;
  AsciiFilters filters;           // the first filters of the chain
  bool has_more_filters = false;  // the caller applies these to words that passed the first ones
};

// Row i has the terms [offsets[i], offsets[i + 1]), ascending, each as often as `counts` says;
// lengths[i] is the sum of its counts.
struct TokenCounts {
  std::vector<std::int64_t> offsets = {0};
  std::vector<TermId> terms;
  std::vector<float> counts;
  std::vector<std::uint32_t> lengths;
};

// One thread at a time; the vocabulary may be read by others meanwhile.
class TokenCounter {
 public:
  static constexpr std::size_t kMaxTokenLength = 255;  // MAX_TOKEN_LENGTH of `tokenizers.py`

  // Remembers about `max_known` distinct pieces.
  TokenCounter(std::shared_ptr<Vocabulary> vocabulary, AnalyzerChain chain, std::size_t max_known);

  // What characters beyond ASCII are; `scan` refuses texts with such before.
  void set_classes(std::shared_ptr<const CharClasses> classes) { classes_ = std::move(classes); }

  // Text i is data[offsets[i], offsets[i + 1]). Returns false when it meets a character that is
  // not ASCII and has no classes. Throws Error when offsets descend or leave `data`.
  [[nodiscard]] bool scan(std::span<const std::int64_t> offsets, Utf8 data);

  // Pieces scanned last that may have a term.
  [[nodiscard]] std::size_t num_pieces() const noexcept { return codes_.size(); }

  // Words that passed the native filters and wait for the others, and pieces that the caller
  // tokenizes and filters.
  [[nodiscard]] const std::vector<std::string>& pending_words() const { return words_.texts; }
  [[nodiscard]] const std::vector<std::string>& pending_pieces() const { return pieces_.texts; }

  // Hints that a term is about to be given to resolve_word.
  void prefetch_term(Utf8 term) const noexcept { vocabulary_->prefetch(term); }
  // The term of the i-th pending word, and the terms of the i-th pending piece.
  void resolve_word(std::size_t i, std::optional<Utf8> term);
  void resolve_piece(std::size_t i, std::span<const std::string> terms);

  // The counts of the texts scanned last; what is still pending counts as no term.
  [[nodiscard]] TokenCounts count();

  // Forgets all pieces; what was scanned is void.
  void forget() noexcept;

  [[nodiscard]] std::size_t size_bytes() const noexcept;

 private:
  // What a piece is: a term, nothing, or -2 - i for the terms of sequences_[i].
  using Code = std::int32_t;
  static constexpr Code kNoTerm = -1;
  static constexpr std::size_t kMostComing = 256;
  static constexpr std::size_t kLongestKnown = 1024;  // longer pieces hardly come twice

  struct Sequence {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_resolved = false;
  };
  struct Pending {
    std::vector<std::string> texts;
    std::vector<Code> codes;
  };
  struct Seen {
    std::uint32_t row = 0;    // the row that held the term last, in the count of num_rows_seen_
    std::uint32_t place = 0;  // in row_counts_
  };

  // A piece that is on its way to the cache.
  struct Coming {
    ByteStringMap::Key key;
    bool is_ascii;
  };

  [[nodiscard]] bool scan_texts(std::span<const std::int64_t> offsets, Utf8 data);
  void look_up_coming();
  [[nodiscard]] Code known_code(Code& code);
  [[nodiscard]] Code add(const Coming& piece);
  [[nodiscard]] Code code_of_new(Utf8 raw, bool is_ascii);
  [[nodiscard]] Code wait(Pending& pending, std::string text);
  void resolve(Code code, std::size_t begin);
  void count_term(TermId term);
  void count_row(std::span<const Code> codes, TokenCounts& out);
  void sort_row_counts();
  void drop_scan() noexcept;

  std::shared_ptr<Vocabulary> vocabulary_;
  AnalyzerChain chain_;
  std::size_t max_known_;
  std::shared_ptr<const CharClasses> classes_;

  ByteStringMap known_;
  std::vector<Sequence> sequences_;
  std::vector<TermId> sequence_terms_;

  std::vector<Coming> coming_;
  std::vector<Code> codes_;            // of the pieces scanned, row by row, without kNoTerm
  std::vector<std::size_t> row_ends_;  // in codes_
  Pending words_;
  Pending pieces_;
  std::vector<Seen> seen_;  // by term
  std::uint32_t num_rows_seen_ = 0;
  // Of one row: the term in the upper half, how often it came in the lower.
  std::vector<std::uint64_t> row_counts_;
  std::vector<std::uint64_t> sorted_counts_;  // room to sort them
};

}  // namespace elanus
