// Graph kernels with AVX2.
#include <immintrin.h>

#include "graph/graph_kernels.h"

namespace elanus::avx2 {
namespace {

#include "graph/portable.inl"

struct Simd {
  static constexpr std::size_t kHalf = 32;

  static __m256i load(const void* bytes) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(bytes));
  }

  // How many bits of each byte are set.
  static ELANUS_INLINE __m256i popcounts(__m256i bits) {
    const __m256i of_nibble = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                               0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low_half = _mm256_set1_epi8(15);
    const __m256i low = _mm256_and_si256(bits, low_half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), low_half);
    return _mm256_add_epi8(_mm256_shuffle_epi8(of_nibble, low),
                           _mm256_shuffle_epi8(of_nibble, high));
  }

  // The sums of the 32-bit lanes of four vectors.
  static ELANUS_INLINE __m128i total4(const __m256i* sums) {
    const __m256i first = _mm256_hadd_epi32(sums[0], sums[1]);
    const __m256i second = _mm256_hadd_epi32(sums[2], sums[3]);
    const __m256i four = _mm256_hadd_epi32(first, second);
    return _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  }

  static ELANUS_INLINE void bits4(const std::uint8_t* const* rows, std::size_t count,
                                  const std::int8_t* values, std::uint32_t* out) {
    __m256i sums[4];
    for (std::size_t r = 0; r < 4; ++r) sums[r] = _mm256_setzero_si256();
    for (std::size_t line = 0; line < count; ++line) {
      const std::size_t at = line * kLineBytes;
      const __m256i low = load(values + at);
      const __m256i high = load(values + at + kHalf);
      for (std::size_t r = 0; r < 4; ++r) {
        const __m256i first = popcounts(_mm256_xor_si256(load(rows[r] + at), low));
        const __m256i second = popcounts(_mm256_xor_si256(load(rows[r] + at + kHalf), high));
        const __m256i both =
            _mm256_sad_epu8(_mm256_add_epi8(first, second), _mm256_setzero_si256());
        sums[r] = _mm256_add_epi64(sums[r], both);
      }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), total4(sums));
  }

  // A pair of products of 15 and 127, or of 127 and 127, fits into 16 bits.
  template <CodeKind kKind, std::size_t kLines>
  static ELANUS_INLINE void score4(const std::uint8_t* const* rows, std::size_t lines,
                                   const std::int8_t* values, std::uint32_t* out) {
    if constexpr (kKind == CodeKind::bits) {
      return bits4(rows, kLines == 0 ? lines : kLines, values, out);
    }
    const __m256i low_half = _mm256_set1_epi8(15);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[4];
    for (std::size_t r = 0; r < 4; ++r) sums[r] = _mm256_setzero_si256();
    for (std::size_t line = 0; line < (kLines == 0 ? lines : kLines); ++line) {
      for (std::size_t half = 0; half < kLineBytes; half += kHalf) {
        const std::size_t at = line * kLineBytes + half;
        if constexpr (kKind == CodeKind::nibbles) {
          const std::int8_t* part = values + line * 2 * kLineBytes + half;
          const __m256i low = load(part);
          const __m256i high = load(part + kLineBytes);
          for (std::size_t r = 0; r < 4; ++r) {
            const __m256i code = load(rows[r] + at);
            const __m256i first = _mm256_maddubs_epi16(_mm256_and_si256(code, low_half), low);
            const __m256i second =
                _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(code, 4), low_half), high);
            const __m256i both = _mm256_add_epi16(first, second);
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(both, ones));
          }
        } else {
          const __m256i part = load(values + at);
          for (std::size_t r = 0; r < 4; ++r) {
            const __m256i pairs = _mm256_maddubs_epi16(load(rows[r] + at), part);
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, ones));
          }
        }
      }
    }
    const __m128i scores = _mm_sub_epi32(_mm_set1_epi32(INT32_MIN), total4(sums));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), scores);
  }

  static void insert(std::uint64_t* pool, std::size_t capacity, std::uint64_t key) {
    insert_sorted(pool, capacity, key);
  }

  static ELANUS_INLINE std::size_t first_open(const std::uint64_t* pool, std::size_t capacity) {
    for (std::size_t at = 0; at < capacity; at += 4) {
      // The lowest bit of each key, moved to where movemask looks.
      const __m256i flags = _mm256_slli_epi64(load(pool + at), 63);
      const int expanded = _mm256_movemask_pd(_mm256_castsi256_pd(flags));
      if (expanded != 15) {
        return at + static_cast<std::size_t>(__builtin_ctz(~static_cast<unsigned>(expanded)));
      }
    }
    return capacity;
  }

  static std::uint32_t below(const std::uint32_t* scores, std::uint32_t bound) {
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(bound));
    std::uint32_t mask = 0;
    for (std::size_t half = 0; half < 2; ++half) {
      const __m256i eight = load(scores + 8 * half);
      const __m256i is_below = _mm256_cmpeq_epi32(_mm256_min_epu32(eight, limit), eight);
      const auto bits =
          static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_below)));
      mask |= bits << (8 * half);
    }
    return mask;
  }

  static ELANUS_INLINE std::size_t copy_unseen(const RowId* links, std::size_t degree,
                                               std::size_t num_rows, std::uint64_t* visited,
                                               RowId* out) {
    return copy_unseen_rows(links, degree, num_rows, visited, out);
  }
};

}  // namespace

#include "graph/kernels.inl"

}  // namespace elanus::avx2
