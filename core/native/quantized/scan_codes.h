// Exact search in two passes: a scan of byte codes that bounds every distance, and float32
// distances of the few rows that may be among the nearest.
//
// A row r, scaled for the cosine metric, becomes r' = r - centre, and r' = scale * c + e with whole
// numbers c of at most 127; |r'| and |e| are stored. A query q' = weight * d + f likewise. Then
//
//   q'.r' = weight * scale * (d.c) + f.(scale c) + q'.e
//
// where the last two terms are at most |f| (|r'| + |e|) + |q'| |e| (Cauchy-Schwarz). bounds.cpp
// turns that into bounds of the float32 distance, its rounding included. Rows whose lower bound is
// above the k-th smallest upper bound are no answer; the others are computed as scan_topk does.
// So row ids, distances and order are those of scan_topk, whatever the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

// Largest dimension: the sum of products of bytes stays far inside 32 bits.
inline constexpr std::size_t kMaxCodeDim = 32'768;

// Bytes of the codes of a row: the dimension, filled up to whole cache lines.
[[nodiscard]] std::size_t code_stride(std::size_t dim) noexcept;

// Where the codes of some rows go; all for the same number of rows.
struct CodeRows {
  std::span<std::uint8_t> codes;  // code_stride(dim) bytes a row: c + 128, zeros at the end
  std::span<float> scales;
  std::span<float> errors;  // |e|, rounded up; +inf where a row cannot be bounded
  std::span<float> norms;   // |r'|
};

// Encodes rows for a metric. `centre` has the length of a row; any centre gives exact results, one
// amid the rows gives close bounds. Throws Error when lengths do not fit together.
void encode_rows(const ScaledRows& rows, std::span<const float> centre, CodeRows out);

// The codes of a segment over memory that somebody else owns.
class ScanCodes {
 public:
  struct Arrays {
    std::span<const std::uint8_t> codes;
    std::span<const float> scales;
    std::span<const float> errors;
    std::span<const float> norms;
    std::span<const float> centre;
  };

  // Throws Error (corruption) when the lengths contradict each other.
  ScanCodes(const Arrays& arrays, Metric metric);

  [[nodiscard]] std::size_t num_rows() const noexcept { return arrays_.scales.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return arrays_.centre.size(); }
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  [[nodiscard]] Metric metric() const noexcept { return metric_; }
  [[nodiscard]] const Arrays& arrays() const noexcept { return arrays_; }

 private:
  Arrays arrays_;
  Metric metric_;
  std::size_t stride_;
};

// Rows first .. last - 1.
struct RowRange {
  std::size_t first = 0;
  std::size_t last = 0;
};

struct CodeScan {
  Matrix queries;
  std::optional<BitsetView> allowed;  // over all rows; only these are visited
  std::size_t k = 1;
  RowRange range;
};

// A row that may be among the k nearest.
struct Survivor {
  float lower;  // of its distance
  float upper;
  RowId row;
};

// The order in which survivors are looked at.
[[nodiscard]] inline bool is_before(const Survivor& a, const Survivor& b) noexcept {
  return a.lower < b.lower || (a.lower == b.lower && a.row < b.row);
}

// What the first pass left of one query.
struct Survivors {
  std::vector<Survivor> rows;  // by lower bound
  bool is_bounded = true;      // false: the bounds exclude too few rows, scan all of them instead
};

// The first pass, for each query. Throws Error when shapes do not fit together.
[[nodiscard]] std::vector<Survivors> scan_codes(const ScanCodes& codes, const CodeScan& scan);

// Survivors of several ranges of rows together, for each query.
[[nodiscard]] std::vector<Survivors> merge_survivors(std::vector<std::vector<Survivors>>&& ranges);

// The second pass: the k nearest of the survivors, of all allowed rows where a query is not
// bounded. `rows` are those that were encoded. Throws Error when shapes do not fit together.
void rescore(const ScanCodes& codes, const CodeScan& scan, std::span<const Survivors> survivors,
             const ScaledRows& rows, ScanResult result);

}  // namespace elanus
