#include "sparse/exhaustive.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "sparse/accumulator.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/top_k.h"

namespace elanus {
namespace {

// A probe of a posting list costs about as much as adding this many postings.
constexpr std::size_t kProbeCost = 16;

// Postings that are added between two looks at the cancel point, and what one costs in its
// operations: scores that lie anywhere are read and written.
constexpr std::size_t kPostingsAtOnce = 64 * 1024;
constexpr std::size_t kOperationsPerPosting = 4;

Accumulator& thread_accumulator() {
  static thread_local Accumulator accumulator;
  return accumulator;
}

// `scoring` comes by value and the arrays as locals: a store to a score could otherwise change them
// as far as the compiler knows, and each posting would load them again.
template <typename Scoring>
void accumulate(const WeightedPostings& term, const Scoring scoring, std::size_t num_rows,
                Accumulator& accumulator) {
  const std::span<const RowId> rows = term.postings.rows;
  const std::span<const float> weights = term.postings.weights;
  const std::span<float> scores = accumulator.scores();
  const std::span<std::uint8_t> marks = accumulator.marks();
  const float query_weight = term.query_weight;
  std::size_t marked = std::numeric_limits<std::size_t>::max();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RowId row = rows[i];
    // The arrays may come from a damaged file; one comparison that is never true costs nothing.
    if (row >= num_rows) [[unlikely]] {
      throw_corruption("postings: row id " + std::to_string(row) + " is not below " +
                       std::to_string(num_rows));
    }
    scores[row] += scoring(query_weight, row, weights[i]);
    if (const std::size_t block = row / Accumulator::kBlockRows; block != marked) {
      marks[block] = 1;
      marked = block;
    }
  }
}

// Counts without branches, so that the compiler compares several at once.
bool any_reaches(std::span<const float, kBitsPerWord> scores, float least) noexcept {
  unsigned hits = 0;
  for (const float score : scores) hits += score < least ? 0U : 1U;
  return hits != 0;
}

// Offers the matched rows among 64 scores. `allowed` has one bit for each.
void offer_word(std::span<const float, kBitsPerWord> scores, std::size_t first_row,
                std::uint64_t allowed, TopK& best) {
  if (allowed == 0 || !any_reaches(scores, 0.0F - best.bound())) return;
  for (std::size_t i = 0; i < kBitsPerWord; ++i) {
    if (!is_matched(scores[i]) || ((allowed >> i) & 1U) == 0) continue;
    // `0 - x`, so that no distance is -0, which would not tie with +0.
    best.push(0.0F - scores[i], static_cast<RowId>(first_row + i));
  }
}

void offer_block(std::size_t first_row, std::span<const float> scores,
                 const std::optional<BitsetView>& allowed, TopK& best) {
  for (std::size_t i = 0; i < scores.size(); i += kBitsPerWord) {
    const std::size_t word = (first_row + i) / kBitsPerWord;
    std::uint64_t bits = ~std::uint64_t{0};
    if (allowed.has_value()) bits = word < allowed->num_words() ? allowed->word(word) : 0;
    offer_word(scores.subspan(i).first<kBitsPerWord>(), first_row + i, bits, best);
  }
}

template <typename Scoring>
void search_all(const SparseRequest& request, const Scoring& scoring,
                const std::optional<BitsetView>& allowed, TopK& best) {
  Accumulator& accumulator = thread_accumulator();
  accumulator.reserve(request.num_rows);
  CancelPoint point;
  try {
    for (const WeightedPostings& term : request.terms) {
      const PostingsView& all = term.postings;
      for (std::size_t first = 0; first < all.rows.size(); first += kPostingsAtOnce) {
        const std::size_t count = std::min(kPostingsAtOnce, all.rows.size() - first);
        accumulate({{all.rows.subspan(first, count), all.weights.subspan(first, count)},
                    term.query_weight},
                   scoring, request.num_rows, accumulator);
        point.passed(count * kOperationsPerPosting);
      }
    }
    accumulator.drain([&](std::size_t first_row, std::span<const float> scores) {
      offer_block(first_row, scores, allowed, best);
      point.passed(scores.size());
    });
  } catch (...) {
    accumulator.clear();
    throw;
  }
}

// The score of one row, by looking it up in each list; `kUnmatched` when no list has it.
template <typename Scoring>
float score_row(const SparseRequest& request, const Scoring& scoring, RowId row) {
  float score = kUnmatched;
  for (const WeightedPostings& term : request.terms) {
    const std::span<const RowId> rows = term.postings.rows;
    for (auto found = std::lower_bound(rows.begin(), rows.end(), row);
         found != rows.end() && *found == row; ++found) {
      const auto position = static_cast<std::size_t>(found - rows.begin());
      score += scoring(term.query_weight, row, term.postings.weights[position]);
    }
  }
  return score;
}

template <typename Scoring>
void probe_allowed(const SparseRequest& request, const Scoring& scoring, const BitsetView& allowed,
                   TopK& best) {
  CancelPoint point;
  for (std::size_t w = 0; w < allowed.num_words(); ++w) {
    const auto count = static_cast<std::size_t>(std::popcount(allowed.word(w)));
    point.passed(1 + count * request.terms.size() * kProbeCost);
    for (std::uint64_t bits = allowed.word(w); bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
      const auto row = static_cast<RowId>(w * kBitsPerWord + bit);
      const float score = score_row(request, scoring, row);
      if (is_matched(score)) best.push(0.0F - score, row);
    }
  }
}

bool is_probing_cheaper(const SparseRequest& request, const BitsetView& allowed) noexcept {
  std::size_t num_postings = 0;
  for (const WeightedPostings& term : request.terms) num_postings += term.postings.rows.size();
  return allowed.count() * request.terms.size() * kProbeCost < num_postings;
}

}  // namespace

SparseHits search_exhaustive(const SparseRequest& request, const std::optional<BitsetView>& allowed,
                             std::size_t k) {
  if (k == 0) throw_invalid_argument("k: expected at least 1, got 0");
  TopK best(std::min(k, std::max<std::size_t>(request.num_rows, 1)));
  with_scoring(request.bm25, request.num_rows, [&](const auto& scoring) {
    if (allowed.has_value() && is_probing_cheaper(request, *allowed)) {
      probe_allowed(request, scoring, *allowed, best);
    } else {
      search_all(request, scoring, allowed, best);
    }
  });
  SparseHits hits{std::vector<std::int64_t>(best.size()), std::vector<Distance>(best.size())};
  best.finish({hits.row_ids, hits.distances});
  return hits;
}

void distances_to_rows(const SparseRequest& request, std::span<const std::int64_t> row_ids,
                       std::span<Distance> out) {
  CancelPoint point;
  with_scoring(request.bm25, request.num_rows, [&](const auto& scoring) {
    for (std::size_t i = 0; i < row_ids.size(); ++i) {
      point.passed(request.terms.size() * kProbeCost);
      if (row_ids[i] < 0 || static_cast<std::uint64_t>(row_ids[i]) >= request.num_rows) {
        throw_invalid_argument("row_ids: expected values in [0, " +
                               std::to_string(request.num_rows) + "), got " +
                               std::to_string(row_ids[i]));
      }
      const float score = score_row(request, scoring, static_cast<RowId>(row_ids[i]));
      const bool is_number = is_matched(score) && !std::isnan(score);
      out[i] = is_number ? 0.0F - score : std::numeric_limits<Distance>::infinity();
    }
  });
}

}  // namespace elanus
