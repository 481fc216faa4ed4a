// AVX2 and FMA: vectors of eight floats, sixteen registers.
#include <immintrin.h>

#include "ivf/ivf_kernels.h"

namespace elanus::avx2 {
namespace {

struct Simd {
  using Vec = __m256;
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kTileRows = 6;

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec broadcast(const float* value) { return _mm256_broadcast_ss(value); }
  static Vec load(const float* values) { return _mm256_loadu_ps(values); }
  static void store(float* to, Vec vec) { _mm256_storeu_ps(to, vec); }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm256_fmadd_ps(a, b, sum); }
};

}  // namespace

#include "ivf/panels.inl"

namespace {

inline __m256i load_bytes(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

inline std::int32_t sum_lanes(__m256i sums) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
}

// Words rather than `maddubs`, which saturates: 2 * 255 * 127 does not fit into 16 bits.
void scan_scalar(const ScalarCodes& codes, const CodeKey& key, float* out) {
  for (std::size_t row = 0; row < codes.num_rows; ++row) {
    const std::uint8_t* code = codes.codes + row * codes.stride;
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (std::size_t d = 0; d < codes.stride; d += kCodeAlignment) {
      const __m256i bytes = load_bytes(code + d);
      const __m256i first = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(bytes));
      const __m256i second = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(bytes, 1));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(first, load_bytes(codes.query_words + d)));
      high =
          _mm256_add_epi32(high, _mm256_madd_epi16(second, load_bytes(codes.query_words + d + 16)));
    }
    out[row] = key_of(key, sum_lanes(_mm256_add_epi32(low, high)), row);
  }
}

// Bytes add up in 16 bits: `all` takes even and odd rows at once, `odd` the odd ones alone.
struct RowSums {
  __m256i all = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();

  void add(__m256i bytes) {
    all = _mm256_add_epi16(all, bytes);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
  }

  // Sums of the 16 rows in order.
  [[nodiscard]] __m256i finish() const {
    const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
    const __m128i evens =
        _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i odds =
        _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    return _mm256_set_m128i(_mm_unpackhi_epi16(evens, odds), _mm_unpacklo_epi16(evens, odds));
  }
};

inline void write_keys(const CodeKey& key, __m128i sums, std::size_t row, float* out) {
  const __m256i offset = _mm256_set1_epi32(key.offset);
  const __m256 sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepu16_epi32(sums), offset));
  __m256 value =
      _mm256_add_ps(_mm256_set1_ps(key.bias), _mm256_mul_ps(_mm256_set1_ps(key.scale), sum));
  if (key.terms != nullptr) value = _mm256_add_ps(value, _mm256_loadu_ps(key.terms + row));
  _mm256_storeu_ps(out + row, value);
}

void scan_product4(const ProductCodes& codes, const std::uint8_t* tables, const CodeKey& key,
                   float* out) {
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    RowSums first;
    RowSums second;
    for (std::size_t sub = 0; sub < codes.num_subs; sub += 2, code += 32) {
      const __m256i bytes = load_bytes(code);
      const __m256i table = load_bytes(tables + sub * 16);
      first.add(_mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble)));
      second.add(_mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble)));
    }
    const std::size_t row = block * kCodeBlockRows;
    const __m256i low = first.finish();
    const __m256i high = second.finish();
    write_keys(key, _mm256_castsi256_si128(low), row, out);
    write_keys(key, _mm256_extracti128_si256(low, 1), row + 8, out);
    write_keys(key, _mm256_castsi256_si128(high), row + 16, out);
    write_keys(key, _mm256_extracti128_si256(high, 1), row + 24, out);
  }
}

void scan_product8(const ProductCodes& codes, const float* tables, const CodeKey& key, float* out) {
  constexpr std::size_t kVecs = kCodeBlockRows / Simd::kWidth;
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    __m256 sums[kVecs];
    for (__m256& sum : sums) sum = _mm256_set1_ps(key.bias);
    for (std::size_t sub = 0; sub < codes.num_subs; ++sub) {
      const float* table = tables + sub * 256;
      for (__m256& sum : sums) {
        const __m256i places =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(code)));
        sum = _mm256_add_ps(sum, _mm256_i32gather_ps(table, places, 4));
        code += Simd::kWidth;
      }
    }
    for (std::size_t v = 0; v < kVecs; ++v) {
      const std::size_t row = block * kCodeBlockRows + v * Simd::kWidth;
      const __m256 sum =
          key.terms == nullptr ? sums[v] : _mm256_add_ps(sums[v], _mm256_loadu_ps(key.terms + row));
      _mm256_storeu_ps(out + row, sum);
    }
  }
}

std::size_t select_near(const float* values, std::size_t count, float bound,
                        std::uint32_t* positions) {
  const __m256 limit = _mm256_set1_ps(bound);
  std::size_t found = 0;
  std::size_t i = 0;
  for (; i + Simd::kWidth <= count; i += Simd::kWidth) {
    const __m256 is_near = _mm256_cmp_ps(_mm256_loadu_ps(values + i), limit, _CMP_NGT_UQ);
    auto bits = static_cast<unsigned>(_mm256_movemask_ps(is_near));
    for (; bits != 0; bits &= bits - 1) {
      positions[found++] =
          static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(bits));
    }
  }
  for (; i < count; ++i) {
    if (!(values[i] > bound)) positions[found++] = static_cast<std::uint32_t>(i);
  }
  return found;
}

}  // namespace

const IvfKernels kIvfKernels = {nearest,       inner_products, scan_scalar,
                                scan_product4, scan_product8,  select_near};

}  // namespace elanus::avx2
