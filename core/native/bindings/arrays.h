// NumPy arrays to spans and back, without copies.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "distance/distance.h"
#include "support/bitset.h"
#include "support/error.h"

// NumPy has no bfloat16: its bits come as uint16, those of binary vectors as uint8.
namespace nanobind::detail {

template <>
struct dtype_traits<elanus::Half> {
  static constexpr dlpack::dtype value{static_cast<std::uint8_t>(dlpack::dtype_code::Float), 16, 1};
  static constexpr auto name = const_name("float16");
};

template <>
struct dtype_traits<elanus::BFloat16> : dtype_traits<std::uint16_t> {};

template <>
struct dtype_traits<elanus::BitByte> : dtype_traits<std::uint8_t> {};

}  // namespace nanobind::detail

namespace elanus::bindings {

namespace nb = nanobind;

template <typename T>
using Array1 = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Array2 = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <typename T>
using NewArray1 = nb::ndarray<nb::numpy, T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using NewArray2 = nb::ndarray<nb::numpy, T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

using OptionalWords = std::optional<Array1<std::uint64_t>>;

template <typename T>
std::span<const T> to_span(const Array1<T>& array) {
  return {array.data(), array.shape(0)};
}

template <typename T>
std::span<const T> to_span(const std::optional<Array1<T>>& array) {
  return array.has_value() ? to_span(*array) : std::span<const T>{};
}

template <typename T>
MatrixOf<T> to_matrix(const Array2<T>& array) {
  return {{array.data(), array.size()}, array.shape(0), array.shape(1)};
}

inline std::optional<BitsetView> to_bitset(const OptionalWords& words, std::size_t num_bits) {
  if (!words.has_value()) return std::nullopt;
  return BitsetView(to_span(*words), num_bits);
}

// A number of wanted rows: larger ones than there can be row ids would only waste memory.
inline std::size_t to_k(std::int64_t k) {
  constexpr std::int64_t kMax = std::int64_t{1} << 32;
  if (k < 1 || k > kMax) {
    throw_invalid_argument("k: expected 1 to " + std::to_string(kMax) + ", got " +
                           std::to_string(k));
  }
  return static_cast<std::size_t>(k);
}

// Memory that becomes a NumPy array; the array owns it from then on.
template <typename T>
class OwnedArray {
 public:
  explicit OwnedArray(std::size_t size) : values_(std::make_unique<std::vector<T>>(size)) {}
  explicit OwnedArray(std::vector<T>&& values)
      : values_(std::make_unique<std::vector<T>>(std::move(values))) {}

  [[nodiscard]] std::span<T> span() noexcept { return *values_; }

  [[nodiscard]] NewArray1<T> release() {
    const std::size_t size = values_->size();
    T* first = values_->data();
    return NewArray1<T>(first, {size}, release_owner());
  }

  [[nodiscard]] NewArray2<T> release(std::size_t rows, std::size_t columns) {
    T* first = values_->data();
    return NewArray2<T>(first, {rows, columns}, release_owner());
  }

 private:
  [[nodiscard]] nb::capsule release_owner() {
    return nb::capsule(values_.release(), [](void* owner) noexcept {
      std::unique_ptr<std::vector<T>>(static_cast<std::vector<T>*>(owner)).reset();
    });
  }

  std::unique_ptr<std::vector<T>> values_;
};

}  // namespace elanus::bindings
