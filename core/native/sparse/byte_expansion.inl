// Spreads the codes of a bitmap to one byte for each row, with byte shuffles of SSSE3.
// Included inside the anonymous namespace of each CPU variant that needs it.

// For each byte of a bitmap: the shuffle that moves the next codes to its set bits. 0x80 gives 0.
struct ShuffleTable {
  alignas(64) std::uint64_t shuffles[256];

  constexpr ShuffleTable() : shuffles() {
    for (unsigned bits = 0; bits < 256; ++bits) {
      std::uint64_t shuffle = 0;
      std::uint64_t next = 0;
      for (unsigned bit = 0; bit < 8; ++bit) {
        const bool is_set = ((bits >> bit) & 1U) != 0;
        shuffle |= (is_set ? next : std::uint64_t{0x80}) << (8 * bit);
        next += is_set ? 1U : 0U;
      }
      shuffles[bits] = shuffle;
    }
  }
};

constexpr ShuffleTable kShuffles;

// Writes 64 bytes.
inline void expand_word(std::uint64_t word, const std::uint8_t* codes, std::uint8_t* out) {
  for (unsigned byte = 0; byte < 8; ++byte) {
    const auto bits = static_cast<std::uint8_t>(word >> (8 * byte));
    const __m128i next = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
    const __m128i shuffle =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kShuffles.shuffles[bits]));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 8 * byte), _mm_shuffle_epi8(next, shuffle));
    codes += __builtin_popcount(bits);
  }
}

// Expands a few words at a time, so that the bytes are still in the nearest cache when they are
// added, and stored long enough for wide loads.
constexpr std::size_t kWordsAtOnce = 16;

void add_bitmap(const BitmapAddition& a) {
  alignas(64) std::uint8_t expanded[kWordsAtOnce * 64];
  const std::uint8_t* codes = a.codes;
  for (std::size_t first = 0; first < a.num_words; first += kWordsAtOnce) {
    __builtin_prefetch(a.words + first * 8 + 512);
    __builtin_prefetch(a.words + first * 8 + 512 + 64);
    for (std::size_t p = 512; p < 768; p += 64) __builtin_prefetch(codes + p);
    for (std::size_t w = 0; w < kWordsAtOnce; ++w) {
      std::uint64_t word = 0;
      __builtin_memcpy(&word, a.words + (first + w) * 8, 8);
      expand_word(word, codes, expanded + w * 64);
      codes += __builtin_popcountll(word);
      // Only damaged bytes have more bits than codes.
      codes = codes < a.codes_end ? codes : a.codes_end;
    }
    add_dense({a.counters + first * 64, expanded, kWordsAtOnce * 64, a.weight});
  }
}
