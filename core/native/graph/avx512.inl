// `Simd` of the AVX-512 graph kernels, included once with VNNI and once without. Expects
// `dot(sum, codes, values)`: adds products of unsigned and signed bytes, four to a lane.

struct Simd {
  static __m512i load(const void* bytes) { return _mm512_loadu_si512(bytes); }

  // The sums of the 32-bit lanes of four vectors.
  static ELANUS_INLINE __m128i total4(const __m512i* sums) {
    const __m512i first = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                           _mm512_unpackhi_epi32(sums[0], sums[1]));
    const __m512i second = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                            _mm512_unpackhi_epi32(sums[2], sums[3]));
    const __m512i four = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second),
                                          _mm512_unpackhi_epi64(first, second));
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  // 2^31 minus the sums of the lanes of four vectors.
  static ELANUS_INLINE void reduce4(const __m512i* sums, std::uint32_t* out) {
    const __m128i scores = _mm_sub_epi32(_mm_set1_epi32(INT32_MIN), total4(sums));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), scores);
  }

  template <CodeKind kKind, std::size_t kLines>
  static ELANUS_INLINE void score4(const std::uint8_t* const* rows, std::size_t lines,
                                   const std::int8_t* values, std::uint32_t* out) {
    const std::size_t count = kLines == 0 ? lines : kLines;
    if constexpr (kKind == CodeKind::nibbles) {
      nibbles4(rows, count, values, out);
    } else if constexpr (kKind == CodeKind::bits) {
      bits4(rows, count, values, out);
    } else {
      bytes4(rows, count, values, out);
    }
  }

  static ELANUS_INLINE void nibbles4(const std::uint8_t* const* rows, std::size_t count,
                                     const std::int8_t* values, std::uint32_t* out) {
    const __m512i low_half = _mm512_set1_epi8(15);
    __m512i lows[4];
    __m512i highs[4];
    for (std::size_t r = 0; r < 4; ++r) lows[r] = highs[r] = _mm512_setzero_si512();
    for (std::size_t line = 0; line < count; ++line) {
      const __m512i low = load(values + line * 2 * kLineBytes);
      const __m512i high = load(values + line * 2 * kLineBytes + kLineBytes);
      for (std::size_t r = 0; r < 4; ++r) {
        const __m512i code = load(rows[r] + line * kLineBytes);
        lows[r] = dot(lows[r], _mm512_and_si512(code, low_half), low);
        highs[r] = dot(highs[r], high_part(code, low_half), high);
      }
    }
    for (std::size_t r = 0; r < 4; ++r) lows[r] = add_high(lows[r], highs[r]);
    reduce4(lows, out);
  }

  static ELANUS_INLINE void bytes4(const std::uint8_t* const* rows, std::size_t count,
                                   const std::int8_t* values, std::uint32_t* out) {
    __m512i sums[4];
    for (std::size_t r = 0; r < 4; ++r) sums[r] = _mm512_setzero_si512();
    for (std::size_t line = 0; line < count; ++line) {
      const __m512i part = load(values + line * kLineBytes);
      for (std::size_t r = 0; r < 4; ++r) {
        sums[r] = dot(sums[r], load(rows[r] + line * kLineBytes), part);
      }
    }
    reduce4(sums, out);
  }

  // How many bits of each byte are set.
  static ELANUS_INLINE __m512i popcounts(__m512i bits) {
    const __m512i of_nibble =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low_half = _mm512_set1_epi8(15);
    const __m512i low = _mm512_and_si512(bits, low_half);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(bits, 4), low_half);
    return _mm512_add_epi8(_mm512_shuffle_epi8(of_nibble, low),
                           _mm512_shuffle_epi8(of_nibble, high));
  }

  static ELANUS_INLINE void bits4(const std::uint8_t* const* rows, std::size_t count,
                                  const std::int8_t* values, std::uint32_t* out) {
    __m512i sums[4];
    for (std::size_t r = 0; r < 4; ++r) sums[r] = _mm512_setzero_si512();
    for (std::size_t line = 0; line < count; ++line) {
      const __m512i part = load(values + line * kLineBytes);
      for (std::size_t r = 0; r < 4; ++r) {
        const __m512i differing = _mm512_xor_si512(load(rows[r] + line * kLineBytes), part);
        sums[r] = _mm512_add_epi64(sums[r],
                                   _mm512_sad_epu8(popcounts(differing), _mm512_setzero_si512()));
      }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), total4(sums));
  }

  // Every key moves up by one place or stays: no search, no branch. A long pool is searched.
  static ELANUS_INLINE void insert(std::uint64_t* pool, std::size_t capacity, std::uint64_t key) {
    if (capacity > kShiftedCapacity) return insert_sorted(pool, capacity, key);
    const __m512i wanted = _mm512_set1_epi64(static_cast<long long>(key));
    __m512i before = _mm512_setzero_si512();
    for (std::size_t at = 0; at < capacity; at += 8) {
      const __m512i old = load(pool + at);
      const __m512i shifted = _mm512_alignr_epi64(old, before, 7);
      const __m512i moved = _mm512_min_epu64(old, _mm512_max_epu64(shifted, wanted));
      _mm512_storeu_si512(pool + at, moved);
      before = old;
    }
  }

  static ELANUS_INLINE std::size_t first_open(const std::uint64_t* pool, std::size_t capacity) {
    const __m512i flag = _mm512_set1_epi64(1);
    for (std::size_t at = 0; at < capacity; at += 8) {
      const unsigned open = _mm512_testn_epi64_mask(load(pool + at), flag);
      if (open != 0) return at + static_cast<std::size_t>(__builtin_ctz(open));
    }
    return capacity;
  }

  static std::uint32_t below(const std::uint32_t* scores, std::uint32_t bound) {
    return _mm512_cmple_epu32_mask(load(scores), _mm512_set1_epi32(static_cast<int>(bound)));
  }

  static ELANUS_INLINE std::size_t copy_unseen(const RowId* links, std::size_t degree,
                                               std::size_t num_rows, std::uint64_t* visited,
                                               RowId* out) {
    // Bits are looked at sixteen rows at a time; most rows of a late list were visited.
    const __m512i end = _mm512_set1_epi32(static_cast<int>(num_rows));
    const __m512i low = _mm512_set1_epi32(31);
    std::size_t count = 0;
    for (std::size_t d = 0; d < degree; d += 16) {
      const __m512i rows = load(links + d);
      const __mmask16 valid = _mm512_cmplt_epu32_mask(rows, end);
      const __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), valid,
                                                        _mm512_srli_epi32(rows, 5), visited, 4);
      const __m512i bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(rows, low));
      const __mmask16 unseen = _mm512_mask_testn_epi32_mask(valid, words, bits);
      _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(unseen, rows));
      count += static_cast<std::size_t>(__builtin_popcount(unseen));
    }
    return mark_visited(out, count, visited);
  }

  static constexpr std::size_t kShiftedCapacity = 240;
};
