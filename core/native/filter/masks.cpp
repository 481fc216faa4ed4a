#include "filter/masks.h"

#include "filter/mask_kernels.h"
#include "support/cpu.h"

namespace elanus {
namespace {

const MaskKernels& mask_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return avx512::kMasks;
    case CpuVariant::avx2:
      return avx2::kMasks;
#endif
    default:
      return generic::kMasks;
  }
}

}  // namespace

std::size_t pack_mask(std::span<const std::uint8_t> mask, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().pack(mask.data(), mask.size(), words.data());
}

template <>
std::size_t pack_comparison(std::span<const std::uint8_t> values, FormulaComparison comparison,
                            std::uint8_t constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_uint8(comparison, values.data(), values.size(), constant,
                                      words.data());
}

template <>
std::size_t pack_comparison(std::span<const std::int8_t> values, FormulaComparison comparison,
                            std::int8_t constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_int8(comparison, values.data(), values.size(), constant,
                                     words.data());
}

template <>
std::size_t pack_comparison(std::span<const std::int16_t> values, FormulaComparison comparison,
                            std::int16_t constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_int16(comparison, values.data(), values.size(), constant,
                                      words.data());
}

template <>
std::size_t pack_comparison(std::span<const std::int32_t> values, FormulaComparison comparison,
                            std::int32_t constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_int32(comparison, values.data(), values.size(), constant,
                                      words.data());
}

template <>
std::size_t pack_comparison(std::span<const std::int64_t> values, FormulaComparison comparison,
                            std::int64_t constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_int64(comparison, values.data(), values.size(), constant,
                                      words.data());
}

template <>
std::size_t pack_comparison(std::span<const float> values, FormulaComparison comparison,
                            float constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_float(comparison, values.data(), values.size(), constant,
                                      words.data());
}

template <>
std::size_t pack_comparison(std::span<const double> values, FormulaComparison comparison,
                            double constant, std::span<std::uint64_t> words) noexcept {
  return mask_kernels().compare_double(comparison, values.data(), values.size(), constant,
                                       words.data());
}

}  // namespace elanus
