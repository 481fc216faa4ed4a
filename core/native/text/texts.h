// Texts that lie one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "text/utf8.h"

namespace elanus {

// The part, from `first` on, in which a place lies: part i is [offsets[i], offsets[i + 1]). The
// place is not in front of part `first`; behind the last one it is in that.
[[nodiscard]] std::size_t part_at(std::span<const std::int64_t> offsets, std::size_t first,
                                  std::size_t place) noexcept;

// Text i is data[offsets[i], offsets[i + 1]).
class Texts {
 public:
  // Throws Error (invalid argument) unless offsets ascend within the data.
  Texts(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> data);

  [[nodiscard]] std::size_t size() const noexcept { return offsets_.size() - 1; }
  [[nodiscard]] std::size_t begin_of(std::size_t i) const noexcept {
    return static_cast<std::size_t>(offsets_[i]);
  }
  [[nodiscard]] std::size_t end_of(std::size_t i) const noexcept { return begin_of(i + 1); }
  [[nodiscard]] Utf8 operator[](std::size_t i) const noexcept {
    return data_.subspan(begin_of(i), end_of(i) - begin_of(i));
  }
  [[nodiscard]] std::span<const std::uint8_t> data() const noexcept { return data_; }

  // The text, from `first` on, in which a byte lies.
  [[nodiscard]] std::size_t text_at(std::size_t first, std::size_t place) const noexcept {
    return part_at(offsets_, first, place);
  }

 private:
  std::span<const std::int64_t> offsets_;
  std::span<const std::uint8_t> data_;
};

}  // namespace elanus
