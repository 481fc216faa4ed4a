#include <nanobind/stl/vector.h>

#include <cstdint>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "filter/elements.h"

namespace elanus::bindings {
namespace {

// 1 for each row that holds an element which is one of `wanted`. `places` are the offsets of rows,
// or the row of each element.
template <typename T, bool kOfRows>
NewArray1<std::uint8_t> holding(const Array1<T>& values, const std::vector<std::int64_t>& wanted,
                                const Array1<std::int64_t>& places, std::size_t num_rows) {
  OwnedArray<std::uint8_t> held(num_rows);
  {
    const Unlocked unlocked(values.size() * wanted.size());
    const ElementValues elements = to_span(values);
    if constexpr (kOfRows) {
      mark_rows_of(elements, wanted, to_span(places), held.span());
    } else {
      mark_holding(elements, wanted, to_span(places), held.span());
    }
  }
  return held.release();
}

template <typename... Types>
void bind_holding(nb::module_& module) {
  (module.def("rows_holding", holding<Types, false>, nb::arg("values").noconvert(),
              nb::arg("wanted"), nb::arg("offsets").noconvert(), nb::arg("num_rows"),
              "Which rows hold one of some elements. The GIL is released."),
   ...);
  (module.def("rows_holding_at", holding<Types, true>, nb::arg("values").noconvert(),
              nb::arg("wanted"), nb::arg("rows").noconvert(), nb::arg("num_rows"),
              "The same of elements whose rows are given. The GIL is released."),
   ...);
}

}  // namespace

void bind_elements(nb::module_& module) {
  bind_holding<std::int32_t, std::int16_t, std::int8_t, std::uint8_t, std::int64_t>(module);
}

}  // namespace elanus::bindings
