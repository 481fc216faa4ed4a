// A graph as Python holds it, and how its arrays come in.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/file_verifier.h"
#include "bindings/unlocked.h"
#include "graph/graph.h"
#include "support/parallel_queries.h"

namespace elanus::bindings {

using OptionalFloats1 = std::optional<Array1<float>>;
// Of any dtype.
using AnyArray1 = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyArray2 = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Output2 = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// About what a walk costs for each place of its pool, in the operations of `Unlocked`: measured, 57
// us with 24 places at 384 dimensions.
inline constexpr std::size_t kOperationsPerCandidate = 4096;
template <typename T>
std::span<const T> to_span2(const Array2<T>& array) {
  return {array.data(), array.size()};
}

inline Quantizer to_quantizer(CodeKind kind, Metric metric, const Array1<float>& mean,
                              const Array1<float>& steps, float spread) {
  return {kind, metric, to_span(mean), to_span(steps), spread};
}

// Calls with a null pointer to the element type that a dtype stands for; false when it is none.
template <typename Work>
bool with_element(nb::dlpack::dtype dtype, const Work& work) {
  const auto is_one = [&]<typename Element>(const Element* none) {
    if (dtype != nb::dtype<Element>()) return false;
    work(none);
    return true;
  };
  return is_one(static_cast<const float*>(nullptr)) || is_one(static_cast<const Half*>(nullptr)) ||
         is_one(static_cast<const BFloat16*>(nullptr)) ||
         is_one(static_cast<const std::int8_t*>(nullptr)) ||
         is_one(static_cast<const BitByte*>(nullptr));
}

inline AnyRows to_rows(const AnyArray2& rows, const OptionalFloats1& scale) {
  if (scale.has_value() && scale->size() != rows.shape(0)) {
    throw_invalid_argument("row_scale: expected " + std::to_string(rows.shape(0)) +
                           " values, got " + std::to_string(scale->size()));
  }
  std::optional<AnyRows> typed;
  with_element(rows.dtype(), [&]<typename Element>(const Element*) {
    const std::span values(static_cast<const Element*>(rows.data()), rows.size());
    typed = ScaledRowsOf<Element>{{values, rows.shape(0), rows.shape(1)}, to_span(scale)};
  });
  if (!typed.has_value()) {
    throw_invalid_argument("rows: expected float32, float16, uint16 (bfloat16), int8 or uint8");
  }
  return *typed;
}

// The query that `dim` elements from `index * dim` on are.
inline AnyQuery to_query(nb::dlpack::dtype dtype, const void* data, std::size_t index,
                         std::size_t dim) {
  const auto from = [&]<typename Element>(const Element* elements) {
    return std::span<const Element>(elements + index * dim, dim);
  };
  if (dtype == nb::dtype<std::int8_t>()) return from(static_cast<const std::int8_t*>(data));
  if (dtype == nb::dtype<BitByte>()) return from(static_cast<const BitByte*>(data));
  if (dtype == nb::dtype<float>()) return from(static_cast<const float*>(data));
  throw_invalid_argument("queries: expected float32, int8 or uint8");
}

inline void check_query(const Graph& graph, const AnyQuery& query, std::size_t dim) {
  if (dim != graph.dim()) {
    throw_invalid_argument("queries: expected " + std::to_string(graph.dim()) +
                           " dimensions, got " + std::to_string(dim));
  }
  if (!graph.parts().rows.take(query)) {
    throw_invalid_argument("queries: not of a dtype that the rows take");
  }
}

class SearchGraph {
 public:
  SearchGraph(CodeKind kind, Metric metric, const Array1<float>& mean, const Array1<float>& steps,
              float spread, const AnyArray2& rows, const OptionalFloats1& row_scale,
              const Array2<std::uint8_t>& codes, const Array2<float>& terms,
              const Array2<RowId>& links, const Array1<RowId>& entries)
      : graph_({to_quantizer(kind, metric, mean, steps, spread), to_rows(rows, row_scale),
                to_span2(codes), to_span2(terms), to_span2(links), to_span(entries)}) {}

  // Rows lie in a file from `offset`; each is verified before it is read.
  void guard(FileVerifier& verifier, std::size_t offset) {
    verifier_ = &verifier.get();
    layout_ = {offset, graph_.parts().rows.row_bytes(), graph_.num_rows()};
  }

