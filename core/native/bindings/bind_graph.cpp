#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/search_graph.h"
#include "bindings/unlocked.h"
#include "graph/builder.h"
#include "graph/product_links.h"
#include "graph/stream.h"
#include "support/huge_buffer.h"
#include "support/threads.h"

namespace elanus::bindings {
namespace {

constexpr std::size_t kEncodedAtOnce = 1024;

// An array that begins on a page, of large pages where the system has them.
template <typename T>
NewArray2<T> huge_array(HugeBuffer<T>&& buffer, std::size_t rows, std::size_t columns) {
  auto owned = std::make_unique<HugeBuffer<T>>(std::move(buffer));
  T* first = owned->data();
  nb::capsule owner(owned.release(),
                    [](void* held) noexcept { delete static_cast<HugeBuffer<T>*>(held); });
  return NewArray2<T>(first, {rows, columns}, owner);
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
    run_in_threads(threads, [&](std::size_t) {
      for (;;) {
        const std::size_t first = next.fetch_add(kEncodedAtOnce);
        if (first >= num_rows) return;
        encode_rows(quantizer, typed, first, std::min(kEncodedAtOnce, num_rows - first),
                    codes.span(), terms.span());
      }
    });
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

class CandidateStream {
 public:
  CandidateStream(const SearchGraph& graph, const AnyArray1& query, const OptionalWords& allowed,
                  std::size_t ef, double slack) {
    const AnyQuery typed = to_query(query.dtype(), query.data(), 0, query.size());
    check_query(graph.get(), typed, query.size());
    if (!(slack >= 1.0)) throw_invalid_argument("slack: expected at least 1");
    const Unlocked unlocked;
    stream_ = std::make_unique<GraphStream>(graph.get(), typed,
                                            to_bitset(allowed, graph.get().num_rows()), ef, slack);
  }

  NewArray1<std::int64_t> next(std::size_t count) {
    std::vector<std::int64_t> rows;
    {
      const Unlocked unlocked;
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
