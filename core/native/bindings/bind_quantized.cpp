#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "quantized/code_kernels.h"
#include "quantized/scan_codes.h"

namespace elanus::bindings {
namespace {

using Floats = Array1<float>;
using OptionalFloats = std::optional<Floats>;
using OptionalWords = std::optional<Array1<std::uint64_t>>;
using Found = std::pair<NewArray2<std::int64_t>, NewArray2<float>>;
template <typename T>
using WritableArray1 = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using WritableArray2 = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Bytes of codes and floats of rows cost about the same to read as four floats and one.
constexpr std::size_t kCodesPerOperation = 4;

template <typename T>
std::span<T> to_writable(const WritableArray1<T>& array) {
  return {array.data(), array.shape(0)};
}

// An array of length 0 cannot say "no scale": it belongs to 0 rows.
ScaledRows to_scaled_rows(const Array2<float>& rows, const OptionalFloats& scale) {
  if (scale.has_value() && scale->size() != rows.shape(0)) {
    throw_invalid_argument("row_scale: expected one value for each of " +
                           std::to_string(rows.shape(0)) + " rows, got " +
                           std::to_string(scale->size()));
  }
  return {to_matrix(rows), to_span(scale)};
}

void encode_rows_of(const Array2<float>& rows, const OptionalFloats& row_scale,
                    const Floats& centre, const WritableArray2<std::uint8_t>& codes,
                    const WritableArray1<float>& scales, const WritableArray1<float>& errors,
                    const WritableArray1<float>& norms) {
  const ScaledRows scaled = to_scaled_rows(rows, row_scale);
  const Unlocked unlocked(rows.size() * kCodesPerOperation);
  encode_rows(
      scaled, to_span(centre),
      {{codes.data(), codes.size()}, to_writable(scales), to_writable(errors), to_writable(norms)});
}

// Survivors of the first pass, for the second one.
class FirstPass {
 public:
  explicit FirstPass(std::vector<Survivors>&& survivors) : survivors_(std::move(survivors)) {}

  [[nodiscard]] const std::vector<Survivors>& survivors() const noexcept { return survivors_; }

  [[nodiscard]] bool is_bounded() const noexcept {
    return std::all_of(survivors_.begin(), survivors_.end(),
                       [](const Survivors& query) { return query.is_bounded; });
  }

  [[nodiscard]] NewArray1<std::int64_t> row_ids() const {
    std::vector<std::int64_t> rows;
    for (const Survivors& query : survivors_) {
      for (const Survivor& survivor : query.rows) rows.push_back(survivor.row);
    }
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    return OwnedArray<std::int64_t>(std::move(rows)).release();
  }

 private:
  std::vector<Survivors> survivors_;
};

FirstPass merge_passes(const std::vector<const FirstPass*>& passes) {
  if (passes.empty()) throw_invalid_argument("passes: expected at least one, got none");
  std::vector<std::vector<Survivors>> ranges;
  for (const FirstPass* pass : passes) {
    if (pass->survivors().size() != passes.front()->survivors().size()) {
      throw_invalid_argument("passes: expected passes over the same queries");
    }
    ranges.push_back(pass->survivors());
  }
  return FirstPass(merge_survivors(std::move(ranges)));
}

// Codes together with the arrays that they refer to.
class CodeArrays {
 public:
  CodeArrays(Metric metric, Array2<std::uint8_t> codes, Floats scales, Floats errors, Floats norms,
             Floats centre)
      : codes_(std::move(codes)),
        scales_(std::move(scales)),
        errors_(std::move(errors)),
        norms_(std::move(norms)),
        centre_(std::move(centre)),
        view_({{codes_.data(), codes_.size()},
               to_span(scales_),
               to_span(errors_),
               to_span(norms_),
               to_span(centre_)},
              metric) {}

  [[nodiscard]] FirstPass first_pass(const Array2<float>& queries, const OptionalWords& allowed,
                                     std::int64_t limit, std::int64_t first,
                                     std::int64_t last) const {
    if (first < 0 || last < first) {
      throw_invalid_argument("range: expected 0 <= first <= last, got " + std::to_string(first) +
                             " and " + std::to_string(last));
    }
    const CodeScan scan = to_scan(
        queries, allowed, limit, {static_cast<std::size_t>(first), static_cast<std::size_t>(last)});
    const Unlocked unlocked(operations(queries));
    return FirstPass(scan_codes(view_, scan));
  }

