// Builds a pruned proximity graph, row by row.
//
// Rows are inserted in batches that grow with the graph: each row of a batch searches the graph as
// it was before, then links back are added target by target. So the graph depends on the order of
// the rows and not on the number of threads.
// Sources: Jayaram Subramanya et al., "DiskANN", NeurIPS 2019; Manohar et al., "ParlayANN", PPoPP
// 2024 (batches).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "graph/graph_kernels.h"
#include "graph/pruning.h"
#include "graph/quantizer.h"
#include "graph/scratch.h"

namespace elanus {

struct BuildSettings {
  std::size_t degree = 64;  // links of a row, a multiple of 16
  std::size_t ef = 128;     // rows that a new row is compared with
  std::size_t threads = 1;
};

class GraphBuilder {
 public:
  // All spans outlive the builder. `codes` and `terms` are the coded rows; `lifts` has one value
  // for each row of the inner product metric without a common length, and is empty otherwise.
  // `entries` are inserted first. Throws Error when shapes do not fit together.
  GraphBuilder(const Quantizer& quantizer, const AnyRows& rows, std::span<const std::uint8_t> codes,
               std::span<const float> terms, std::vector<float> lifts, std::vector<RowId> entries,
               const BuildSettings& settings);

  // Takes over the links of a graph: `rows[i]` is what its row i has become, or kNoRow. Links to
  // rows that are gone are replaced by the links of those. To be called first.
  void adopt(std::span<const RowId> links, std::size_t degree, std::span<const RowId> rows);

  // Inserts rows that are not in the graph yet.
  void insert(std::span<const RowId> rows);

  // Writes the links, nearest first: `degree` a row, filled up with kNoRow.
  void seal(std::span<RowId> links);

  [[nodiscard]] std::size_t num_inserted() const noexcept { return num_inserted_; }

 private:
  struct Worker {
    explicit Worker(const PairDistances& pairs) : pruner(pairs) {}
    WalkScratch scratch;
    Pruner pruner;
    std::vector<RowId> rows;
    std::vector<float> distances;
    std::vector<float> values;
    std::vector<Neighbor> candidates;
    std::vector<Neighbor> kept;
  };
  struct Reverse {
    RowId target;
    Neighbor source;
  };

  void insert_batch(std::span<const RowId> rows);
  void link_row(RowId row, Worker& worker);
  void add_reverse(std::span<const Reverse> links, Worker& worker);
  void measure(RowId row, Worker& worker);
  void set_links(RowId row, std::span<const Neighbor> links);
  void read_links(RowId row, std::vector<Neighbor>& out) const;
  template <typename Work>
  void in_parallel(std::size_t count, const Work& work);
  [[nodiscard]] GraphArrays graph() const noexcept;

  Quantizer quantizer_;
  AnyRows rows_;
  std::span<const std::uint8_t> codes_;
  std::span<const float> terms_;
  std::vector<float> lift_terms_;
  BuildSettings settings_;
  std::vector<RowId> entries_;
  std::vector<RowId> live_entries_;
  std::vector<std::uint8_t> is_inserted_;
  std::size_t stride_;  // links that a row may have while the graph is built
  AlignedBuffer<RowId> links_;
  AlignedBuffer<float> distances_;
  PairDistances pairs_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t num_inserted_ = 0;
};

}  // namespace elanus
