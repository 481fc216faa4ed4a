// Which candidates of all sources are the nearest?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/types.h"

namespace elanus {

// Candidates of one source: `width` places for each query, nearest first. A query with fewer has
// row id -1 at the end of its places.
struct SourceCandidates {
  std::span<const std::int64_t> row_ids;
  std::span<const Distance> distances;
  std::size_t width;
};

// For each query `width` places, nearest first; those without a candidate hold source and row id
// -1 and distance +inf.
struct MergedCandidates {
  std::size_t width;
  std::vector<std::int64_t> sources;
  std::vector<std::int64_t> row_ids;
  std::vector<Distance> distances;
  std::vector<std::size_t> tied;  // queries of which two candidates lie equally near
};

// Returns the `limit` nearest candidates of each query, and all that are as near as the last of
// them; equals in the order of their sources, then of their places.
// Throws Error when the arrays do not fit `num_queries`, or `limit` is 0.
[[nodiscard]] MergedCandidates merge_candidates(std::span<const SourceCandidates> sources,
                                                std::size_t num_queries, std::size_t limit);

}  // namespace elanus
