// The loop around a CRC32C instruction, included once per CPU in its own namespace.
//
// Expects `step8(state, const uint8_t*)` and `step1(state, uint8_t)` to be defined before it.

static inline std::uint32_t shift(const Crc32cShift& zeros, std::uint32_t state) {
  return zeros.table[0][state & 0xff] ^ zeros.table[1][(state >> 8) & 0xff] ^
         zeros.table[2][(state >> 16) & 0xff] ^ zeros.table[3][state >> 24];
}

template <std::size_t kStream>
static inline std::uint32_t run_streams(std::uint32_t state, Crc32cInput& input,
                                        const Crc32cShift& zeros) {
  while (input.size >= 3 * kStream) {
    std::uint32_t second = 0;
    std::uint32_t third = 0;
    for (std::size_t i = 0; i < kStream; i += 8) {
      state = step8(state, input.bytes + i);
      second = step8(second, input.bytes + kStream + i);
      third = step8(third, input.bytes + 2 * kStream + i);
    }
    state = shift(zeros, state) ^ second;
    state = shift(zeros, state) ^ third;
    input.bytes += 3 * kStream;
    input.size -= 3 * kStream;
  }
  return state;
}

std::uint32_t crc32c(std::uint32_t state, Crc32cInput input, const Crc32cShifts& shifts) {
  state = run_streams<kCrcLongStream>(state, input, shifts.long_stream);
  state = run_streams<kCrcShortStream>(state, input, shifts.short_stream);
  for (; input.size >= 8; input.bytes += 8, input.size -= 8) state = step8(state, input.bytes);
  for (; input.size > 0; ++input.bytes, --input.size) state = step1(state, *input.bytes);
  return state;
}
