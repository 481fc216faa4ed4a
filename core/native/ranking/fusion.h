// How do several ranked lists become one?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/types.h"

namespace elanus {

// One ranked list: what identifies each row, and what the list adds to its score.
struct RankedList {
  std::span<const std::int64_t> sources;
  std::span<const std::int64_t> row_ids;
  std::span<const double> parts;
};

struct FusedList {
  std::vector<std::int64_t> sources;
  std::vector<std::int64_t> row_ids;
  std::vector<double> scores;
};

// Returns every row of the lists once with the sum of its parts, added list by list; largest sum
// first, equals in the order of their first appearance; sums that are no number come last.
// Throws Error when the arrays of a list differ in length.
[[nodiscard]] FusedList fuse_lists(std::span<const RankedList> lists);

// A ranked list over one source.
struct RankedRows {
  std::span<const std::int64_t> row_ids;
  std::span<const double> parts;
};

struct FusedRows {
  std::vector<std::int64_t> row_ids;
  std::vector<double> scores;
};

// Returns the `limit` rows that `fuse_lists` would put first, but those of equal sums in the
// order of the keys, of which every row has one.
// Throws Error when the arrays of a list differ in length.
[[nodiscard]] FusedRows fuse_rows(std::span<const RankedRows> lists,
                                  std::span<const std::int64_t> keys, std::size_t limit);

// How a distance becomes a score in [0, 1], larger is better.
enum class UnitScale {
  cosine,  // (1 + s) / 2
  ip,      // 1/2 + atan(s) / pi
  l2,      // 1 - 2 atan(d) / pi
  sparse,  // 2 atan(s) / pi
  share,   // s, which lies in [0, 1]
};

// Source: Milvus' weighted ranker.
void unit_scores(UnitScale scale, std::span<const Distance> distances, std::span<double> out);

}  // namespace elanus
