// Which neighbours of a row are worth a link?
//
// A candidate is left out when a kept one lies between it and the row: when the row is at least
// alpha times as far from the candidate as the kept one is (squared distances here; the Hamming
// distance is one between vectors of 0 and 1, and that of Jaccard is one in some space as well).
// Source: Jayaram Subramanya et al., "DiskANN", NeurIPS 2019, RobustPrune.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "graph/graph_kernels.h"
#include "graph/quantizer.h"
#include "support/aligned_buffer.h"

namespace elanus {

struct Neighbor {
  float distance;
  RowId row;

  friend bool operator<(const Neighbor& a, const Neighbor& b) noexcept {
    return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
  }
};

// Rows in bytes, for squared Euclidean distances between any two of them that are good to about
// three digits. `lifts`, of the inner product metric, are a further coordinate. Between binary
// vectors the distances are those of their metric, and exact: `coded` is all that they need.
class PairDistances {
 public:
  // All arguments outlive it.
  PairDistances(const Quantizer& quantizer, const AnyRows& rows, const CodedRows& coded);

  // Codes the rows `first ..`; `lift` of each when there are lifts.
  void encode(std::size_t first, std::size_t count);
  void set_lifts(std::vector<float> lifts) { lifts_ = std::move(lifts); }
  [[nodiscard]] float lift(RowId row) const noexcept { return lifts_.empty() ? 0 : lifts_[row]; }

  // Writes the squared distance of one row to each of others.
  void measure(RowId from, std::span<const RowId> to, float* out) const;

 private:
  void measure_bits(RowId from, std::span<const RowId> to, float* out) const;

  // What a row adds to its products, so that it is read at once.
  struct Terms {
    float step;
    float squares;
    std::int32_t sum;
  };

  const Quantizer& quantizer_;
  const AnyRows& rows_;
  CodedRows coded_;
  const GraphKernels& kernels_;
  std::size_t width_;
  AlignedBuffer<std::uint8_t> codes_;
  std::vector<Terms> terms_;
  std::vector<float> lifts_;
};

class Pruner {
 public:
  explicit Pruner(const PairDistances& pairs) : pairs_(pairs) {}

  // Writes at most `degree` of the candidates, which are sorted by their distance to the row,
  // without duplicates and without the row; returns how many, in the order of their distance.
  std::size_t prune(std::span<const Neighbor> candidates, std::size_t degree,
                    std::vector<Neighbor>& kept);

 private:
  struct Seen {
    float ratio = 0.0F;
    std::uint32_t checked = 0;
    bool is_kept = false;
  };

  void check(const Neighbor& candidate, Seen& seen, float limit);

  const PairDistances& pairs_;
  std::vector<Seen> seen_;
  std::vector<RowId> kept_rows_;
};

}  // namespace elanus
