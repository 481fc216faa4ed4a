// Which rows hold one of some elements?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

namespace elanus {

// The elements of all rows one after the other: numbers of texts, integers, or flags.
using ElementValues = std::variant<std::span<const std::uint8_t>, std::span<const std::int8_t>,
                                   std::span<const std::int16_t>, std::span<const std::int32_t>,
                                   std::span<const std::int64_t>>;

// Writes 1 for each row that holds an element equal to one of `wanted`, and leaves the others.
// Row i has the elements offsets[i] to offsets[i + 1], counted from the first of all rows.
//
// Throws Error (invalid_argument) when offsets do not fit the elements or the rows.
void mark_holding(const ElementValues& values, std::span<const std::int64_t> wanted,
                  std::span<const std::int64_t> offsets, std::span<std::uint8_t> held);

// The same where `rows` says, ascending, in which row each element stands.
void mark_rows_of(const ElementValues& values, std::span<const std::int64_t> wanted,
                  std::span<const std::int64_t> rows, std::span<std::uint8_t> held);

}  // namespace elanus
