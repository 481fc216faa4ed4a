// Links for the inner product of rows without a common length.
//
// A graph of rows that a further coordinate gives one length leads everywhere, but a query, which
// has none of it, lies far from all of them: its best rows are long ones that are no neighbours of
// each other. So each row gets links to the rows with the largest products with it, less those that
// have a larger product with one of these.
// Source: Morozov and Babenko, "Non-metric Similarity Graphs for Maximum Inner Product Search",
// NeurIPS 2018.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "graph/graph_kernels.h"
#include "graph/pruning.h"
#include "graph/rows.h"

namespace elanus {

// Candidates of some rows: as many ids and distances of each, nearest first, filled up with -1.
struct ProductCandidates {
  std::span<const RowId> rows;  // each once
  std::span<const std::int64_t> row_ids;
  std::span<const Distance> distances;
};

class ProductLinks {
 public:
  // `links` are `degree` of each row, filled up with kNoRow, and are rewritten: links by product,
  // at most `most`, come first. Everything outlives it.
  // Throws Error when shapes do not fit together.
  ProductLinks(const AnyRows& rows, std::span<RowId> links, std::size_t most, std::size_t threads);

  // Links rows to the best of their candidates, and these back to them.
  // Throws Error when a row does not exist.
  void add(const ProductCandidates& candidates);

 private:
  void link_row(RowId row, std::span<const std::int64_t> ids, std::span<const Distance> distances);
  void link_back(RowId target, std::span<const RowId> sources);
  void prune(std::vector<Neighbor>& candidates, std::vector<Neighbor>& kept) const;
  void write(RowId row);

  AnyRows rows_;
  std::span<RowId> links_;
  std::size_t degree_;
  std::size_t most_;
  std::size_t threads_;
  std::vector<RowId> base_;
  std::vector<std::vector<Neighbor>> by_product_;
};

}  // namespace elanus
