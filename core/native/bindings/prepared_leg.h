// Searches of one field for one query after the other: all but the query is decided once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/counted_terms.h"
#include "support/error.h"

namespace elanus::bindings {

// A query as its leg has read it.
struct LegQuery {
  std::vector<float> vector;
  CountedTerms terms{0};
};

// The first `count` places hold the rows found, nearest first.
struct LegHits {
  std::vector<std::int64_t> row_ids;
  std::vector<float> distances;
  std::size_t count = 0;
};

// The candidates of one field over the rows of one segment. Arrays outlive it.
class PreparedLeg {
 public:
  // `keys`: one for each row, or none.
  PreparedLeg(std::size_t num_rows, std::size_t limit,
              const std::optional<Array1<std::int64_t>>& keys)
      : num_rows_(num_rows), limit_(limit), keys_(to_span(keys)) {
    if (limit == 0) throw_invalid_argument("limit: expected at least 1");
    if (keys.has_value() && keys_.size() != num_rows) {
      throw_invalid_argument("keys: expected one for each row");
    }
  }
  PreparedLeg(const PreparedLeg&) = delete;
  PreparedLeg& operator=(const PreparedLeg&) = delete;
  PreparedLeg(PreparedLeg&&) = delete;
  PreparedLeg& operator=(PreparedLeg&&) = delete;
  virtual ~PreparedLeg() = default;

  // Takes a query as the user passed it; false where there is more to be said about it.
  virtual bool read(nb::handle data, LegQuery& query) const = 0;
  // What `find` costs, as `Unlocked` counts.
  [[nodiscard]] virtual std::size_t operations(const LegQuery& query) const = 0;
  // What a distance is multiplied by to be the score that users see.
  [[nodiscard]] virtual float sign() const = 0;

  // Finds at most `limit` rows, ties by key. False where there is more to be said. Needs no GIL.
  bool find(const LegQuery& query, LegHits& hits) const {
    if (!search(query, hits) || !order_ties(hits)) return false;
    hits.count = std::min(hits.count, limit_);
    return true;
  }

  [[nodiscard]] std::size_t num_rows() const noexcept { return num_rows_; }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::span<const std::int64_t> keys() const noexcept { return keys_; }

 protected:
  // Fills in the nearest rows and all that are as near as the last of `limit`. False where more is
  // to be said: of a damaged row, of too few, and where there may be more of such.
  virtual bool search(const LegQuery& query, LegHits& hits) const = 0;

  // The same rows and keys, for a leg that differs in the rows that it allows.
  struct Base {
    const PreparedLeg& leg;
  };
  explicit PreparedLeg(Base base)
      : num_rows_(base.leg.num_rows_), limit_(base.leg.limit_), keys_(base.leg.keys_) {}

 private:
  // False where ties have no keys.
  bool order_ties(LegHits& hits) const {
    const std::vector<float>& distances = hits.distances;
    for (std::size_t first = 0, last = 0; first < hits.count; first = last) {
      do {
        ++last;
      } while (last < hits.count && distances[last] == distances[first]);
      if (last == first + 1) continue;
      if (keys_.empty()) return false;
      std::sort(hits.row_ids.begin() + static_cast<std::ptrdiff_t>(first),
                hits.row_ids.begin() + static_cast<std::ptrdiff_t>(last),
                [&](std::int64_t a, std::int64_t b) { return key(a) < key(b); });
    }
    return true;
  }

  [[nodiscard]] std::int64_t key(std::int64_t row) const {
    return keys_[static_cast<std::size_t>(row)];
  }

  std::size_t num_rows_;
  std::size_t limit_;
  std::span<const std::int64_t> keys_;
};

// Throws unless rows ascend and each is there.
inline void check_few(std::span<const std::int64_t> few, std::size_t num_rows) {
  std::int64_t last = -1;
  for (const std::int64_t row : few) {
    if (row <= last || static_cast<std::size_t>(row) >= num_rows) {
      throw_invalid_argument("rows: expected ascending row ids below " + std::to_string(num_rows));
    }
    last = row;
  }
}

// The allowed rows as numbers, where Python knows them: ascending, and each has a row.
inline std::span<const std::int64_t> to_few(const std::optional<Array1<std::int64_t>>& rows,
                                            std::size_t num_rows) {
  const std::span<const std::int64_t> few = to_span(rows);
  check_few(few, num_rows);
  return few;
}

}  // namespace elanus::bindings
