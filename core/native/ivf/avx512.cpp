// AVX-512 F, BW, DQ and VL: vectors of sixteen floats, thirty-two registers.
#include <immintrin.h>

#include "ivf/ivf_kernels.h"

namespace elanus::avx512 {
namespace {

struct Simd {
  using Vec = __m512;
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kTileRows = 12;

  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec broadcast(const float* value) { return _mm512_set1_ps(*value); }
  static Vec load(const float* values) { return _mm512_loadu_ps(values); }
  static void store(float* to, Vec vec) { _mm512_storeu_ps(to, vec); }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm512_fmadd_ps(a, b, sum); }
};

}  // namespace

#include "ivf/panels.inl"

namespace {

// Words rather than `maddubs`, which saturates: 2 * 255 * 127 does not fit into 16 bits.
void scan_scalar(const ScalarCodes& codes, const CodeKey& key, float* out) {
  for (std::size_t row = 0; row < codes.num_rows; ++row) {
    const std::uint8_t* code = codes.codes + row * codes.stride;
    __m512i sums = _mm512_setzero_si512();
    for (std::size_t d = 0; d < codes.stride; d += kCodeAlignment) {
      const __m512i words =
          _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(code + d)));
      sums = _mm512_add_epi32(sums,
                              _mm512_madd_epi16(words, _mm512_loadu_si512(codes.query_words + d)));
    }
    out[row] = key_of(key, _mm512_reduce_add_epi32(sums), row);
  }
}

// Bytes add up in 16 bits: `all` takes even and odd rows at once, `odd` the odd ones alone.
struct RowSums {
  __m512i all = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();

  void add(__m512i bytes) {
    all = _mm512_add_epi16(all, bytes);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
  }

  static __m128i fold(__m512i sums) {
    const __m256i half =
        _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  // Sums of the 16 rows in order.
  [[nodiscard]] __m256i finish() const {
    const __m128i evens = fold(_mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8)));
    const __m128i odds = fold(odd);
    return _mm256_set_m128i(_mm_unpackhi_epi16(evens, odds), _mm_unpacklo_epi16(evens, odds));
  }
};

inline void write_keys(const CodeKey& key, __m256i sums, std::size_t row, float* out) {
  const __m512i offset = _mm512_set1_epi32(key.offset);
  const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu16_epi32(sums), offset));
  __m512 value =
      _mm512_add_ps(_mm512_set1_ps(key.bias), _mm512_mul_ps(_mm512_set1_ps(key.scale), sum));
  if (key.terms != nullptr) value = _mm512_add_ps(value, _mm512_loadu_ps(key.terms + row));
  _mm512_storeu_ps(out + row, value);
}

void scan_product4(const ProductCodes& codes, const std::uint8_t* tables, const CodeKey& key,
                   float* out) {
  const __m512i nibble = _mm512_set1_epi8(0x0f);
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    RowSums first;
    RowSums second;
    for (std::size_t sub = 0; sub < codes.num_subs; sub += kSubGroup, code += 64) {
      const __m512i bytes = _mm512_loadu_si512(code);
      const __m512i table = _mm512_loadu_si512(tables + sub * 16);
      first.add(_mm512_shuffle_epi8(table, _mm512_and_si512(bytes, nibble)));
      second.add(_mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble)));
    }
    const std::size_t row = block * kCodeBlockRows;
    write_keys(key, first.finish(), row, out);
    write_keys(key, second.finish(), row + 16, out);
  }
}

void scan_product8(const ProductCodes& codes, const float* tables, const CodeKey& key, float* out) {
  constexpr std::size_t kVecs = kCodeBlockRows / Simd::kWidth;
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    __m512 sums[kVecs];
    for (__m512& sum : sums) sum = _mm512_set1_ps(key.bias);
    for (std::size_t sub = 0; sub < codes.num_subs; ++sub) {
      const float* table = tables + sub * 256;
      for (__m512& sum : sums) {
        const __m512i places =
            _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(code)));
        sum = _mm512_add_ps(sum, _mm512_i32gather_ps(places, table, 4));
        code += Simd::kWidth;
      }
    }
    for (std::size_t v = 0; v < kVecs; ++v) {
      const std::size_t row = block * kCodeBlockRows + v * Simd::kWidth;
      const __m512 sum =
          key.terms == nullptr ? sums[v] : _mm512_add_ps(sums[v], _mm512_loadu_ps(key.terms + row));
      _mm512_storeu_ps(out + row, sum);
    }
  }
}

std::size_t select_near(const float* values, std::size_t count, float bound,
                        std::uint32_t* positions) {
  const __m512 limit = _mm512_set1_ps(bound);
  __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i step = _mm512_set1_epi32(static_cast<int>(Simd::kWidth));
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; i += Simd::kWidth) {
    const std::size_t left = count - i;
    const auto present = static_cast<__mmask16>(left >= Simd::kWidth ? 0xffffU : (1U << left) - 1U);
    const __m512 part = _mm512_maskz_loadu_ps(present, values + i);
    const __mmask16 is_near = _mm512_mask_cmp_ps_mask(present, part, limit, _CMP_NGT_UQ);
    if (is_near != 0) {
      _mm512_mask_compressstoreu_epi32(positions + found, is_near, place);
      found += static_cast<std::size_t>(__builtin_popcount(is_near));
    }
    place = _mm512_add_epi32(place, step);
  }
  return found;
}

}  // namespace

const IvfKernels kIvfKernels = {nearest,       inner_products, scan_scalar,
                                scan_product4, scan_product8,  select_near};

}  // namespace elanus::avx512
