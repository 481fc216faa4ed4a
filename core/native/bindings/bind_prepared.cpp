// Searches for one query after the other: all but the query is decided once, and a call makes no
// arrays. A search takes tens of microseconds, and each array some of one.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <bit>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bindings/found_rows.h"
#include "bindings/module.h"
#include "bindings/prepared_leg.h"
#include "bindings/query_vector.h"
#include "bindings/row_reader.h"
#include "bindings/sealed_arrays.h"
#include "bindings/search_graph.h"
#include "distance/distance.h"
#include "support/parallel_queries.h"

namespace elanus::bindings {
namespace {

using OptionalKeys = std::optional<Array1<std::int64_t>>;

// How the rows of a graph are searched: by a walk, by all codes, or by all distances.
enum class GraphMethod { walk, codes, scan };

// The nearest rows of a graph.
class PreparedGraph : public PreparedLeg {
 public:
  PreparedGraph(const SearchGraph& graph, std::size_t limit, const WalkEffort& effort,
                GraphMethod method, const OptionalWords& allowed, const OptionalKeys& keys)
      : PreparedLeg(graph.get().num_rows(), limit, keys),
        graph_(graph),
        effort_(effort),
        method_(method),
        allowed_(to_bitset(allowed, graph.get().num_rows())) {
    const std::vector<float> probe(graph.get().dim());
    if (!graph.get().parts().rows.take(AnyQuery(std::span(probe)))) {
      throw_invalid_argument("graph: expected one of rows that take float32 queries");
    }
    set_scanned({});
  }
  // The same graph with other effort and rows; `rows` are those of `allowed`, where they are known.
  PreparedGraph(const PreparedGraph& other, const WalkEffort& effort, GraphMethod method,
                const OptionalWords& allowed, const OptionalKeys& rows)
      : PreparedLeg(Base{other}),
        graph_(other.graph_),
        effort_(effort),
        method_(method),
        allowed_(to_bitset(allowed, num_rows())) {
    set_scanned(to_few(rows, num_rows()));
  }

  bool read(nb::handle data, LegQuery& query) const override {
    query.vector.resize(graph_.get().dim());
    return read_vector(data.ptr(), query.vector) && is_usable(query.vector);
  }

  [[nodiscard]] std::size_t operations(const LegQuery& query) const override {
    return effort_.ef * kOperationsPerCandidate + scanned_.size() * query.vector.size();
  }

  [[nodiscard]] float sign() const override { return metric() == Metric::l2 ? 1.0F : -1.0F; }

 protected:
  // Too few rows are completed by a scan, elsewhere.
  bool search(const LegQuery& query, LegHits& hits) const override {
    const Graph& graph = graph_.get();
    hits.row_ids.resize(limit() + 1);
    hits.distances.resize(limit() + 1);
    const std::optional<std::size_t> found = graph_.nearest(
        AnyQuery(std::span(query.vector)),
        [&](const AnyQuery& asked, auto& rows) {
          if (method_ == GraphMethod::scan) {
            rows = scanned_;
          } else if (method_ == GraphMethod::codes) {
            graph.scan(asked, effort_.rescored, allowed_, rows);
          } else {
            graph.candidates(asked, effort_, allowed_, rows);
          }
        },
        hits.row_ids, hits.distances);
    if (!found.has_value()) return false;
    hits.count = std::min(*found, limit() + 1);
    // Of rows at no finite distance a scan knows more.
    if (hits.count == 0 || std::isinf(hits.distances[hits.count - 1])) return false;
    if (hits.count <= limit()) return method_ == GraphMethod::scan;
    return hits.distances[limit()] != hits.distances[limit() - 1];
  }

