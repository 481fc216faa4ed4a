// Approximate nearest rows by a walk over coded rows, with distances computed from the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "graph/graph_kernels.h"
#include "graph/quantizer.h"
#include "graph/rows.h"
#include "graph/scratch.h"
#include "support/bitset.h"

namespace elanus {

// Arrays of one graph, which outlive it. They may come from a file: nothing read from them leads
// out of them.
struct GraphParts {
  Quantizer quantizer;
  AnyRows rows;
  std::span<const std::uint8_t> codes;
  std::span<const float> terms;
  std::span<const RowId> links;
  std::span<const RowId> entries;
};

// How thoroughly a graph is searched.
struct WalkEffort {
  std::size_t ef = 64;        // keys of the pool
  std::size_t rescored = 20;  // rows whose distance is computed
  std::size_t patience = 0;   // steps without a better row that end a walk; 0: never
};

class Graph {
 public:
  // Throws Error (corruption) when the arrays do not fit together.
  explicit Graph(const GraphParts& parts);

  // Queries are ones that the rows take, here and below.

  // Rows worth a look, best first, at most effort.rescored of them. Empty row lists and graphs
  // give none. `allowed` says which rows may be returned.
  void candidates(const AnyQuery& query, const WalkEffort& effort,
                  const std::optional<BitsetView>& allowed, std::vector<std::int64_t>& out) const;

  // The same by the codes of all allowed rows, without a walk.
  void scan(const AnyQuery& query, std::size_t rescored, const std::optional<BitsetView>& allowed,
            std::vector<std::int64_t>& out) const;

  // Sorts rows by their distance, writes the nearest of them, and fills up with -1 and +inf.
  void rank(const AnyQuery& query, std::vector<std::int64_t>& rows, std::span<std::int64_t> row_ids,
            std::span<Distance> distances) const;

  [[nodiscard]] std::size_t num_rows() const noexcept { return parts_.rows.num_rows(); }
  [[nodiscard]] std::size_t dim() const noexcept { return parts_.rows.dim(); }
  [[nodiscard]] const GraphParts& parts() const noexcept { return parts_; }
  [[nodiscard]] const GraphArrays& arrays() const noexcept { return arrays_; }
  [[nodiscard]] const GraphKernels& kernels() const { return graph_kernels(parts_.quantizer.kind); }

  // Begins a walk at the entry rows, or under a filter at allowed ones.
  void seed(WalkScratch& scratch, const std::optional<BitsetView>& allowed) const;

  // Walks until no key of the pool is left to expand. Throws between two steps when the search
  // shall end (CancelPoint); the walk can go on then.
  void walk(WalkScratch& scratch) const;

  // What comparing the query with the codes of a row costs, in the operations of CancelPoint.
  [[nodiscard]] std::size_t operations_per_row() const noexcept {
    return arrays_.rows.lines * kLineBytes / sizeof(float);
  }

 private:
  GraphParts parts_;
  GraphArrays arrays_{};
  // Codes of the entry rows once more, one after the other.
  std::vector<std::uint8_t> entry_codes_;
  std::vector<float> entry_terms_;
};

// This thread's scratch for searches.
[[nodiscard]] WalkScratch& search_scratch();

}  // namespace elanus
