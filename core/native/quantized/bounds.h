// What a query contributes to the bounds of its distances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "distance/distance.h"

namespace elanus {

// Rows and queries longer than this are not bounded: sums of their squares could overflow.
inline constexpr double kMaxLength = 1e18;
// Cosine rows shorter than this are not bounded: their products with a query could vanish.
inline constexpr double kMinCosineLength = 1e-18;

// With product = d.c (an integer), n = |r'| and e = |e| of a row:
//
//   middle = n * n + base - weight * scale * product     (L2)
//   middle = base - weight * scale * product             (IP, COSINE)
//   margin = per_norm * n + per_error * e + slack, and slack_square * n * n for L2
//
// and the float32 distance lies within middle - margin and middle + margin.
struct QueryBounds {
  std::int32_t offset = 0;  // product = sum of query code times row byte, minus this
  float weight = 0;
  float per_norm = 0;
  float per_error = 0;
  float square_low = 0;  // factor of n * n in the lower bound, and in the upper one
  float square_high = 0;
  float base_low = 0;
  float base_high = 0;
  bool is_bounded = false;  // false for queries that are too long or hold no number
};

// Writes the codes of one query, as bytes and widened, zeros after the dimension.
QueryBounds encode_query(Metric metric, std::span<const float> query, std::span<const float> centre,
                         std::span<std::int8_t> codes, std::span<std::int16_t> widened);

}  // namespace elanus
