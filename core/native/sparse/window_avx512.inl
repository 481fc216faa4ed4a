// AVX-512 F and BW: vectors of thirty-two counters. Included inside the anonymous namespace of each
// variant that has them.

__m512i load(const void* from) { return _mm512_loadu_si512(from); }
void store(void* to, __m512i vec) { _mm512_storeu_si512(to, vec); }

// Thirty-two codes as numbers of 16 bits, times 256.
__m512i widen(__m256i codes) { return _mm512_slli_epi16(_mm512_cvtepu8_epi16(codes), 8); }

__m256i load_codes(const std::uint8_t* codes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
}

constexpr std::size_t kProductsAtOnce = 32;

void multiply(const std::uint8_t* codes, std::uint16_t weight, std::uint16_t* products) {
  const __m512i factor = _mm512_set1_epi16(static_cast<short>(weight));
  const __m512i product = _mm512_mulhi_epu16(widen(load_codes(codes)), factor);
  store(products, _mm512_max_epu16(product, _mm512_set1_epi16(1)));
}

// Adds the codes of thirty-two rows. From weight 256 on every code gives at least 1 by itself.
template <bool kIsLight>
void add_codes(std::uint16_t* counters, __m256i codes, __m512i factor) {
  const __m512i wide = widen(codes);
  __m512i product = _mm512_mulhi_epu16(wide, factor);
  if constexpr (kIsLight) {
    product = _mm512_max_epu16(product, _mm512_min_epu16(wide, _mm512_set1_epi16(1)));
  }
  store(counters, _mm512_add_epi16(load(counters), product));
}

template <bool kIsLight>
void add_dense_weighing(const DenseAddition& a) {
  const __m512i factor = _mm512_set1_epi16(static_cast<short>(a.weight));
  for (std::size_t row = 0; row < a.num_rows; row += 64) {
    __builtin_prefetch(a.codes + row + 512);
    add_codes<kIsLight>(a.counters + row, load_codes(a.codes + row), factor);
    add_codes<kIsLight>(a.counters + row + 32, load_codes(a.codes + row + 32), factor);
  }
}

void add_dense(const DenseAddition& a) {
  if (a.weight < 256) {
    add_dense_weighing<true>(a);
  } else {
    add_dense_weighing<false>(a);
  }
}

#include "sparse/array_addition.inl"
#include "sparse/largest_counter.inl"

void block_maxima(const BlockMaxima& b) {
  for (std::size_t i = 0; i < b.num_blocks; ++i) {
    const std::uint64_t allowed = b.allowed == nullptr ? ~std::uint64_t{0} : b.allowed[i];
    const auto low = static_cast<__mmask32>(allowed);
    const auto high = static_cast<__mmask32>(allowed >> 32);
    const __m512i block =
        _mm512_max_epu16(_mm512_maskz_loadu_epi16(low, b.counters + i * 64),
                         _mm512_maskz_loadu_epi16(high, b.counters + i * 64 + 32));
    const __m256i half =
        _mm256_max_epu16(_mm512_castsi512_si256(block), _mm512_extracti64x4_epi64(block, 1));
    b.maxima[i] =
        largest_of(_mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
  }
}

constexpr std::size_t kRowsAtOnce = 256;

// Whether one of `kRowsAtOnce` counters is at least `least`, which is not 0.
bool any_reaches(const std::uint16_t* counters, __m512i least) {
  __m512i largest = load(counters);
  for (std::size_t i = 32; i < kRowsAtOnce; i += 32) {
    largest = _mm512_max_epu16(largest, load(counters + i));
  }
  return _mm512_cmpge_epu16_mask(largest, least) != 0;
}

void clear(std::uint16_t* counters, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 32) store(counters + i, _mm512_setzero_si512());
}

void drain(Drain& d) {
  const __m512i least = _mm512_set1_epi16(static_cast<short>(d.least));
  while (d.position < d.end && d.room - d.found >= 64) {
    std::uint16_t* block = d.counters + d.position;
    // Few windows have more than a handful of rows that reach it.
    if (d.position % kRowsAtOnce == 0 && d.end - d.position >= kRowsAtOnce &&
        !any_reaches(block, least)) {
      clear(block, kRowsAtOnce);
      d.position += kRowsAtOnce;
      continue;
    }
    const std::uint64_t low = _mm512_cmpge_epu16_mask(load(block), least);
    const std::uint64_t high = _mm512_cmpge_epu16_mask(load(block + 32), least);
    std::uint64_t hits = low | (high << 32);
    if (d.allowed != nullptr) hits &= d.allowed[d.position / 64];
    for (; hits != 0; hits &= hits - 1) {
      const auto i = static_cast<std::size_t>(__builtin_ctzll(hits));
      d.rows[d.found] = static_cast<std::uint16_t>(d.position + i);
      d.values[d.found++] = block[i];
    }
    clear(block, 64);
    d.position += 64;
  }
}
