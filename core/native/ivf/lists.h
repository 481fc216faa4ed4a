// Inverted lists of vectors: each row lies in the list of its nearest centroid, and a query reads
// the lists of the nearest centroids only.
//
// Distances of candidates come from quantized codes, or are exact where there are none.
//
// Source: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011; Andre,
// Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015, for tables in registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "distance/distance.h"
#include "ivf/codes.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

enum class Coding { none, scalar, product };

// Arrays as they lie in an index file. `offsets` counts slots.
struct ListArrays {
  std::span<const float> mean;                // dim
  std::span<const float> centroids;           // num_lists * dim, less the mean
  std::span<const std::uint8_t> probe_codes;  // scalar codes of the centroids
  std::span<const float> probe_terms;         // |c|^2 of what the code stands for
  std::span<const std::int64_t> offsets;      // num_lists + 1
  std::span<const RowId> row_ids;             // one per slot
  std::span<const std::uint8_t> codes;
  std::span<const float> terms;  // one per slot for L2; empty for the other metrics
  std::span<const float> steps;  // one per list, for scalar codes
};

struct ListShape {
  Metric metric = Metric::l2;
  Coding coding = Coding::none;
  std::size_t num_rows = 0;
  float probe_step = 0;  // step of the centroids' codes
};

struct ListSearch {
  Matrix queries;
  std::size_t num_probes = 1;
  std::size_t least_rows = 1;  // goes on to further lists until it has met so many allowed rows
  std::size_t k = 1;           // candidates wanted
  std::optional<BitsetView> allowed;
  ScaledRows rows;  // read only where there are no codes
};

class InvertedLists {
 public:
  // Throws Error of kind corruption when sizes contradict each other.
  InvertedLists(const ListArrays& arrays, const Codebooks& books, const ListShape& shape);

  [[nodiscard]] std::size_t num_lists() const noexcept { return arrays_.offsets.size() - 1; }
  [[nodiscard]] std::size_t dim() const noexcept { return arrays_.mean.size(); }
  [[nodiscard]] const ListArrays& arrays() const noexcept { return arrays_; }
  [[nodiscard]] const Codebooks& books() const noexcept { return books_; }
  [[nodiscard]] const ListShape& shape() const noexcept { return shape_; }

  // Finds the k nearest allowed rows of the probed lists; result as of `scan_topk`.
  // Throws Error of kind corruption when a list names a row that does not exist.
  void search(const ListSearch& search, ScanResult result) const;

 private:
  void check_lists() const;
  void check_codes() const;

  ListArrays arrays_;
  Codebooks books_;
  ListShape shape_;
};

// Keeps the k nearest of each query's candidates by exact distance; -1 is no candidate.
struct RescoreRequest {
  Metric metric = Metric::l2;
  Matrix queries;
  ScaledRows rows;
  std::span<const std::int64_t> candidates;  // the same number for each query
  std::size_t k = 1;
};

// Throws Error when a row id is outside or occurs twice.
void rescore(const RescoreRequest& request, ScanResult result);

}  // namespace elanus
