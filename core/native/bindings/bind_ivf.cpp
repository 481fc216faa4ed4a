#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "ivf/centroids.h"
#include "ivf/codes.h"
#include "ivf/lists.h"

namespace elanus::bindings {
namespace {

using Floats = Array1<float>;
using Bytes = Array1<std::uint8_t>;
using RowIds = Array1<std::int64_t>;
using OptionalFloats = std::optional<Array1<float>>;
using OptionalWords = std::optional<Array1<std::uint64_t>>;
using Found = std::pair<NewArray2<std::int64_t>, NewArray2<float>>;

ScaledRows to_scaled(const Array2<float>& rows, const OptionalFloats& scale) {
  if (scale.has_value() && scale->size() != rows.shape(0)) {
    throw_invalid_argument("row_scale: expected one value for each of " +
                           std::to_string(rows.shape(0)) + " rows, got " +
                           std::to_string(scale->size()));
  }
  return {to_matrix(rows), to_span(scale)};
}

// Rows with what is taken off them, and the arrays that they refer to.
class CentredArrays {
 public:
  CentredArrays(Array2<float> rows, OptionalFloats scale, Floats mean)
      : rows_(std::move(rows)),
        scale_(std::move(scale)),
        mean_(std::move(mean)),
        centred_{to_scaled(rows_, scale_), to_span(mean_)} {
    check_centred(centred_);
  }

  [[nodiscard]] const CentredRows& rows() const noexcept { return centred_; }

  NewArray1<std::uint32_t> nearest(const Floats& panels, const Floats& half_norms,
                                   std::size_t first, std::size_t count) const {
    OwnedArray<std::uint32_t> labels(count);
    {
      const Unlocked unlocked(count * panels.size());
      nearest_centroids(centred_, first, {to_span(panels), to_span(half_norms)}, labels.span());
    }
    return labels.release();
  }

  NewArray1<float> peaks(const Floats& centroids, const Array1<RowId>& row_ids,
                         const Array1<std::uint32_t>& lists) const {
    OwnedArray<float> out(row_ids.size());
    {
      const Unlocked unlocked(row_ids.size() * mean_.size());
      residual_peaks({centred_, to_span(centroids)}, {to_span(row_ids), to_span(lists)},
                     out.span());
    }
    return out.release();
  }

  std::pair<NewArray1<std::uint8_t>, NewArray1<float>> scalar_codes(
      const Floats& centroids, const Array1<RowId>& row_ids, const Array1<std::uint32_t>& lists,
      const Floats& steps) const {
    const std::size_t stride = (mean_.size() + 31) / 32 * 32;
    OwnedArray<std::uint8_t> codes(row_ids.size() * stride);
    OwnedArray<float> terms(row_ids.size());
    {
      const Unlocked unlocked(row_ids.size() * mean_.size());
      encode_scalar({centred_, to_span(centroids)}, {to_span(row_ids), to_span(lists)},
                    to_span(steps), codes.span(), terms.span());
    }
    return {codes.release(), terms.release()};
  }

  std::pair<NewArray1<std::uint8_t>, NewArray1<float>> product_codes(
      const Floats& centroids, const Array1<RowId>& row_ids, const Array1<std::uint32_t>& lists,
      const class CodebookArrays& books) const;

 private:
  Array2<float> rows_;
  OptionalFloats scale_;
  Floats mean_;
  CentredRows centred_;
};

class CodebookArrays {
 public:
  CodebookArrays(Floats panels, Floats half_norms, std::size_t num_subs, std::size_t sub_dim,
                 std::size_t bits)
      : panels_(std::move(panels)),
        half_norms_(std::move(half_norms)),
        books_{to_span(panels_), to_span(half_norms_), num_subs, sub_dim, bits} {}

  [[nodiscard]] const Codebooks& books() const noexcept { return books_; }

