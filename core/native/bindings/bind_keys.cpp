#include <utility>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "keys/key_table.h"

namespace elanus::bindings {
namespace {

using Numbers = Array1<std::int64_t>;
using Bytes = Array1<std::uint8_t>;

// Runs `work` on an array of `count` rows, without the GIL when that is worth it.
template <typename Work>
NewArray1<std::int64_t> rows_of(std::size_t count, const Work& work) {
  OwnedArray<std::int64_t> rows(count);
  {
    const Unlocked unlocked(count * kOperationsPerRow);
    work(rows.span());
  }
  return rows.release();
}

StringKeyTable::Keys to_keys(const Numbers& offsets, const Bytes& data) {
  if (offsets.size() == 0) {
    throw_invalid_argument("offsets: expected at least 1 value, one more than keys; got none");
  }
  return {to_span(offsets), to_span(data)};
}

}  // namespace

void bind_keys(nb::module_& module) {
  nb::class_<IntKeyTable>(module, "IntKeyTable", "Newest row of each key that is a number.")
      .def(nb::init<>())
      .def_prop_ro("size_bytes", &IntKeyTable::size_bytes)
      .def(
          "put",
          [](IntKeyTable& table, const Numbers& keys, std::size_t first_row) {
            return rows_of(keys.size(), [&](std::span<std::int64_t> older) {
              table.put(to_span(keys), first_row, older);
            });
          },
          nb::arg("keys").noconvert(), nb::arg("first_row"),
          "Give each key the next row; return the rows they had, -1 for new keys.")
      .def(
          "find",
          [](const IntKeyTable& table, const Numbers& keys) {
            return rows_of(keys.size(),
                           [&](std::span<std::int64_t> rows) { table.find(to_span(keys), rows); });
          },
          nb::arg("keys").noconvert(), "Row of each key, -1 where there is none.");
  nb::class_<StringKeyTable>(module, "StringKeyTable", "Newest row of each key that is a string.")
      .def(nb::init<>())
      .def_prop_ro("size_bytes", &StringKeyTable::size_bytes)
      .def(
          "put",
          [](StringKeyTable& table, const Numbers& offsets, const Bytes& data,
             std::size_t first_row) {
            const StringKeyTable::Keys keys = to_keys(offsets, data);
            return rows_of(keys.size(), [&](std::span<std::int64_t> older) {
              table.put(keys, first_row, older);
            });
          },
          nb::arg("offsets").noconvert(), nb::arg("data").noconvert(), nb::arg("first_row"),
          "Give each key the next row; return the rows they had, -1 for new keys.")
      .def(
          "find",
          [](const StringKeyTable& table, const Numbers& offsets, const Bytes& data) {
            const StringKeyTable::Keys keys = to_keys(offsets, data);
            return rows_of(keys.size(),
                           [&](std::span<std::int64_t> rows) { table.find(keys, rows); });
          },
          nb::arg("offsets").noconvert(), nb::arg("data").noconvert(),
          "Row of each key, -1 where there is none.");
}

}  // namespace elanus::bindings
