// AVX2: vectors of sixteen counters.
#include <immintrin.h>

#include "sparse/window_kernels.h"

namespace elanus::avx2 {
namespace {

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void store(void* to, __m256i vec) { _mm256_storeu_si256(static_cast<__m256i*>(to), vec); }

// Sixteen codes as numbers of 16 bits, times 256.
__m256i widen(const std::uint8_t* codes) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  return _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
}

constexpr std::size_t kProductsAtOnce = 16;

void multiply(const std::uint8_t* codes, std::uint16_t weight, std::uint16_t* products) {
  const __m256i factor = _mm256_set1_epi16(static_cast<short>(weight));
  const __m256i product = _mm256_mulhi_epu16(widen(codes), factor);
  store(products, _mm256_max_epu16(product, _mm256_set1_epi16(1)));
}

void add_dense(const DenseAddition& a) {
  const __m256i factor = _mm256_set1_epi16(static_cast<short>(a.weight));
  const __m256i one = _mm256_set1_epi16(1);
  for (std::size_t row = 0; row < a.num_rows; row += 16) {
    const __m256i codes = widen(a.codes + row);
    const __m256i product =
        _mm256_max_epu16(_mm256_mulhi_epu16(codes, factor), _mm256_min_epu16(codes, one));
    store(a.counters + row, _mm256_add_epi16(load(a.counters + row), product));
  }
}

#include "sparse/array_addition.inl"
#include "sparse/byte_expansion.inl"
#include "sparse/largest_counter.inl"

// 0xffff where a counter is at least `least`.
__m256i reached(const std::uint16_t* counters, __m256i least) {
  const __m256i values = load(counters);
  return _mm256_cmpeq_epi16(_mm256_max_epu16(values, least), values);
}

// 0xffff for each of sixteen bits that is set.
__m256i spread_bits(std::uint64_t bits) {
  const __m256i each = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                         8192, 16384, INT16_MIN);
  const __m256i all = _mm256_set1_epi16(static_cast<short>(bits & 0xffffU));
  return _mm256_cmpeq_epi16(_mm256_and_si256(all, each), each);
}

void block_maxima(const BlockMaxima& b) {
  for (std::size_t i = 0; i < b.num_blocks; ++i) {
    const std::uint64_t allowed = b.allowed == nullptr ? ~std::uint64_t{0} : b.allowed[i];
    __m256i largest = _mm256_setzero_si256();
    for (std::size_t part = 0; part < 64; part += 16) {
      const __m256i counters = load(b.counters + i * 64 + part);
      const __m256i kept = _mm256_and_si256(counters, spread_bits(allowed >> part));
      largest = _mm256_max_epu16(largest, kept);
    }
    b.maxima[i] = largest_of(
        _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1)));
  }
}

void drain(Drain& d) {
  const __m256i least = _mm256_set1_epi16(static_cast<short>(d.least));
  const __m256i zero = _mm256_setzero_si256();
  for (; d.position < d.end && d.room - d.found >= 64; d.position += 64) {
    std::uint16_t* block = d.counters + d.position;
    const __m256i low = _mm256_packs_epi16(reached(block, least), reached(block + 16, least));
    const __m256i high = _mm256_packs_epi16(reached(block + 32, least), reached(block + 48, least));
    if (_mm256_testz_si256(_mm256_or_si256(low, high), _mm256_or_si256(low, high)) == 0) {
      // Packing goes by halves of 128 bits; this puts them in order.
      const auto ordered = [](__m256i vec) {
        return static_cast<std::uint32_t>(
            _mm256_movemask_epi8(_mm256_permute4x64_epi64(vec, 0xd8)));
      };
      std::uint64_t hits = ordered(low) | (static_cast<std::uint64_t>(ordered(high)) << 32);
      if (d.allowed != nullptr) hits &= d.allowed[d.position / 64];
      for (; hits != 0; hits &= hits - 1) {
        const auto i = static_cast<std::size_t>(__builtin_ctzll(hits));
        d.rows[d.found] = static_cast<std::uint16_t>(d.position + i);
        d.values[d.found++] = block[i];
      }
    }
    for (std::size_t i = 0; i < 64; i += 16) store(block + i, zero);
  }
}

}  // namespace

const WindowKernels kWindowKernels = {add_array, add_bitmap, add_dense, drain, block_maxima};

}  // namespace elanus::avx2
