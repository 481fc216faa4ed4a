#include "text/token_counter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "support/error.h"
#include "support/offsets.h"

namespace elanus {
namespace {

Utf8 bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string string_of(Utf8 bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

TokenCounter::TokenCounter(std::shared_ptr<Vocabulary> vocabulary, AnalyzerChain chain,
                           std::size_t max_known)
    : vocabulary_(std::move(vocabulary)), chain_(std::move(chain)), max_known_(max_known) {}

void TokenCounter::forget() noexcept {
  known_.clear();
  sequences_.clear();
  sequence_terms_.clear();
  drop_scan();
}

void TokenCounter::drop_scan() noexcept {
  coming_.clear();
  codes_.clear();
  row_ends_.clear();
  words_ = {};
  pieces_ = {};
}

std::size_t TokenCounter::size_bytes() const noexcept {
  return known_.size_bytes() + sequences_.capacity() * sizeof(Sequence) +
         sequence_terms_.capacity() * sizeof(TermId) + codes_.capacity() * sizeof(Code) +
         seen_.capacity() * sizeof(Seen);
}

bool TokenCounter::scan(std::span<const std::int64_t> offsets, Utf8 data) {
  check_offsets(offsets, data.size());
  drop_scan();
  // Only here: a piece that is forgotten voids the codes that the scan before gave.
  if (known_.size() + sequence_terms_.size() >= max_known_) forget();
  bool is_whole = false;
  try {
    is_whole = scan_texts(offsets, data);
  } catch (...) {
    forget();
    throw;
  }
  // Pieces that wait for the caller would wait for good.
  if (!is_whole) forget();
  return is_whole;
}

bool TokenCounter::scan_texts(std::span<const std::int64_t> offsets, Utf8 data) {
  const std::uint8_t* const data_end = data.data() + data.size();
  for (std::size_t row = 0; row + 1 < offsets.size(); ++row) {
    const auto begin = static_cast<std::size_t>(offsets[row]);
    const Utf8 text = data.subspan(begin, static_cast<std::size_t>(offsets[row + 1]) - begin);
    // All pieces first: while one is looked up, the places of others come from memory.
    const auto emit = [&](const Piece& piece) {
      const Utf8 raw = text.subspan(piece.begin, piece.end - piece.begin);
      coming_.push_back({known_.key(raw, data_end), piece.is_ascii});
      known_.prefetch(coming_.back().key);
      if (coming_.size() >= kMostComing) look_up_coming();
    };
    const bool whole = chain_.tokenizer == TokenizerKind::standard
                           ? standard_pieces(text, classes_.get(), emit)
                           : whitespace_pieces(text, classes_.get(), emit);
    if (!whole) return false;
    look_up_coming();
    row_ends_.push_back(codes_.size());
  }
  return true;
}

void TokenCounter::look_up_coming() {
  for (const Coming& piece : coming_) {
    Code* const known = piece.key.bytes.size() > kLongestKnown ? nullptr : known_.find(piece.key);
    const Code code = known == nullptr ? add(piece) : known_code(*known);
    if (code != kNoTerm) codes_.push_back(code);
  }
  coming_.clear();
}

// A piece that waited when it came first has its term since, which spares it the sequences.
TokenCounter::Code TokenCounter::known_code(Code& code) {
  if (code >= kNoTerm) return code;
  const Sequence& sequence = sequences_[static_cast<std::size_t>(-2 - code)];
  if (!sequence.is_resolved || sequence.end - sequence.begin > 1) return code;
  code =
      sequence.begin == sequence.end ? kNoTerm : static_cast<Code>(sequence_terms_[sequence.begin]);
  return code;
}

TokenCounter::Code TokenCounter::add(const Coming& piece) {
  const Utf8 raw = piece.key.bytes;
  const Code code = code_of_new(raw, piece.is_ascii);
  if (raw.size() <= kLongestKnown) known_.insert(piece.key, code);
  return code;
}

TokenCounter::Code TokenCounter::code_of_new(Utf8 raw, bool is_ascii) {
  if (!is_ascii) return wait(pieces_, string_of(raw));
  std::string word = string_of(raw.first(std::min(raw.size(), kMaxTokenLength)));
  if (!chain_.filters.apply(word)) return kNoTerm;
  if (chain_.has_more_filters) return wait(words_, std::move(word));
  return static_cast<Code>(vocabulary_->add(bytes_of(word)));
}

TokenCounter::Code TokenCounter::wait(Pending& pending, std::string text) {
  if (sequences_.size() >= static_cast<std::size_t>(std::numeric_limits<Code>::max() - 2)) {
    throw_invalid_argument("texts: expected fewer than 2**31 distinct words in one batch");
  }
  const Code code = -2 - static_cast<Code>(sequences_.size());
  sequences_.emplace_back();
  pending.texts.push_back(std::move(text));
  pending.codes.push_back(code);
  return code;
}

void TokenCounter::resolve_word(std::size_t i, std::optional<Utf8> term) {
  const std::size_t begin = sequence_terms_.size();
  if (term.has_value()) sequence_terms_.push_back(vocabulary_->add(*term));
  resolve(words_.codes.at(i), begin);
}

void TokenCounter::resolve_piece(std::size_t i, std::span<const std::string> terms) {
  const std::size_t begin = sequence_terms_.size();
  for (const std::string& term : terms) {
    sequence_terms_.push_back(vocabulary_->add(bytes_of(term)));
  }
  resolve(pieces_.codes.at(i), begin);
}

void TokenCounter::resolve(Code code, std::size_t begin) {
  sequences_[static_cast<std::size_t>(-2 - code)] = {begin, sequence_terms_.size(), true};
}

TokenCounts TokenCounter::count() {
  TokenCounts out;
  out.offsets.reserve(row_ends_.size() + 1);
  out.lengths.reserve(row_ends_.size());
  out.terms.reserve(codes_.size());
  out.counts.reserve(codes_.size());
  seen_.resize(std::max(seen_.size(), vocabulary_->size()));
  if (num_rows_seen_ > std::numeric_limits<std::uint32_t>::max() - row_ends_.size() - 1) {
    std::fill(seen_.begin(), seen_.end(), Seen{});
    num_rows_seen_ = 0;
  }
  std::size_t begin = 0;
  for (const std::size_t end : row_ends_) {
    count_row(std::span(codes_).subspan(begin, end - begin), out);
    begin = end;
  }
  drop_scan();
  return out;
}

void TokenCounter::count_term(TermId term) {
  Seen& seen = seen_[term];
  if (seen.row == num_rows_seen_) {
    ++row_counts_[seen.place];
    return;
  }
  seen = {num_rows_seen_, static_cast<std::uint32_t>(row_counts_.size())};
  row_counts_.push_back(std::uint64_t{term} << 32 | 1U);
}

// By digits: what a comparison says of words of running text cannot be foreseen, and each wrong
// guess costs as much as moving a number ten times.
void TokenCounter::sort_row_counts() {
  constexpr std::size_t kFew = 24;
  constexpr unsigned kDigit = 6;
  if (row_counts_.size() <= kFew) {
    std::sort(row_counts_.begin(), row_counts_.end());
    return;
  }
  sorted_counts_.resize(row_counts_.size());
  const auto bits = static_cast<unsigned>(std::bit_width(seen_.size()));
  for (unsigned shift = 32; shift < 32 + bits; shift += kDigit) {
    const auto digit = [shift](std::uint64_t counted) {
      return (counted >> shift) & ((1U << kDigit) - 1);
    };
    std::array<std::uint32_t, (1U << kDigit) + 1> places{};
    for (const std::uint64_t counted : row_counts_) ++places[digit(counted) + 1];
    std::partial_sum(places.begin(), places.end(), places.begin());
    for (const std::uint64_t counted : row_counts_) {
      sorted_counts_[places[digit(counted)]++] = counted;
    }
    row_counts_.swap(sorted_counts_);
  }
}

void TokenCounter::count_row(std::span<const Code> codes, TokenCounts& out) {
  ++num_rows_seen_;
  row_counts_.clear();
  std::size_t length = 0;
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (i + kAhead < codes.size() && codes[i + kAhead] >= 0) {
      __builtin_prefetch(&seen_[static_cast<std::size_t>(codes[i + kAhead])], 1);
    }
    const Code code = codes[i];
    if (code >= 0) {
      ++length;
      count_term(static_cast<TermId>(code));
      continue;
    }
    const Sequence sequence = sequences_[static_cast<std::size_t>(-2 - code)];
    length += sequence.end - sequence.begin;
    for (std::size_t t = sequence.begin; t < sequence.end; ++t) count_term(sequence_terms_[t]);
  }
  sort_row_counts();
  for (const std::uint64_t counted : row_counts_) {
    out.terms.push_back(static_cast<TermId>(counted >> 32));
    out.counts.push_back(static_cast<float>(static_cast<std::uint32_t>(counted)));
  }
  out.offsets.push_back(static_cast<std::int64_t>(out.terms.size()));
  out.lengths.push_back(static_cast<std::uint32_t>(length));
}

}  // namespace elanus
