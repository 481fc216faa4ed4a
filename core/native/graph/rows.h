// The rows of a graph and the queries for them, whatever their elements are.
//
// Codes are made of floats, so a row of another type is widened where a code of it is needed;
// distances are computed by the kernel of the type, as a scan computes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "distance/distance.h"

namespace elanus {

using AnyQuery =
    std::variant<std::span<const float>, std::span<const std::int8_t>, std::span<const BitByte>>;

// The memory of the rows outlives it.
class AnyRows {
 public:
  // Implicit: it is the rows, without their type.
  template <typename Element>
  AnyRows(const ScaledRowsOf<Element>& rows) : rows_(rows) {}

  [[nodiscard]] std::size_t num_rows() const noexcept;
  // Elements of a row: dimensions, or bytes of a binary vector.
  [[nodiscard]] std::size_t dim() const noexcept;
  [[nodiscard]] std::size_t row_bytes() const noexcept;
  [[nodiscard]] bool are_bits() const noexcept;
  // Whether a distance to these rows can be computed: types fit together, and dimensions do.
  [[nodiscard]] bool take(const AnyQuery& query) const noexcept;

  // A row of numbers as floats, times its scale; `scratch` holds them unless they are stored so.
  // Throws Error for rows of bits.
  [[nodiscard]] std::span<const float> floats(std::size_t row, std::vector<float>& scratch) const;
  // Throws Error for rows of numbers.
  [[nodiscard]] std::span<const BitByte> bits(std::size_t row) const;
  // A row as a query for its neighbours.
  [[nodiscard]] AnyQuery query_of(std::size_t row, std::vector<float>& scratch) const;

  // Writes the distance of each named row, the same bits that a scan gives.
  // Throws Error when the query is none for these rows, or as `distances_to_rows` does.
  void distances(Metric metric, const AnyQuery& query, std::span<const std::int64_t> row_ids,
                 std::span<Distance> out) const;

 private:
  std::variant<ScaledRows, ScaledRowsOf<Half>, ScaledRowsOf<BFloat16>, ScaledRowsOf<std::int8_t>,
               ScaledRowsOf<BitByte>>
      rows_;
};

}  // namespace elanus
