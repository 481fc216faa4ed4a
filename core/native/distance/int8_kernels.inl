// Distances between int8 vectors, included by kernels.inl once per CPU variant.
//
// Expects `Int8Simd` before it: types Wide (some values, widened) and Sums (32-bit sums), constant
// kWidth (values of a Wide), functions zero, load, load_partial, sub, multiply_add and sum.
//
// Sums are exact: 32,768 dimensions (the most a field has) of differences up to 255 stay below
// 2^31. Only the step to float rounds, above 2^24.

namespace {

template <Measure kMeasure>
inline Int8Simd::Sums accumulate_int8(Int8Simd::Sums sums, Int8Simd::Wide query,
                                      Int8Simd::Wide row) {
  if constexpr (kMeasure == Measure::squared_l2) {
    const Int8Simd::Wide difference = Int8Simd::sub(query, row);
    return Int8Simd::multiply_add(difference, difference, sums);
  } else {
    return Int8Simd::multiply_add(query, row, sums);
  }
}

// kPrefetch asks for the kRows rows after these while they are computed.
template <Measure kMeasure, std::size_t kRows, bool kPrefetch>
inline void compute_int8_rows(const DistanceBlockOf<std::int8_t, std::int8_t>& block,
                              Corner corner) {
  const std::int8_t* query = block.queries + corner.query * block.dim;
  const std::int8_t* rows[kRows];
  const std::int8_t* ahead[kRows];
  Int8Simd::Sums sums[kRows];
  for (std::size_t r = 0; r < kRows; ++r) {
    rows[r] = row_start(block, corner.row + r);
    if constexpr (kPrefetch) ahead[r] = row_start(block, corner.row + kRows + r);
    sums[r] = Int8Simd::zero();
  }
  std::size_t d = 0;
  for (; d + Int8Simd::kWidth <= block.dim; d += Int8Simd::kWidth) {
    if constexpr (kPrefetch) {
      if (d % kCacheLineBytes == 0) {
        for (std::size_t r = 0; r < kRows; ++r) __builtin_prefetch(ahead[r] + d);
      }
    }
    const Int8Simd::Wide some = Int8Simd::load(query + d);
    for (std::size_t r = 0; r < kRows; ++r) {
      sums[r] = accumulate_int8<kMeasure>(sums[r], some, Int8Simd::load(rows[r] + d));
    }
  }
  if (d < block.dim) {
    const std::size_t left = block.dim - d;
    const Int8Simd::Wide some = Int8Simd::load_partial(query + d, left);
    for (std::size_t r = 0; r < kRows; ++r) {
      sums[r] = accumulate_int8<kMeasure>(sums[r], some, Int8Simd::load_partial(rows[r] + d, left));
    }
  }
  float* out = block.out + corner.query * block.num_rows + corner.row;
  for (std::size_t r = 0; r < kRows; ++r) out[r] = static_cast<float>(Int8Simd::sum(sums[r]));
}

template <Measure kMeasure>
void compute_int8_block(const DistanceBlockOf<std::int8_t, std::int8_t>& block) {
  constexpr std::size_t kRows = 4;  // chains of adds that hide the latency of one
  for (std::size_t query = 0; query < block.num_queries; ++query) {
    std::size_t row = 0;
    if (query == 0) {  // later queries find the rows in the cache
      for (; row + 2 * kRows <= block.num_rows; row += kRows) {
        compute_int8_rows<kMeasure, kRows, true>(block, {query, row});
      }
    }
    for (; row + kRows <= block.num_rows; row += kRows) {
      compute_int8_rows<kMeasure, kRows, false>(block, {query, row});
    }
    for (; row < block.num_rows; ++row) compute_int8_rows<kMeasure, 1, false>(block, {query, row});
  }
}

constexpr DistanceKernelsOf<std::int8_t, std::int8_t> kInt8Kernels = {
    compute_int8_block<Measure::squared_l2>, compute_int8_block<Measure::inner_product>};

}  // namespace
