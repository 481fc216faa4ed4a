#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/file_verifier.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "graph/builder.h"
#include "graph/graph.h"
#include "graph/product_links.h"
#include "graph/stream.h"
#include "support/huge_buffer.h"
#include "support/parallel_queries.h"

namespace elanus::bindings {
namespace {

using OptionalFloats1 = std::optional<Array1<float>>;
// Of any dtype.
using AnyArray1 = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyArray2 = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using OptionalWords = std::optional<Array1<std::uint64_t>>;
template <typename T>
using Output2 = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// About what a walk costs for each place of its pool, in the operations of `Unlocked`: measured, 57
// us with 24 places at 384 dimensions.
constexpr std::size_t kOperationsPerCandidate = 4096;
constexpr std::size_t kEncodedAtOnce = 1024;

template <typename T>
std::span<const T> to_span2(const Array2<T>& array) {
  return {array.data(), array.size()};
}

// An array that begins on a page, of large pages where the system has them.
template <typename T>
NewArray2<T> huge_array(HugeBuffer<T>&& buffer, std::size_t rows, std::size_t columns) {
  auto owned = std::make_unique<HugeBuffer<T>>(std::move(buffer));
  T* first = owned->data();
  nb::capsule owner(owned.release(),
                    [](void* held) noexcept { delete static_cast<HugeBuffer<T>*>(held); });
  return NewArray2<T>(first, {rows, columns}, owner);
}

Quantizer to_quantizer(CodeKind kind, Metric metric, const Array1<float>& mean,
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

AnyRows to_rows(const AnyArray2& rows, const OptionalFloats1& scale) {
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
AnyQuery to_query(nb::dlpack::dtype dtype, const void* data, std::size_t index, std::size_t dim) {
  const auto from = [&]<typename Element>(const Element* elements) {
    return std::span<const Element>(elements + index * dim, dim);
  };
  if (dtype == nb::dtype<std::int8_t>()) return from(static_cast<const std::int8_t*>(data));
  if (dtype == nb::dtype<BitByte>()) return from(static_cast<const BitByte*>(data));
  if (dtype == nb::dtype<float>()) return from(static_cast<const float*>(data));
  throw_invalid_argument("queries: expected float32, int8 or uint8");
}

void check_query(const Graph& graph, const AnyQuery& query, std::size_t dim) {
  if (dim != graph.dim()) {
    throw_invalid_argument("queries: expected " + std::to_string(graph.dim()) +
                           " dimensions, got " + std::to_string(dim));
  }
  if (!graph.parts().rows.take(query)) {
    throw_invalid_argument("queries: not of a dtype that the rows take");
  }
}

std::pair<NewArray2<std::uint8_t>, NewArray2<float>> encode_rows_of(
    CodeKind kind, Metric metric, const Array1<float>& mean, const Array1<float>& steps,
    float spread, const AnyArray2& rows, const OptionalFloats1& row_scale, std::size_t threads) {
  const Quantizer quantizer = to_quantizer(kind, metric, mean, steps, spread);
  const AnyRows typed = to_rows(rows, row_scale);
  const std::size_t num_rows = rows.shape(0);
  const std::size_t row_bytes = code_lines(kind, typed.dim()) * kLineBytes;
  HugeBuffer<std::uint8_t> codes(num_rows * row_bytes);
  HugeBuffer<float> terms(quantizer.has_terms() ? 2 * num_rows : 0);
  {
    const nb::gil_scoped_release unlocked;
    // Shapes are checked here, so that no thread has to tell.
    encode_rows(quantizer, typed, 0, 0, codes.span(), terms.span());
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (;;) {
        const std::size_t first = next.fetch_add(kEncodedAtOnce);
        if (first >= num_rows) return;
        encode_rows(quantizer, typed, first, std::min(kEncodedAtOnce, num_rows - first),
                    codes.span(), terms.span());
      }
    };
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
  }
  const std::size_t term_rows = quantizer.has_terms() ? num_rows : 0;
  return {huge_array(std::move(codes), num_rows, row_bytes),
          huge_array(std::move(terms), term_rows, 2)};
}

// Arrays are kept alive by the class that holds them (keep_alive of the constructor).
class Builder {
 public:
  Builder(CodeKind kind, Metric metric, const Array1<float>& mean, const Array1<float>& steps,
          float spread, const AnyArray2& rows, const OptionalFloats1& row_scale,
          const Array2<std::uint8_t>& codes, const Array2<float>& terms,
          const OptionalFloats1& lifts, const Array1<RowId>& entries, std::size_t degree,
          std::size_t ef, std::size_t threads)
      : num_rows_(rows.shape(0)), degree_(degree) {
    if (degree == 0 || degree % 16 != 0 || degree > 128) {
      throw_invalid_argument("degree: expected a multiple of 16 up to 128, got " +
                             std::to_string(degree));
    }
    const std::span<const float> lift = to_span(lifts);
    const nb::gil_scoped_release unlocked;
    builder_ = std::make_unique<GraphBuilder>(
        to_quantizer(kind, metric, mean, steps, spread), to_rows(rows, row_scale), to_span2(codes),
        to_span2(terms), std::vector<float>(lift.begin(), lift.end()),
        std::vector<RowId>(entries.data(), entries.data() + entries.size()),
        BuildSettings{degree, ef, threads});
  }

  void adopt(const Array2<RowId>& links, const Array1<RowId>& rows) {
    const nb::gil_scoped_release unlocked;
    builder_->adopt(to_span2(links), links.shape(1), to_span(rows));
  }

  void insert(const Array1<RowId>& rows) {
    const nb::gil_scoped_release unlocked;
    builder_->insert(to_span(rows));
  }

  NewArray2<RowId> seal() {
    HugeBuffer<RowId> links(num_rows_ * degree_);
    {
      const nb::gil_scoped_release unlocked;
      builder_->seal(links.span());
    }
    return huge_array(std::move(links), num_rows_, degree_);
  }

 private:
  std::unique_ptr<GraphBuilder> builder_;
  std::size_t num_rows_;
  std::size_t degree_;
};

// Arrays are kept alive as those of Builder.
class ProductLinker {
 public:
  ProductLinker(const AnyArray2& rows, const Output2<RowId>& links, std::size_t most,
                std::size_t threads)
      : links_(to_rows(rows, std::nullopt), {links.data(), links.size()}, most, threads) {}

  void add(const Array1<RowId>& rows, const Array2<std::int64_t>& row_ids,
           const Array2<float>& distances) {
    const nb::gil_scoped_release unlocked;
    links_.add({to_span(rows), to_span2(row_ids), to_span2(distances)});
  }

 private:
  ProductLinks links_;
};

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
      std::vector<std::int64_t>& found = search_scratch().row_ids;
      const AnyQuery query = to_query(queries.dtype(), queries.data(), i, graph_.dim());
      find(query, found);
      if (verifier_ != nullptr && !verifier_->are_verified(layout_, found) &&
          verifier_->verify_rows(layout_, found).has_value()) {
        is_damaged.store(true, std::memory_order_relaxed);
        return;
      }
      num_found[i] = found.size();
      graph_.rank(query, found, {row_ids + i * limit, limit}, {distances + i * limit, limit});
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

class CandidateStream {
 public:
  CandidateStream(const SearchGraph& graph, const AnyArray1& query, const OptionalWords& allowed,
                  std::size_t ef, double slack) {
    const AnyQuery typed = to_query(query.dtype(), query.data(), 0, query.size());
    check_query(graph.get(), typed, query.size());
    if (!(slack >= 1.0)) throw_invalid_argument("slack: expected at least 1");
    const nb::gil_scoped_release unlocked;
    stream_ = std::make_unique<GraphStream>(graph.get(), typed,
                                            to_bitset(allowed, graph.get().num_rows()), ef, slack);
  }

  NewArray1<std::int64_t> next(std::size_t count) {
    std::vector<std::int64_t> rows;
    {
      const nb::gil_scoped_release unlocked;
      stream_->next(count, rows);
    }
    return OwnedArray<std::int64_t>(std::move(rows)).release();
  }

 private:
  std::unique_ptr<GraphStream> stream_;
};

void bind_builder(nb::module_& module) {
  nb::enum_<CodeKind>(module, "CodeKind", "How the dimensions of a row are coded.")
      .value("NIBBLES", CodeKind::nibbles, "4 bits each.")
      .value("BYTES", CodeKind::bytes, "7 bits each.")
      .value("BITS", CodeKind::bits, "As they are, one bit each.");
  module.def("encode_graph_rows", encode_rows_of, nb::arg("kind"), nb::arg("metric"),
             nb::arg("mean").noconvert(), nb::arg("steps").noconvert(), nb::arg("spread"),
             nb::arg("rows").noconvert(), nb::arg("row_scale").noconvert().none(),
             nb::arg("threads"), "Codes and terms of rows.");
  nb::class_<Builder>(module, "GraphBuilder", "Builds a pruned proximity graph.")
      .def(nb::init<CodeKind, Metric, const Array1<float>&, const Array1<float>&, float,
                    const AnyArray2&, const OptionalFloats1&, const Array2<std::uint8_t>&,
                    const Array2<float>&, const OptionalFloats1&, const Array1<RowId>&, std::size_t,
                    std::size_t, std::size_t>(),
           nb::arg("kind"), nb::arg("metric"), nb::arg("mean").noconvert(),
           nb::arg("steps").noconvert(), nb::arg("spread"), nb::arg("rows").noconvert(),
           nb::arg("row_scale").noconvert().none(), nb::arg("codes").noconvert(),
           nb::arg("terms").noconvert(), nb::arg("lifts").noconvert().none(),
           nb::arg("entries").noconvert(), nb::arg("degree"), nb::arg("ef"), nb::arg("threads"),
           nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>(), nb::keep_alive<1, 7>(),
           nb::keep_alive<1, 8>(), nb::keep_alive<1, 9>(), nb::keep_alive<1, 10>())
      .def("adopt", &Builder::adopt, nb::arg("links").noconvert(), nb::arg("rows").noconvert(),
           "Take over the links of an older graph.")
      .def("insert", &Builder::insert, nb::arg("rows").noconvert(), "Insert rows.")
      .def("seal", &Builder::seal, "The links of every row, nearest first.");
}

void bind_product_links(nb::module_& module) {
  nb::class_<ProductLinker>(module, "ProductLinks", "Adds links by inner product to a graph.")
      .def(nb::init<const AnyArray2&, const Output2<RowId>&, std::size_t, std::size_t>(),
           nb::arg("rows").noconvert(), nb::arg("links").noconvert(), nb::arg("most"),
           nb::arg("threads"), nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>())
      .def("add", &ProductLinker::add, nb::arg("rows").noconvert(), nb::arg("row_ids").noconvert(),
           nb::arg("distances").noconvert(), "Link rows to the best of their candidates.");
}

void bind_search(nb::module_& module) {
  nb::class_<SearchGraph>(module, "Graph", "Searches a proximity graph over coded rows.")
      .def(nb::init<CodeKind, Metric, const Array1<float>&, const Array1<float>&, float,
                    const AnyArray2&, const OptionalFloats1&, const Array2<std::uint8_t>&,
                    const Array2<float>&, const Array2<RowId>&, const Array1<RowId>&>(),
           nb::arg("kind"), nb::arg("metric"), nb::arg("mean").noconvert(),
           nb::arg("steps").noconvert(), nb::arg("spread"), nb::arg("rows").noconvert(),
           nb::arg("row_scale").noconvert().none(), nb::arg("codes").noconvert(),
           nb::arg("terms").noconvert(), nb::arg("links").noconvert(),
           nb::arg("entries").noconvert(), nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>(),
           nb::keep_alive<1, 7>(), nb::keep_alive<1, 8>(), nb::keep_alive<1, 9>(),
           nb::keep_alive<1, 10>(), nb::keep_alive<1, 11>(), nb::keep_alive<1, 12>())
      .def("guard", &SearchGraph::guard, nb::arg("verifier"), nb::arg("offset"),
           nb::keep_alive<1, 2>(), "Have rows verified before they are read.")
      .def("search", &SearchGraph::search, nb::arg("queries").noconvert(), nb::arg("ef"),
           nb::arg("rescored"), nb::arg("patience"), nb::arg("allowed").noconvert().none(),
           nb::arg("row_ids").noconvert(), nb::arg("distances").noconvert(), nb::arg("threads") = 1,
           "Write the nearest rows of each query; return the least number found, or -1 for damage.")
      .def("scan", &SearchGraph::scan, nb::arg("queries").noconvert(), nb::arg("rescored"),
           nb::arg("allowed").noconvert().none(), nb::arg("row_ids").noconvert(),
           nb::arg("distances").noconvert(), nb::arg("threads") = 1,
           "The same by all codes, without a walk.");
  nb::class_<CandidateStream>(module, "CandidateStream", "A search that goes on.")
      .def(nb::init<const SearchGraph&, const AnyArray1&, const OptionalWords&, std::size_t,
                    double>(),
           nb::arg("graph"), nb::arg("query").noconvert(), nb::arg("allowed").noconvert().none(),
           nb::arg("ef"), nb::arg("slack"), nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>(),
           nb::keep_alive<1, 4>())
      .def("next", &CandidateStream::next, nb::arg("count"), "Rows that did not come before.");
}

}  // namespace

void bind_graph(nb::module_& module) {
  bind_builder(module);
  bind_product_links(module);
  bind_search(module);
}

}  // namespace elanus::bindings
