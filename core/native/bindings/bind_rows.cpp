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
#include "bindings/unlocked.h"
#include "filter/masks.h"
#include "support/bitset.h"

namespace elanus::bindings {
namespace {

std::pair<NewArray1<std::uint64_t>, std::size_t> words_of_mask(const Array1<bool>& mask) {
  const std::span<const bool> flags = to_span(mask);
  OwnedArray<std::uint64_t> words(words_for_bits(flags.size()));
  const std::size_t count =
      pack_mask({reinterpret_cast<const std::uint8_t*>(flags.data()), flags.size()}, words.span());
  return {words.release(), count};
}

template <typename T>
std::pair<NewArray1<std::uint64_t>, std::size_t> words_where(const Array1<T>& values,
                                                             int comparison, T constant) {
  if (comparison < 0 || comparison > static_cast<int>(FormulaComparison::ge)) {
    throw_invalid_argument("comparison: there is none of this number");
  }
  OwnedArray<std::uint64_t> words(words_for_bits(values.size()));
  std::size_t count = 0;
  {
    const Unlocked unlocked(values.size());
    count = pack_comparison<T>(to_span(values), static_cast<FormulaComparison>(comparison),
                               constant, words.span());
  }
  return {words.release(), count};
}

template <typename... Types>
void bind_words_where(nb::module_& module) {
  (module.def("words_where", words_where<Types>, nb::arg("values").noconvert(),
              nb::arg("comparison"), nb::arg("constant"),
              "Which values compare so with a constant, as one bit each, and how many do."),
   ...);
}

// Ascending texts as a file holds them: places outside it are taken for its ends.
class TextOrder {
 public:
  TextOrder(const Array1<std::int64_t>& offsets, const Array1<std::uint8_t>& data)
      : ends_(to_span(offsets)),
        data_(reinterpret_cast<const char*>(data.data()), data.size()),
        size_(ends_.empty() ? 0 : ends_.size() - 1) {}

  [[nodiscard]] std::size_t lower(const nb::bytes& wanted) const { return lower(view(wanted)); }

  [[nodiscard]] std::int64_t find(const nb::bytes& wanted) const {
    const std::string_view sought = view(wanted);
    const std::size_t place = lower(sought);
    return place < size_ && text(place) == sought ? static_cast<std::int64_t>(place) : -1;
  }

 private:
  static std::string_view view(const nb::bytes& text) { return {text.c_str(), text.size()}; }

  [[nodiscard]] std::string_view text(std::size_t i) const {
    const auto size = static_cast<std::int64_t>(data_.size());
    const std::int64_t begin = std::clamp<std::int64_t>(ends_[i], 0, size);
    const std::int64_t end = std::clamp(ends_[i + 1], begin, size);
    return data_.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }

  [[nodiscard]] std::size_t lower(std::string_view sought) const {
    std::size_t low = 0;
    for (std::size_t high = size_; low < high;) {
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

  std::span<const std::int64_t> ends_;
  std::string_view data_;
  std::size_t size_;
};

}  // namespace

void bind_rows(nb::module_& module) {
  module.def("words_of_mask", words_of_mask, nb::arg("mask").noconvert(),
             "Which values are true, as one bit each, and how many are.");
  // What is asked for most comes first.
  bind_words_where<std::int64_t, double, std::int32_t, float, std::uint8_t, std::int16_t,
                   std::int8_t>(module);
  nb::class_<TextOrder>(module, "TextOrder", "Looks texts up that are in order.")
      .def(nb::init<const Array1<std::int64_t>&, const Array1<std::uint8_t>&>(),
           nb::arg("offsets").noconvert(), nb::arg("data").noconvert(), nb::keep_alive<1, 2>(),
           nb::keep_alive<1, 3>())
      .def("lower", nb::overload_cast<const nb::bytes&>(&TextOrder::lower, nb::const_),
           nb::arg("wanted"), "The place of the first that is not below another.")
      .def("find", &TextOrder::find, nb::arg("wanted"), "The place of a text, or -1.");
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