 private:
  Floats panels_;
  Floats half_norms_;
  Codebooks books_;
};

std::pair<NewArray1<std::uint8_t>, NewArray1<float>> CentredArrays::product_codes(
    const Floats& centroids, const Array1<RowId>& row_ids, const Array1<std::uint32_t>& lists,
    const CodebookArrays& books) const {
  check_codebooks(books.books(), mean_.size());
  const std::size_t slot_bits = padded_subs(books.books()) * books.books().bits;
  OwnedArray<std::uint8_t> codes(row_ids.size() * slot_bits / 8);
  OwnedArray<float> terms(row_ids.size());
  {
    const Unlocked unlocked(row_ids.size() * mean_.size());
    encode_product({centred_, to_span(centroids)}, {to_span(row_ids), to_span(lists)},
                   books.books(), codes.span(), terms.span());
  }
  return {codes.release(), terms.release()};
}

// Inverted lists together with the arrays that they refer to.
class ListOwner {
 public:
  ListOwner(const nb::dict& arrays, std::optional<CodebookArrays> books, Metric metric,
            Coding coding, std::size_t num_rows, float probe_step)
      : mean_(take<float>(arrays, "mean")),
        centroids_(take<float>(arrays, "centroids")),
        probe_codes_(take<std::uint8_t>(arrays, "probe_codes")),
        probe_terms_(take<float>(arrays, "probe_terms")),
        offsets_(take<std::int64_t>(arrays, "offsets")),
        row_ids_(take<RowId>(arrays, "row_ids")),
        codes_(take<std::uint8_t>(arrays, "codes")),
        terms_(take<float>(arrays, "terms")),
        steps_(take<float>(arrays, "steps")),
        books_(std::move(books)),
        lists_({to_span(mean_), to_span(centroids_), to_span(probe_codes_), to_span(probe_terms_),
                to_span(offsets_), to_span(row_ids_), to_span(codes_), to_span(terms_),
                to_span(steps_)},
               books_.has_value() ? books_->books() : Codebooks{},
               {metric, coding, num_rows, probe_step}) {}

  Found search(const Array2<float>& queries, std::size_t num_probes, std::size_t least_rows,
               std::int64_t limit, const OptionalWords& allowed,
               const std::optional<Array2<float>>& rows, const OptionalFloats& row_scale) const {
    const std::size_t k = to_k(limit);
    ListSearch search{to_matrix(queries),
                      num_probes,
                      least_rows,
                      k,
                      to_bitset(allowed, lists_.shape().num_rows),
                      {}};
    if (rows.has_value()) search.rows = to_scaled(*rows, row_scale);
    OwnedArray<std::int64_t> row_ids(queries.shape(0) * k);
    OwnedArray<float> distances(queries.shape(0) * k);
    {
      const Unlocked unlocked(queries.size() * lists_.num_lists());
      lists_.search(search, {row_ids.span(), distances.span()});
    }
    return {row_ids.release(queries.shape(0), k), distances.release(queries.shape(0), k)};
  }

 private:
  template <typename T>
  static Array1<T> take(const nb::dict& arrays, const char* name) {
    return nb::cast<Array1<T>>(arrays[name], false);
  }

