// Postings: for each term the rows that contain it, ascending, with a weight each.
//
// The weight is the value of a sparse vector's entry, or for BM25 the term frequency.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

struct PostingsView {
  std::span<const RowId> rows;
  std::span<const float> weights;  // as many as rows
};

// Postings of one query term and the term's weight in the query.
struct WeightedPostings {
  PostingsView postings;
  float query_weight = 0;
};

// Terms may repeat; each occurrence counts. Scores add up in this order, in float32.
struct SparseQuery {
  std::span<const TermId> terms;
  std::span<const float> weights;
};

// Number of postings, or of those whose row is alive.
[[nodiscard]] std::int64_t document_frequency(const PostingsView& postings,
                                              const std::optional<BitsetView>& alive) noexcept;

// Throws Error unless there is one weight for each term.
void check_query(const SparseQuery& query);

}  // namespace elanus
