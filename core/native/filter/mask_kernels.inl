// Included once per CPU variant inside that variant's namespace; compilers make vectors of the
// comparisons of a block, whose bytes stay in the first cache until they are bits.

namespace {

using Word = std::uint64_t;
using Flag = std::uint8_t;

constexpr std::size_t kWordRows = 64;
constexpr std::size_t kBlockRows = 1024;

// Which of 64 bytes are not 0.
inline Word word_of(const Flag* flags) {
#if defined(__AVX512BW__)
  const __m512i loaded = _mm512_loadu_si512(flags);
  return _mm512_test_epi8_mask(loaded, loaded);
#elif defined(__AVX2__)
  Word word = 0;
  for (std::size_t part = 0; part < 2; ++part) {
    const auto* from = reinterpret_cast<const __m256i*>(flags + 32 * part);
    const __m256i is_zero = _mm256_cmpeq_epi8(_mm256_loadu_si256(from), _mm256_setzero_si256());
    word |= Word{~static_cast<std::uint32_t>(_mm256_movemask_epi8(is_zero))} << (32 * part);
  }
  return word;
#elif defined(__SSE2__)
  Word word = 0;
  for (std::size_t part = 0; part < 4; ++part) {
    const auto* from = reinterpret_cast<const __m128i*>(flags + 16 * part);
    const __m128i is_zero = _mm_cmpeq_epi8(_mm_loadu_si128(from), _mm_setzero_si128());
    word |= Word{~static_cast<std::uint32_t>(_mm_movemask_epi8(is_zero)) & 0xffffU} << (16 * part);
  }
  return word;
#else
  Word word = 0;
  for (std::size_t i = 0; i < kWordRows; ++i) word |= Word{flags[i] != 0} << i;
  return word;
#endif
}

inline std::size_t bits_in(Word word) {
#if defined(__POPCNT__)
  return static_cast<std::size_t>(__builtin_popcountll(word));
#else
  // Without the instruction, which not every processor has: in pairs, fours, bytes, and all.
  word -= (word >> 1U) & 0x5555555555555555U;
  word = (word & 0x3333333333333333U) + ((word >> 2U) & 0x3333333333333333U);
  word = (word + (word >> 4U)) & 0x0f0f0f0f0f0f0f0fU;
  return static_cast<std::size_t>((word * 0x0101010101010101U) >> 56U);
#endif
}

std::size_t pack(const Flag* mask, std::size_t size, Word* words) {
  std::size_t total = 0;
  std::size_t first = 0;
  for (; first + kWordRows <= size; first += kWordRows) {
    const Word word = word_of(mask + first);
    words[first / kWordRows] = word;
    total += bits_in(word);
  }
  if (first == size) return total;
  Flag left[kWordRows] = {};
  for (std::size_t i = 0; first + i < size; ++i) left[i] = mask[first + i];
  const Word word = word_of(left);
  words[first / kWordRows] = word;
  return total + bits_in(word);
}

template <typename T, typename Test>
std::size_t pack_where(const T* values, std::size_t size, T constant, Word* words, Test test) {
  Flag flags[kBlockRows];
  std::size_t total = 0;
  for (std::size_t first = 0; first < size; first += kBlockRows) {
    const std::size_t count = size - first < kBlockRows ? size - first : kBlockRows;
    for (std::size_t i = 0; i < count; ++i) flags[i] = test(values[first + i], constant);
    total += pack(flags, count, words + first / kWordRows);
  }
  return total;
}

template <typename T>
std::size_t compare(FormulaComparison comparison, const T* values, std::size_t size, T constant,
                    Word* words) {
  const auto where = [&](auto test) { return pack_where(values, size, constant, words, test); };
  switch (comparison) {
    case FormulaComparison::eq:
      return where([](T a, T b) -> Flag { return a == b; });
    case FormulaComparison::ne:
      return where([](T a, T b) -> Flag { return a != b; });
    case FormulaComparison::lt:
      return where([](T a, T b) -> Flag { return a < b; });
    case FormulaComparison::le:
      return where([](T a, T b) -> Flag { return a <= b; });
    case FormulaComparison::gt:
      return where([](T a, T b) -> Flag { return a > b; });
    default:
      return where([](T a, T b) -> Flag { return a >= b; });
  }
}

}  // namespace

const MaskKernels kMasks = {
    pack,
    compare<std::uint8_t>,
    compare<std::int8_t>,
    compare<std::int16_t>,
    compare<std::int32_t>,
    compare<std::int64_t>,
    compare<float>,
    compare<double>,
};
