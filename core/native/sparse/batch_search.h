// Several queries over the postings of one source, spread over threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "distance/distance.h"
#include "sparse/exhaustive.h"
#include "sparse/postings.h"
#include "support/types.h"

namespace elanus {

// Query i has the entries offsets[i] to offsets[i + 1] - 1.
struct QueryBatch {
  std::span<const std::int64_t> offsets;
  std::span<const TermId> terms;
  std::span<const float> weights;
  // One for each entry: 0 where it chooses no rows, and only scores those that others chose. Empty:
  // all choose.
  std::span<const std::uint8_t> chooses;

  [[nodiscard]] std::size_t num_queries() const noexcept { return offsets.size() - 1; }
};

// What a source does for one query; both are called from several threads at once.
struct SparseSource {
  std::function<SparseHits(const SparseQuery& query, std::size_t k)> search;
  std::function<void(const SparseQuery& query, std::span<const std::int64_t> row_ids,
                     std::span<Distance> out)>
      distances;
};

// Writes the k best rows of each query, best first, and fills up with -1 and +inf. Queries with
// entries that choose no rows have twice as many rows chosen as wanted, and ranked by all entries.
// Throws Error when arrays do not fit together, and what the source throws.
void search_batch(const SparseSource& source, const QueryBatch& batch, std::size_t k,
                  std::size_t threads, ScanResult out);

}  // namespace elanus
