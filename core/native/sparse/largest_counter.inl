// The largest of eight counters. Included inside the anonymous namespace of a CPU variant.

inline std::uint16_t largest_of(__m128i counters) {
  // There is an instruction for the smallest only: the order is turned around before and after.
  const __m128i ones = _mm_set1_epi16(-1);
  const __m128i smallest = _mm_minpos_epu16(_mm_xor_si128(counters, ones));
  return static_cast<std::uint16_t>(~_mm_extract_epi16(smallest, 0));
}
