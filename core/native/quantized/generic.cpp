// The variant for any processor: plain loops over integers.
#include "quantized/code_kernels.h"

namespace elanus::generic {
namespace {

struct Simd {
  using Query = std::int16_t;
  using Sum = std::int32_t;
  using Row = const std::uint8_t*;
  using QueryVec = const std::int16_t*;
  static constexpr const char* kName = "generic";
  static constexpr std::size_t kStep = 64;
  static constexpr std::size_t kTileQueries = 1;

  static const Query* queries(const CodeBlock& block) { return block.widened; }
  static Sum zero() { return 0; }
  static Row load_row(const std::uint8_t* codes) { return codes; }
  static QueryVec load_query(const Query* codes) { return codes; }
  static Sum add(Sum sum, Row row, QueryVec query) {
    for (std::size_t i = 0; i < kStep; ++i) sum += std::int32_t{row[i]} * query[i];
    return sum;
  }
  static void sum4(Sum a, Sum b, Sum c, Sum d, std::int32_t* out) {
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
  }
};

}  // namespace

#include "quantized/code_kernels.inl"

}  // namespace elanus::generic
