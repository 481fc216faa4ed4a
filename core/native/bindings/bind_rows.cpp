#include "bindings/row_reader.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "bindings/module.h"

namespace elanus::bindings {

void bind_rows(nb::module_& module) {
  nb::class_<RowReader>(module, "RowReader", "Reads rows of columns as dicts.")
      .def(nb::init<std::size_t>(), nb::arg("num_rows"))
      .def("add_numbers", &RowReader::add_numbers, nb::arg("name"), nb::arg("values").noconvert(),
           nb::arg("validity").noconvert().none(), nb::keep_alive<1, 3>(), nb::keep_alive<1, 4>(),
           "Read a column of numbers or bools; false for others.")
      .def("add_texts", &RowReader::add_texts, nb::arg("name"), nb::arg("offsets").noconvert(),
           nb::arg("data").noconvert(), nb::arg("validity").noconvert().none(),
           nb::arg("verifier").none(), nb::arg("base"), nb::arg("is_json"), nb::keep_alive<1, 3>(),
           nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>(), nb::keep_alive<1, 6>(),
           "Read a column of texts, or of JSON as its text.")
      .def(
          "read",
          [](const RowReader& self, const Array1<std::int64_t>& rows) {
            return self.read(to_span(rows));
          },
          nb::arg("rows").noconvert(),
          nb::sig("def read(self, rows: NDArray[numpy.int64]) -> "
                  "list[dict[str, object]] | None"),
          "A dict for each row; None where Python has to read them.");
}

}  // namespace elanus::bindings