 private:
  void set_scanned(std::span<const std::int64_t> known) {
    if (method_ != GraphMethod::scan) return;
    if (!allowed_.has_value()) throw_invalid_argument("allowed: expected the rows to scan");
    scanned_.assign(known.begin(), known.end());
    if (!known.empty()) return;
    for (std::size_t i = 0; i < allowed_->num_words(); ++i) {
      for (std::uint64_t word = allowed_->word(i); word != 0; word &= word - 1) {
        scanned_.push_back(static_cast<std::int64_t>(
            i * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(word))));
      }
    }
  }

  [[nodiscard]] Metric metric() const { return graph_.get().parts().quantizer.metric; }

  // Brings a query to unit length for COSINE; false when a value is NaN or infinite.
  [[nodiscard]] bool is_usable(std::span<float> query) const {
    if (metric() != Metric::cosine) return are_finite(query);
    return unit_rows({query, 1, query.size()}, query);
  }

  const SearchGraph& graph_;
  WalkEffort effort_;
  GraphMethod method_;
  std::optional<BitsetView> allowed_;
  std::vector<std::int64_t> scanned_;  // every allowed row, of a scan
};

// The best rows for a text, by BM25 over the rows that count.
class PreparedText : public PreparedLeg {
 public:
  PreparedText(const SealedArrays& postings, QueryNumbers& numbers, std::size_t num_docs,
               std::size_t limit, const OptionalWords& alive, const OptionalWords& allowed,
               const Bm25& bm25, const OptionalKeys& keys)
      : PreparedLeg(postings.postings().num_rows(), limit, keys),
        postings_(postings),
        numbers_(numbers),
        num_docs_(num_docs),
        alive_(to_bitset(alive, postings.postings().num_rows())),
        allowed_{to_bitset(allowed, postings.postings().num_rows())},
        bm25_(bm25) {}
  // The same postings with other rows; `rows` are those of `allowed`, where they are known.
  PreparedText(const PreparedText& other, const OptionalWords& allowed, const OptionalKeys& rows)
      : PreparedLeg(Base{other}),
        postings_(other.postings_),
        numbers_(other.numbers_),
        num_docs_(other.num_docs_),
        alive_(other.alive_),
        allowed_{to_bitset(allowed, num_rows()), to_few(rows, num_rows())},
        bm25_(other.bm25_) {
    if (!allowed_.bits.has_value() && !allowed_.few.empty()) {
      throw_invalid_argument("rows: expected them as bits as well");
    }
  }
  // The same postings with other rows, of which there are numbers alone. They outlive it.
  PreparedText(const PreparedText& other, std::span<const std::int64_t> few)
      : PreparedLeg(Base{other}),
        postings_(other.postings_),
        numbers_(other.numbers_),
        num_docs_(other.num_docs_),
        alive_(other.alive_),
        allowed_{std::nullopt, few},
        bm25_(other.bm25_) {}

  bool read(nb::handle data, LegQuery& query) const override {
    if (PyUnicode_CheckExact(data.ptr()) == 0) return false;
    query.terms = count_terms(numbers_, nb::borrow<nb::str>(data), num_docs_);
    return true;
  }

  [[nodiscard]] std::size_t operations(const LegQuery& query) const override {
    const std::size_t num_terms = query.terms.terms.size();
    if (!allowed_.few.empty()) return allowed_.few.size() * num_terms * kOperationsPerPosting;
    return sparse_operations(num_rows(), num_terms, limit());
  }

  [[nodiscard]] float sign() const override { return -1.0F; }

 protected:
  bool search(const LegQuery& query, LegHits& hits) const override {
    constexpr std::size_t kMostTies = 1024;  // MOST_TIES of `query/merge.py`
    for (std::size_t k = limit() + 1;; k = std::min(4 * k, limit() + kMostTies)) {
      SparseHits found = postings_.best_rows(query.terms, alive_, allowed_, bm25_.parameters(), k);
      hits.count = found.row_ids.size();
      hits.row_ids = std::move(found.row_ids);
      hits.distances = std::move(found.distances);
      if (hits.count < k || hits.distances[k - 1] != hits.distances[limit() - 1]) return true;
      if (k == limit() + kMostTies) return false;
    }
  }

