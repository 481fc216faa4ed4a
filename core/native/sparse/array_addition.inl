// Adds the postings of an array: products by vectors, counters one by one.
// Included inside the anonymous namespace of a CPU variant that defines
// `multiply(const std::uint8_t* codes, std::uint16_t weight, std::uint16_t* products)` for
// `kProductsAtOnce` codes.

constexpr std::size_t kBytesAhead = 256;

void add_array(const ArrayAddition& a) {
  alignas(64) std::uint16_t products[kProductsAtOnce];
  std::size_t i = 0;
  for (; i + kProductsAtOnce <= a.count; i += kProductsAtOnce) {
    // Lists are longer than what the processor reads ahead by itself, and end with each page.
    __builtin_prefetch(a.ids + i * 2 + 2 * kBytesAhead);
    __builtin_prefetch(a.codes + i + kBytesAhead);
    multiply(a.codes + i, a.weight, products);
    for (std::size_t j = 0; j < kProductsAtOnce; j += 4) {
      std::uint64_t ids = 0;
      __builtin_memcpy(&ids, a.ids + (i + j) * 2, 8);
      std::uint64_t four = 0;
      __builtin_memcpy(&four, products + j, 8);
      for (unsigned shift = 0; shift < 64; shift += 16) {
        std::uint16_t& counter = a.counters[(ids >> shift) & 0xffffU];
        counter = static_cast<std::uint16_t>(counter + (four >> shift));
      }
    }
  }
  if (i == a.count) return;
  multiply(a.codes + i, a.weight, products);
  for (std::size_t j = 0; i < a.count; ++i, ++j) {
    std::uint16_t row = 0;
    __builtin_memcpy(&row, a.ids + i * 2, 2);
    a.counters[row] = static_cast<std::uint16_t>(a.counters[row] + products[j]);
  }
}
