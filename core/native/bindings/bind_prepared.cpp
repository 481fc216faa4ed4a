// Searches of a graph for one query after the other: all but the query is decided once, and a call
// makes no arrays. A search takes tens of microseconds, and each array some of one.
#include <nanobind/stl/optional.h>

#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "bindings/module.h"
#include "bindings/search_graph.h"
#include "distance/distance.h"

namespace elanus::bindings {
namespace {

// A buffer of Python, held as long as this is.
class HeldBuffer {
 public:
  explicit HeldBuffer(PyObject* object) {
    constexpr int kFlags = PyBUF_FORMAT | PyBUF_ND | PyBUF_C_CONTIGUOUS;
    is_held_ = PyObject_GetBuffer(object, &view_, kFlags) == 0;
    if (!is_held_) PyErr_Clear();
  }
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;
  HeldBuffer(HeldBuffer&&) = delete;
  HeldBuffer& operator=(HeldBuffer&&) = delete;
  ~HeldBuffer() {
    if (is_held_) PyBuffer_Release(&view_);
  }

  // The floats of one vector; none when it is anything else.
  [[nodiscard]] std::optional<std::span<const float>> floats() const {
    const bool is_vector = is_held_ && view_.ndim == 1 && view_.format != nullptr &&
                           view_.format[0] == 'f' && view_.format[1] == '\0';
    if (!is_vector) return std::nullopt;
    return std::span(static_cast<const float*>(view_.buf),
                     static_cast<std::size_t>(view_.shape[0]));
  }

 private:
  Py_buffer view_{};
  bool is_held_ = false;
};

// Copies a list of floats or a float32 vector of `out.size()` dimensions; false when it is neither.
bool read_vector(PyObject* data, std::span<float> out) {
  if (PyList_CheckExact(data) != 0) {
    if (static_cast<std::size_t>(PyList_GET_SIZE(data)) != out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
      PyObject* const item = PyList_GET_ITEM(data, static_cast<Py_ssize_t>(i));
      if (PyFloat_CheckExact(item) == 0) return false;
      out[i] = static_cast<float>(PyFloat_AS_DOUBLE(item));
    }
    return true;
  }
  const HeldBuffer buffer(data);
  const auto values = buffer.floats();
  if (!values.has_value() || values->size() != out.size()) return false;
  std::ranges::copy(*values, out.begin());
  return true;
}

class PreparedSearch {
 public:
  // Arrays are kept alive with it (keep_alive of the constructor).
  PreparedSearch(const SearchGraph& graph, std::size_t limit, const WalkEffort& effort,
                 bool by_codes, const OptionalWords& allowed,
                 const std::optional<Array1<std::int64_t>>& keys)
      : graph_(graph),
        limit_(limit),
        effort_(effort),
        by_codes_(by_codes),
        allowed_(to_bitset(allowed, graph.get().num_rows())),
        keys_(to_span(keys)) {
    const std::vector<float> probe(graph.get().dim());
    if (!graph.get().parts().rows.take(AnyQuery(std::span(probe)))) {
      throw_invalid_argument("graph: expected one of rows that take float32 queries");
    }
    if (limit == 0) throw_invalid_argument("limit: expected at least 1");
    if (keys.has_value() && keys_.size() != graph.get().num_rows()) {
      throw_invalid_argument("keys: expected one for each row");
    }
  }

  // Row ids, scores and keys of the nearest rows as lists; None where there is more to be said:
  // of another query, too few rows, a damaged one, or several that lie equally near.
  nb::object find(nb::handle data) const {
    const Graph& graph = graph_.get();
    thread_local std::vector<float> query;
    thread_local std::vector<std::int64_t> row_ids;
    thread_local std::vector<float> distances;
    query.resize(graph.dim());
    row_ids.resize(limit_ + 1);
    distances.resize(limit_ + 1);
    if (!read_vector(data.ptr(), query) || !is_usable(query)) return nb::none();
    std::optional<std::size_t> found;
    {
      const Unlocked unlocked(effort_.ef * kOperationsPerCandidate);
      const AnyQuery typed = std::span<const float>(query);
      found = graph_.nearest(
          typed,
          [&](const AnyQuery& asked, auto& rows) {
            if (by_codes_) {
              graph.scan(asked, effort_.rescored, allowed_, rows);
            } else {
              graph.candidates(asked, effort_, allowed_, rows);
            }
          },
          row_ids, distances);
    }
    if (!found.has_value() || *found <= limit_) return nb::none();
    for (std::size_t i = 0; i < limit_; ++i) {
      if (distances[i] == distances[i + 1]) return nb::none();
    }
    return nb::make_tuple(integers(row_ids), scores(distances), keys(row_ids));
  }

 private:
  [[nodiscard]] Metric metric() const { return graph_.get().parts().quantizer.metric; }

  // Brings a query to unit length for COSINE; false when a value is NaN or infinite.
  [[nodiscard]] bool is_usable(std::span<float> query) const {
    if (metric() != Metric::cosine) return are_finite(query);
    return unit_rows({query, 1, query.size()}, query);
  }

  template <typename Make>
  nb::list made(const Make& make) const {
    nb::list list = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(limit_)));
    if (!list.is_valid()) throw nb::python_error();
    for (std::size_t i = 0; i < limit_; ++i) {
      PyObject* const item = make(i);
      if (item == nullptr) throw nb::python_error();
      PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item);
    }
    return list;
  }

  [[nodiscard]] nb::list integers(std::span<const std::int64_t> values) const {
    return made([&](std::size_t i) { return PyLong_FromLongLong(values[i]); });
  }

  [[nodiscard]] nb::list scores(std::span<const float> distances) const {
    const float sign = metric() == Metric::l2 ? 1.0F : -1.0F;
    return made([&](std::size_t i) { return PyFloat_FromDouble(sign * distances[i]); });
  }

  [[nodiscard]] nb::object keys(std::span<const std::int64_t> rows) const {
    if (keys_.empty()) return nb::none();
    return made([&](std::size_t i) {
      return PyLong_FromLongLong(keys_[static_cast<std::size_t>(rows[i])]);
    });
  }

  const SearchGraph& graph_;
  std::size_t limit_;
  WalkEffort effort_;
  bool by_codes_;
  std::optional<BitsetView> allowed_;
  std::span<const std::int64_t> keys_;
};

}  // namespace

void bind_prepared(nb::module_& module) {
  nb::class_<PreparedSearch>(module, "PreparedSearch", "Searches a graph for one query at a time.")
      .def(
          "__init__",
          [](PreparedSearch* self, const SearchGraph& graph, std::size_t limit, std::size_t ef,
             std::size_t rescored, bool by_codes, const OptionalWords& allowed,
             const std::optional<Array1<std::int64_t>>& keys) {
            new (self) PreparedSearch(graph, limit, {ef, rescored, 0}, by_codes, allowed, keys);
          },
          nb::arg("graph"), nb::arg("limit"), nb::arg("ef"), nb::arg("rescored"),
          nb::arg("by_codes"), nb::arg("allowed").noconvert().none(),
          nb::arg("keys").noconvert().none(), nb::keep_alive<1, 2>(), nb::keep_alive<1, 7>(),
          nb::keep_alive<1, 8>())
      .def("find", &PreparedSearch::find, nb::arg("query").none(),
           nb::sig("def find(self, query: object) -> "
                   "tuple[list[int], list[float], list[int] | None] | None"),
           "Row ids, scores and keys; None when there is more to be said about the query.");
}

}  // namespace elanus::bindings