 private:
  const SealedArrays& postings_;
  QueryNumbers& numbers_;
  std::size_t num_docs_;
  std::optional<BitsetView> alive_;
  AllowedRows allowed_;
  const Bm25& bm25_;
};

// False where there is more to be said about the query.
bool find_hits(const PreparedLeg& leg, nb::handle data, LegHits& hits) {
  LegQuery query;
  if (!leg.read(data, query)) return false;
  const Unlocked unlocked(leg.operations(query));
  return leg.find(query, hits);
}

// Row ids, scores, keys and entities.
nb::object found_rows(const PreparedLeg& leg, const LegHits& hits, const RowReader* reader) {
  const auto rows = std::span<const std::int64_t>(hits.row_ids).first(hits.count);
  const float sign = leg.sign();
  nb::list scores = made_list(
      hits.count, [&](std::size_t i) { return PyFloat_FromDouble(sign * hits.distances[i]); });
  return nb::make_tuple(integers(rows), scores, keys_of(leg.keys(), rows),
                        entities_of(reader, rows));
}

// The same for a query; None where there is more to be said about it.
nb::object find_one(const PreparedLeg& leg, nb::handle data, const RowReader* reader) {
  LegHits hits;
  return find_hits(leg, data, hits) ? found_rows(leg, hits, reader) : nb::none();
}

// The same for several queries, spread over threads; None for one of which there is more to be
// said. None for all where that is already so of what was passed.
nb::object find_many(const PreparedLeg& leg, const nb::list& queries, const RowReader* reader,
                     std::size_t threads) {
  std::vector<LegQuery> asked(queries.size());
  std::size_t operations = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!leg.read(queries[i], asked[i])) return nb::none();
    operations += leg.operations(asked[i]);
  }
  std::vector<LegHits> hits(asked.size());
  std::vector<std::uint8_t> is_found(asked.size());
  {
    const Unlocked unlocked(operations);
    for_each_query(asked.size(), threads_for(operations, threads),
                   [&](std::size_t i) { is_found[i] = leg.find(asked[i], hits[i]) ? 1 : 0; });
  }
  nb::list results;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    results.append(is_found[i] == 0 ? nb::none() : found_rows(leg, hits[i], reader));
  }
  return results;
}

// The same among a few rows, which are ascending.
nb::object find_among(const PreparedText& leg, const Array1<std::uint32_t>& rows, nb::handle data,
                      const RowReader* reader) {
  const std::span<const std::uint32_t> given = to_span(rows);
  const std::vector<std::int64_t> few(given.begin(), given.end());
  if (few.empty()) throw_invalid_argument("rows: expected at least one");
  check_few(few, leg.num_rows());
  return find_one(PreparedText(leg, few), data, reader);
}

