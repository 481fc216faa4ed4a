// Codes of rows, and queries in the form that codes are compared with.
//
// A row is coded relative to the mean of all rows, each dimension in steps of its own size, and
// where rows differ in length by a scale of its own. The constant that the mean adds to an inner
// product is the same for all rows, so it is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "distance/distance.h"
#include "graph/graph_kernels.h"

namespace elanus {

[[nodiscard]] std::size_t code_levels(CodeKind kind) noexcept;
// Dimensions that one cache line of a code holds: 128 or 64.
[[nodiscard]] std::size_t dims_per_line(CodeKind kind) noexcept;
[[nodiscard]] std::size_t code_lines(CodeKind kind, std::size_t dim) noexcept;

// What turns a row into a code and back.
struct Quantizer {
  CodeKind kind = CodeKind::nibbles;
  Metric metric = Metric::l2;
  std::span<const float> mean;   // of each dimension, over rows times their scale
  std::span<const float> steps;  // of each dimension, positive
  float spread = 0.0F;           // steps that the root mean square of a row has; 0: one length

  [[nodiscard]] std::size_t dim() const noexcept { return mean.size(); }
  [[nodiscard]] bool has_terms() const noexcept { return spread > 0.0F; }
};

// Writes codes of rows `first ..`; `codes` and `terms` hold all rows. `terms` is empty without.
void encode_rows(const Quantizer& quantizer, const ScaledRows& rows, std::size_t first,
                 std::size_t count, std::span<std::uint8_t> codes, std::span<float> terms);

// A query as bytes, on a cache line of its own.
class PreparedQuery {
 public:
  // For a search: keys order rows as the metric does.
  void prepare(const Quantizer& quantizer, std::span<const float> query);

  // For a build: keys order rows by their squared Euclidean distance to a row, `lift` being the
  // coordinate that gives rows of the inner product metric one length.
  void prepare_for_build(const Quantizer& quantizer, std::span<const float> row, float lift);

  [[nodiscard]] const CodedQuery& get() const noexcept { return coded_; }

 private:
  float quantize(const Quantizer& quantizer, std::span<const float> query, bool centred);

  std::vector<float> scaled_;
  std::vector<std::int8_t> bytes_;
  CodedQuery coded_{};
};

}  // namespace elanus