  Floats mean_;
  Floats centroids_;
  Bytes probe_codes_;
  Floats probe_terms_;
  RowIds offsets_;
  Array1<RowId> row_ids_;
  Bytes codes_;
  Floats terms_;
  Floats steps_;
  std::optional<CodebookArrays> books_;
  InvertedLists lists_;
};

Found rescore_of(Metric metric, const Array2<float>& queries, const Array2<float>& rows,
                 const OptionalFloats& row_scale, const Array2<std::int64_t>& candidates,
                 std::int64_t limit) {
  const std::size_t k = to_k(limit);
  if (candidates.shape(0) != queries.shape(0)) {
    throw_invalid_argument("candidates: expected one row for each of " +
                           std::to_string(queries.shape(0)) + " queries, got " +
                           std::to_string(candidates.shape(0)));
  }
  const RescoreRequest request{metric,
                               to_matrix(queries),
                               to_scaled(rows, row_scale),
                               {candidates.data(), candidates.size()},
                               k};
  OwnedArray<std::int64_t> row_ids(queries.shape(0) * k);
  OwnedArray<float> distances(queries.shape(0) * k);
  {
    const Unlocked unlocked(candidates.size() * queries.shape(1));
    rescore(request, {row_ids.span(), distances.span()});
  }
  return {row_ids.release(queries.shape(0), k), distances.release(queries.shape(0), k)};
}

}  // namespace

void bind_ivf(nb::module_& module) {
  nb::enum_<Coding>(module, "Coding", "What inverted lists hold of a row.")
      .value("NONE", Coding::none, "Nothing: the rows themselves are read.")
      .value("SCALAR", Coding::scalar, "One byte for each dimension of the residual.")
      .value("PRODUCT", Coding::product, "One codeword for each part of the residual.");
  nb::class_<CodebookArrays>(module, "Codebooks", "Codewords of product codes.")
      .def(nb::init<Floats, Floats, std::size_t, std::size_t, std::size_t>(),
           nb::arg("panels").noconvert(), nb::arg("half_norms").noconvert(), nb::arg("num_subs"),
           nb::arg("sub_dim"), nb::arg("bits"));
  nb::class_<CentredArrays>(module, "CentredRows", "Rows, scaled, less a mean.")
      .def(nb::init<Array2<float>, OptionalFloats, Floats>(), nb::arg("rows").noconvert(),
           nb::arg("row_scale").noconvert().none(), nb::arg("mean").noconvert())
      .def("nearest", &CentredArrays::nearest, nb::arg("panels").noconvert(),
           nb::arg("half_norms").noconvert(), nb::arg("first"), nb::arg("count"),
           "Nearest centroid of each row from `first` on.")
      .def("residual_peaks", &CentredArrays::peaks, nb::arg("centroids").noconvert(),
           nb::arg("row_ids").noconvert(), nb::arg("lists").noconvert(),
           "Largest absolute value of each slot's residual.")
      .def("encode_scalar", &CentredArrays::scalar_codes, nb::arg("centroids").noconvert(),
           nb::arg("row_ids").noconvert(), nb::arg("lists").noconvert(),
           nb::arg("steps").noconvert(), "Codes and terms of each slot.")
      .def("encode_product", &CentredArrays::product_codes, nb::arg("centroids").noconvert(),
           nb::arg("row_ids").noconvert(), nb::arg("lists").noconvert(), nb::arg("books"),
           "Codes and terms of blocks of 32 slots.");
  nb::class_<ListOwner>(module, "InvertedLists", "Inverted lists of a sealed segment.")
      .def(nb::init<nb::dict, std::optional<CodebookArrays>, Metric, Coding, std::size_t, float>(),
           nb::arg("arrays"), nb::arg("books").none(), nb::arg("metric"), nb::arg("coding"),
           nb::arg("num_rows"), nb::arg("probe_step"),
           nb::sig("def __init__(self, arrays: dict[str, NDArray[numpy.generic]], books: Codebooks "
                   "| None, "
                   "metric: Metric, coding: Coding, num_rows: int, probe_step: float) -> None"))
      .def("search", &ListOwner::search, nb::arg("queries").noconvert(), nb::arg("num_probes"),
           nb::arg("least_rows"), nb::arg("k"), nb::arg("allowed").noconvert().none(),
           nb::arg("rows").noconvert().none(), nb::arg("row_scale").noconvert().none(),
           "Row ids and distances of the k nearest candidates of each query.");
  module.def("rescore", rescore_of, nb::arg("metric"), nb::arg("queries").noconvert(),
             nb::arg("rows").noconvert(), nb::arg("row_scale").noconvert().none(),
             nb::arg("candidates").noconvert(), nb::arg("k"),
             "The k nearest of each query's candidates, exactly.");
}

}  // namespace elanus::bindings