  // Returns the least number of rows found for a query; -1 when a row to be read is damaged.
  std::int64_t search(const AnyArray2& queries, std::size_t ef, std::size_t rescored,
                      std::size_t patience, const OptionalWords& allowed,
                      const Output2<std::int64_t>& row_ids, const Output2<float>& distances,
                      std::size_t threads) {
    check_shapes(queries, row_ids, distances);
    const Unlocked unlocked(queries.shape(0) * ef * kOperationsPerCandidate);
    const Places places{row_ids, distances, threads};
    return each_query(queries, places, [&](const AnyQuery& query, auto& found) {
      graph_.candidates(query, {ef, rescored, patience}, to_bitset(allowed, graph_.num_rows()),
                        found);
    });
  }

  std::int64_t scan(const AnyArray2& queries, std::size_t rescored, const OptionalWords& allowed,
                    const Output2<std::int64_t>& row_ids, const Output2<float>& distances,
                    std::size_t threads) {
    check_shapes(queries, row_ids, distances);
    const Unlocked unlocked(queries.shape(0) * graph_.num_rows() * 8);
    const Places places{row_ids, distances, threads};
    return each_query(queries, places, [&](const AnyQuery& query, auto& found) {
      graph_.scan(query, rescored, to_bitset(allowed, graph_.num_rows()), found);
    });
  }

  // Writes the nearest rows that `find` gives for one query; returns how many, none when a row to
  // be read is damaged. Needs no GIL.
  template <typename Find>
  std::optional<std::size_t> nearest(const AnyQuery& query, const Find& find,
                                     std::span<std::int64_t> row_ids,
                                     std::span<float> distances) const {
    std::vector<std::int64_t>& found = search_scratch().row_ids;
    find(query, found);
    if (verifier_ != nullptr && !verifier_->are_verified(layout_, found) &&
        verifier_->verify_rows(layout_, found).has_value()) {
      return std::nullopt;
    }
    const std::size_t count = found.size();
    graph_.rank(query, found, row_ids, distances);
    return count;
  }

  [[nodiscard]] const Graph& get() const noexcept { return graph_; }

 private:
  void check_shapes(const AnyArray2& queries, const Output2<std::int64_t>& row_ids,
                    const Output2<float>& distances) const {
    const bool fits = row_ids.shape(0) == queries.shape(0) &&
                      distances.shape(0) == queries.shape(0) &&
                      row_ids.shape(1) == distances.shape(1);
    if (!fits) throw_invalid_argument("search: expected places for each query");
    const std::size_t dim = queries.shape(1);
    check_query(graph_, to_query(queries.dtype(), queries.data(), 0, dim), dim);
  }

  // Where the rows of a batch go, and how many threads look for them.
  struct Places {
    const Output2<std::int64_t>& row_ids;
    const Output2<float>& distances;
    std::size_t threads;
  };

  template <typename Find>
  std::int64_t each_query(const AnyArray2& queries, const Places& places, const Find& find) {
    const std::size_t limit = places.row_ids.shape(1);
    std::int64_t* const row_ids = places.row_ids.data();
    float* const distances = places.distances.data();
    std::atomic<bool> is_damaged{false};
    std::vector<std::size_t> num_found(queries.shape(0), 0);
    for_each_query(queries.shape(0), places.threads, [&](std::size_t i) {
      if (is_damaged.load(std::memory_order_relaxed)) return;
      const AnyQuery query = to_query(queries.dtype(), queries.data(), i, graph_.dim());
      const auto count =
          nearest(query, find, {row_ids + i * limit, limit}, {distances + i * limit, limit});
      if (!count.has_value()) {
        is_damaged.store(true, std::memory_order_relaxed);
        return;
      }
      num_found[i] = *count;
    });
    if (is_damaged.load(std::memory_order_relaxed)) return -1;
    std::size_t least = limit;
    for (const std::size_t count : num_found) least = std::min(least, count);
    return static_cast<std::int64_t>(least);
  }

  Graph graph_;
  BlockVerifier* verifier_ = nullptr;
  RowLayout layout_{};
};

}  // namespace elanus::bindings
