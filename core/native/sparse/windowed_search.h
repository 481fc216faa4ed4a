// Exact top-k over packed postings: approximate sums for all rows, exact scores for few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sparse/exhaustive.h"
#include "sparse/packed_postings.h"
#include "sparse/postings.h"
#include "sparse/scoring.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

struct PackedRequest {
  const PackedPostings& postings;
  SparseQuery query;
  std::optional<Bm25Parameters> bm25;  // none scores by inner product
};

// Rows that a search may return; without either all of them. `few` without bits are looked up one
// by one, so they have to be few.
struct AllowedRows {
  std::optional<BitsetView> bits;
  // The same rows, ascending and in range, where they are few and somebody knows them.
  std::span<const std::int64_t> few{};
};

// Finds what `search_exhaustive` finds over the same postings, with the same bits.
// Throws Error when a term does not exist, a parameter is out of range or the postings contradict
// themselves.
[[nodiscard]] SparseHits search_windows(const PackedRequest& request, const AllowedRows& allowed,
                                        std::size_t k);

// Writes the distance of each named row as `distances_to_rows` over the same postings does.
void distances_to_packed_rows(const PackedRequest& request, std::span<const std::int64_t> row_ids,
                              std::span<Distance> out);

}  // namespace elanus
