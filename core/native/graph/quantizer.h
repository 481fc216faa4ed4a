// Codes of rows, and queries in the form that codes are compared with.
//
// A row is coded relative to the mean of all rows, each dimension in steps of its own size, and
// where rows differ in length by a scale of its own. The constant that the mean adds to an inner
// product is the same for all rows, so it is left out.
//
// Binary vectors are their own codes, filled up to whole cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "graph/graph_kernels.h"
#include "graph/rows.h"

namespace elanus {

[[nodiscard]] std::size_t code_levels(CodeKind kind) noexcept;
// Dimensions that one cache line of a code holds: 128 or 64; of bits, 64 bytes of a row.
[[nodiscard]] std::size_t dims_per_line(CodeKind kind) noexcept;
[[nodiscard]] std::size_t code_lines(CodeKind kind, std::size_t dim) noexcept;

// What turns a row into a code and back. Bits have neither means nor steps.
struct Quantizer {
  CodeKind kind = CodeKind::nibbles;
  Metric metric = Metric::l2;
  std::span<const float> mean;   // of each dimension, over rows times their scale
  std::span<const float> steps;  // of each dimension, positive
  float spread = 0.0F;           // steps that the root mean square of a row has; 0: one length

  [[nodiscard]] bool has_terms() const noexcept {
    return kind == CodeKind::bits ? metric == Metric::jaccard : spread > 0.0F;
  }
  // Whether it has what rows of that type and so many elements need.
  [[nodiscard]] bool fits(const AnyRows& rows) const noexcept;
};

// Writes codes of rows `first ..`; `codes` and `terms` hold all rows. `terms` is empty without.
// Throws Error when shapes or types do not fit together.
void encode_rows(const Quantizer& quantizer, const AnyRows& rows, std::size_t first,
                 std::size_t count, std::span<std::uint8_t> codes, std::span<float> terms);

// A query as bytes, on a cache line of its own.
class PreparedQuery {
 public:
  // For a search: keys order rows as the metric does. The query is one that the rows take.
  void prepare(const Quantizer& quantizer, const AnyQuery& query);

  // For a build: keys order rows of numbers by their squared Euclidean distance to a row, `lift`
  // being the coordinate that gives rows of the inner product metric one length.
  void prepare_for_build(const Quantizer& quantizer, const AnyQuery& row, float lift);

  [[nodiscard]] const CodedQuery& get() const noexcept { return coded_; }

 private:
  std::span<const float> floats_of(const AnyQuery& query);
  float quantize(const Quantizer& quantizer, std::span<const float> query, bool centred);
  void take_bits(std::span<const BitByte> query);
  std::int8_t* clear_values(std::size_t count);

  std::vector<float> widened_;
  std::vector<float> scaled_;
  std::vector<std::int8_t> bytes_;
  CodedQuery coded_{};
};

}  // namespace elanus
