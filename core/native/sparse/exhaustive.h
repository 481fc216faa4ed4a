// Exact top-k over postings by reading all of them, term at a time, in float32.
//
// Scores add up in the order of the query's terms, on every path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sparse/postings.h"
#include "sparse/scoring.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

struct SparseRequest {
  std::span<const WeightedPostings> terms;
  std::optional<Bm25Parameters> bm25;  // none scores by inner product
  std::size_t num_rows = 0;            // every row of the postings is below
};

// Rows nearest first with their distances, which are negated scores; as many as were found.
struct SparseHits {
  std::vector<std::int64_t> row_ids;
  std::vector<Distance> distances;
};

// Finds the k best rows among the allowed ones that have at least one term of the query, also when
// their score is 0 or negative. Ties go to the smaller row id.
// Throws Error when a row id in the postings or a parameter is out of range.
[[nodiscard]] SparseHits search_exhaustive(const SparseRequest& request,
                                           const std::optional<BitsetView>& allowed, std::size_t k);

// Writes the distance of each named row, in the order given; +inf for rows without a term of the
// query. Throws Error when a row id or parameter is out of range.
void distances_to_rows(const SparseRequest& request, std::span<const std::int64_t> row_ids,
                       std::span<Distance> out);

}  // namespace elanus