void bind_legs(nb::module_& module) {
  nb::class_<PreparedLeg>(module, "PreparedLeg", "Searches one field for one query at a time.")
      .def("find", find_one, nb::arg("query").none(), nb::arg("reader").none(),
           nb::sig("def find(self, query: object, reader: RowReader | None) -> tuple[list[int], "
                   "list[float], list[int] | None, list[dict[str, object]] | None] | None"),
           "Row ids, scores, keys and entities; None when there is more to be said of the query.")
      .def("find_many", find_many, nb::arg("queries"), nb::arg("reader").none(), nb::arg("threads"),
           nb::sig("def find_many(self, queries: list[object], reader: RowReader | None, threads: "
                   "int) -> list[tuple[list[int], list[float], list[int] | None, "
                   "list[dict[str, object]] | None] | None] | None"),
           "What `find` returns for each query; None when there is more to be said of any.")
      .def(
          "count",
          [](const PreparedLeg& leg, nb::handle data) -> std::optional<std::size_t> {
            LegHits hits;
            return find_hits(leg, data, hits) ? std::optional(hits.count) : std::nullopt;
          },
          nb::arg("query").none(), nb::sig("def count(self, query: object) -> int | None"),
          "The same search, of which only the number of rows is returned.");
  nb::enum_<GraphMethod>(module, "GraphMethod", "How the rows of a graph are searched.")
      .value("WALK", GraphMethod::walk, "From neighbour to neighbour.")
      .value("CODES", GraphMethod::codes, "By the codes of all allowed rows.")
      .value("SCAN", GraphMethod::scan, "By the distances of all allowed rows.");
  nb::class_<PreparedGraph, PreparedLeg>(module, "PreparedGraph", "Searches a graph.")
      .def(
          "__init__",
          [](PreparedGraph* self, const SearchGraph& graph, std::size_t limit, std::size_t ef,
             std::size_t rescored, GraphMethod method, const OptionalWords& allowed,
             const OptionalKeys& keys) {
            new (self) PreparedGraph(graph, limit, {ef, rescored, 0}, method, allowed, keys);
          },
          nb::arg("graph"), nb::arg("limit"), nb::arg("ef"), nb::arg("rescored"), nb::arg("method"),
          nb::arg("allowed").noconvert().none(), nb::arg("keys").noconvert().none(),
          nb::keep_alive<1, 2>(), nb::keep_alive<1, 7>(), nb::keep_alive<1, 8>())
      .def(
          "under",
          [](const PreparedGraph& self, std::size_t ef, std::size_t rescored, GraphMethod method,
             const OptionalWords& allowed, const OptionalKeys& rows) {
            return std::make_unique<PreparedGraph>(self, WalkEffort{ef, rescored, 0}, method,
                                                   allowed, rows);
          },
          nb::arg("ef"), nb::arg("rescored"), nb::arg("method"),
          nb::arg("allowed").noconvert().none(), nb::arg("rows").noconvert().none(),
          nb::keep_alive<0, 1>(), nb::keep_alive<0, 5>(), "The same over other rows.");
}

void bind_texts(nb::module_& module) {
  nb::class_<PreparedText, PreparedLeg>(module, "PreparedText", "Searches sealed postings.")
      .def(nb::init<const SealedArrays&, QueryNumbers&, std::size_t, std::size_t,
                    const OptionalWords&, const OptionalWords&, const Bm25&, const OptionalKeys&>(),
           nb::arg("postings"), nb::arg("numbers"), nb::arg("num_docs"), nb::arg("limit"),
           nb::arg("alive").noconvert().none(), nb::arg("allowed").noconvert().none(),
           nb::arg("bm25"), nb::arg("keys").noconvert().none(), nb::keep_alive<1, 2>(),
           nb::keep_alive<1, 3>(), nb::keep_alive<1, 6>(), nb::keep_alive<1, 7>(),
           nb::keep_alive<1, 8>(), nb::keep_alive<1, 9>())
      .def(
          "under",
          [](const PreparedText& self, const OptionalWords& allowed, const OptionalKeys& rows) {
            return std::make_unique<PreparedText>(self, allowed, rows);
          },
          nb::arg("allowed").noconvert().none(), nb::arg("rows").noconvert().none(),
          nb::keep_alive<0, 1>(), nb::keep_alive<0, 2>(), nb::keep_alive<0, 3>(),
          "The same over other rows.")
      .def("find_among", find_among, nb::arg("rows").noconvert(), nb::arg("query").none(),
           nb::arg("reader").none(),
           nb::sig("def find_among(self, rows: NDArray[numpy.uint32], query: object, reader: "
                   "RowReader | None) -> tuple[list[int], list[float], list[int] | None, "
                   "list[dict[str, object]] | None] | None"),
           "What `find` returns of the same over a few rows.");
}

}  // namespace

void bind_prepared(nb::module_& module) {
  bind_legs(module);
  bind_texts(module);
}

}  // namespace elanus::bindings