  [[nodiscard]] Found second_pass(const FirstPass& pass, const Array2<float>& queries,
                                  const Array2<float>& rows, const OptionalFloats& row_scale,
                                  const OptionalWords& allowed, std::int64_t limit) const {
    const CodeScan scan = to_scan(queries, allowed, limit, {0, view_.num_rows()});
    return rescored(scan, pass.survivors(), to_scaled_rows(rows, row_scale), operations(queries));
  }

  [[nodiscard]] Found search(const Array2<float>& queries, const Array2<float>& rows,
                             const OptionalFloats& row_scale, const OptionalWords& allowed,
                             std::int64_t limit) const {
    const CodeScan scan = to_scan(queries, allowed, limit, {0, view_.num_rows()});
    const ScaledRows scaled = to_scaled_rows(rows, row_scale);
    std::vector<Survivors> survivors;
    {
      const Unlocked unlocked(operations(queries));
      survivors = scan_codes(view_, scan);
    }
    return rescored(scan, survivors, scaled, operations(queries));
  }

 private:
  [[nodiscard]] CodeScan to_scan(const Array2<float>& queries, const OptionalWords& allowed,
                                 std::int64_t limit, RowRange range) const {
    return {to_matrix(queries), to_bitset(allowed, view_.num_rows()), to_k(limit), range};
  }

  [[nodiscard]] std::size_t operations(const Array2<float>& queries) const {
    return queries.shape(0) * codes_.size() / kCodesPerOperation;
  }

  [[nodiscard]] Found rescored(const CodeScan& scan, std::span<const Survivors> survivors,
                               const ScaledRows& rows, std::size_t operations) const {
    OwnedArray<std::int64_t> row_ids(scan.queries.num_rows * scan.k);
    OwnedArray<float> distances(scan.queries.num_rows * scan.k);
    {
      const Unlocked unlocked(operations);
      rescore(view_, scan, survivors, rows, {row_ids.span(), distances.span()});
    }
    return {row_ids.release(scan.queries.num_rows, scan.k),
            distances.release(scan.queries.num_rows, scan.k)};
  }

  Array2<std::uint8_t> codes_;
  Floats scales_;
  Floats errors_;
  Floats norms_;
  Floats centre_;
  ScanCodes view_;
};

}  // namespace

void bind_quantized(nb::module_& module) {
  module.def("code_stride", code_stride, nb::arg("dim"), "Bytes that the codes of a row fill.");
  module.def("encode_rows", encode_rows_of, nb::arg("rows").noconvert(),
             nb::arg("row_scale").noconvert().none(), nb::arg("centre").noconvert(),
             nb::arg("codes").noconvert(), nb::arg("scales").noconvert(),
             nb::arg("errors").noconvert(), nb::arg("norms").noconvert(),
             "Write the codes of rows, and what bounds their distances.");
  nb::class_<FirstPass>(module, "FirstPass", "Rows that may be among the nearest of each query.")
      .def_prop_ro("is_bounded", &FirstPass::is_bounded,
                   "False when some query has to read every row.")
      .def("row_ids", &FirstPass::row_ids, "The rows of all queries, ascending.");
  module.def("merge_passes", merge_passes, nb::arg("passes"),
             "Passes over several ranges of rows as one.");
  nb::class_<CodeArrays>(module, "ScanCodes", "Byte codes of rows, for exact search.")
      .def(nb::init<Metric, Array2<std::uint8_t>, Floats, Floats, Floats, Floats>(),
           nb::arg("metric"), nb::arg("codes").noconvert(), nb::arg("scales").noconvert(),
           nb::arg("errors").noconvert(), nb::arg("norms").noconvert(),
           nb::arg("centre").noconvert())
      .def("first_pass", &CodeArrays::first_pass, nb::arg("queries").noconvert(),
           nb::arg("allowed").noconvert().none(), nb::arg("k"), nb::arg("first"), nb::arg("last"),
           "Bound the distances of a range of rows.")
      .def("second_pass", &CodeArrays::second_pass, nb::arg("first_pass"),
           nb::arg("queries").noconvert(), nb::arg("rows").noconvert(),
           nb::arg("row_scale").noconvert().none(), nb::arg("allowed").noconvert().none(),
           nb::arg("k"), "Row ids and distances of the k nearest rows that the first pass left.")
      .def("search", &CodeArrays::search, nb::arg("queries").noconvert(),
           nb::arg("rows").noconvert(), nb::arg("row_scale").noconvert().none(),
           nb::arg("allowed").noconvert().none(), nb::arg("k"),
           "Row ids and distances of the k nearest allowed rows of each query.");
}

}  // namespace elanus::bindings
