#include "bindings/row_reader.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "support/bitset.h"
#include "support/pack_mask.h"

namespace elanus::bindings {
namespace {

std::pair<NewArray1<std::uint64_t>, std::size_t> words_of_mask(const Array1<bool>& mask) {
  const std::span<const bool> flags = to_span(mask);
  OwnedArray<std::uint64_t> words(words_for_bits(flags.size()));
  const std::size_t count =
      pack_mask({reinterpret_cast<const std::uint8_t*>(flags.data()), flags.size()}, words.span());
  return {words.release(), count};
}

// Texts as a file holds them: places outside it are taken for its ends.
std::size_t lower_text(const Array1<std::int64_t>& offsets, const Array1<std::uint8_t>& data,
                       const nb::bytes& wanted) {
  const std::span<const std::int64_t> ends = to_span(offsets);
  const std::string_view sought(wanted.c_str(), wanted.size());
  const auto size = static_cast<std::int64_t>(data.size());
  const auto text = [&](std::size_t i) {
    const std::int64_t begin = std::clamp<std::int64_t>(ends[i], 0, size);
    const std::int64_t end = std::clamp(ends[i + 1], begin, size);
    return std::string_view(reinterpret_cast<const char*>(data.data()) + begin,
                            static_cast<std::size_t>(end - begin));
  };
  std::size_t low = 0;
  for (std::size_t high = ends.empty() ? 0 : ends.size() - 1; low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    // `char_traits` compares bytes without their sign.
    if (text(middle) < sought) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

void bind_rows(nb::module_& module) {
  module.def("words_of_mask", words_of_mask, nb::arg("mask").noconvert(),
             "Which values are true, as one bit each, and how many are.");
  module.def("lower_text", lower_text, nb::arg("offsets").noconvert(), nb::arg("data").noconvert(),
             nb::arg("wanted"), "The first of ascending texts that is not below another.");
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
