// Distance kernels, included once per CPU variant inside that variant's namespace.
//
// Expects `Simd` before it: type Vec, constants kWidth and kTileQueries, functions zero, load and
// load_partial (of every element type, as floats), sub, fma and sum.
//
// A pair of query and row owns one vector accumulator that walks the dimensions in order. Tiles of
// several queries and rows only share loads, so a distance has the same bits in every tile.

namespace {

enum class Measure { squared_l2, inner_product };

constexpr std::size_t kCacheLineBytes = 64;

template <Measure kMeasure>
inline Simd::Vec accumulate(Simd::Vec sum, Simd::Vec query, Simd::Vec row) {
  if constexpr (kMeasure == Measure::squared_l2) {
    const Simd::Vec difference = Simd::sub(query, row);
    return Simd::fma(difference, difference, sum);
  } else {
    return Simd::fma(query, row, sum);
  }
}

// Where a tile starts: its first query and its first row within the block.
struct Corner {
  std::size_t query;
  std::size_t row;
};

template <typename Query, typename Row>
inline const Row* row_start(const DistanceBlockOf<Query, Row>& block, std::size_t row) {
  return block.rows + static_cast<std::size_t>(block.row_ids[row]) * block.dim;
}

// kPrefetch asks for the kRows rows after the tile while the tile is computed.
template <Measure kMeasure, std::size_t kQueries, std::size_t kRows, bool kPrefetch, typename Row>
inline void compute_tile(const DistanceBlockOf<float, Row>& block, Corner corner) {
  constexpr std::size_t kLineElements = kCacheLineBytes / sizeof(Row);
  const Row* rows[kRows];
  const Row* ahead[kRows];
  for (std::size_t r = 0; r < kRows; ++r) {
    rows[r] = row_start(block, corner.row + r);
    if constexpr (kPrefetch) ahead[r] = row_start(block, corner.row + kRows + r);
  }
  const float* queries = block.queries + corner.query * block.dim;
  Simd::Vec sums[kQueries][kRows];
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (std::size_t r = 0; r < kRows; ++r) sums[q][r] = Simd::zero();
  }
  std::size_t d = 0;
  for (; d + Simd::kWidth <= block.dim; d += Simd::kWidth) {
    if constexpr (kPrefetch) {
      if (d % kLineElements == 0) {
        for (std::size_t r = 0; r < kRows; ++r) __builtin_prefetch(ahead[r] + d);
      }
    }
    Simd::Vec query[kQueries];
    for (std::size_t q = 0; q < kQueries; ++q) query[q] = Simd::load(queries + q * block.dim + d);
    for (std::size_t r = 0; r < kRows; ++r) {
      const Simd::Vec row = Simd::load(rows[r] + d);
      for (std::size_t q = 0; q < kQueries; ++q) {
        sums[q][r] = accumulate<kMeasure>(sums[q][r], query[q], row);
      }
    }
  }
  if (d < block.dim) {
    const std::size_t left = block.dim - d;
    for (std::size_t r = 0; r < kRows; ++r) {
      const Simd::Vec row = Simd::load_partial(rows[r] + d, left);
      for (std::size_t q = 0; q < kQueries; ++q) {
        const Simd::Vec query = Simd::load_partial(queries + q * block.dim + d, left);
        sums[q][r] = accumulate<kMeasure>(sums[q][r], query, row);
      }
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q) {
    float* out = block.out + (corner.query + q) * block.num_rows + corner.row;
    for (std::size_t r = 0; r < kRows; ++r) out[r] = Simd::sum(sums[q][r]);
  }
}

// Only the first queries of a block find its rows outside the cache.
template <Measure kMeasure, std::size_t kQueries, bool kPrefetch, typename Row>
inline void compute_queries(const DistanceBlockOf<float, Row>& block, std::size_t first_query) {
  // Eight chains of adds hide the latency of one; a tile of several queries has as many anyway.
  constexpr std::size_t kRows = kQueries == 1 ? 8 : 4;
  std::size_t row = 0;
  if constexpr (kPrefetch) {
    for (; row + 2 * kRows <= block.num_rows; row += kRows) {
      compute_tile<kMeasure, kQueries, kRows, true>(block, {first_query, row});
    }
  }
  for (; row + kRows <= block.num_rows; row += kRows) {
    compute_tile<kMeasure, kQueries, kRows, false>(block, {first_query, row});
  }
  for (; row < block.num_rows; ++row) {
    compute_tile<kMeasure, kQueries, 1, false>(block, {first_query, row});
  }
}

template <Measure kMeasure, typename Row>
void compute_block(const DistanceBlockOf<float, Row>& block) {
  std::size_t query = 0;
  for (; query + Simd::kTileQueries <= block.num_queries; query += Simd::kTileQueries) {
    if (query == 0) {
      compute_queries<kMeasure, Simd::kTileQueries, true>(block, query);
    } else {
      compute_queries<kMeasure, Simd::kTileQueries, false>(block, query);
    }
  }
  for (; query < block.num_queries; ++query) {
    if (query == 0) {
      compute_queries<kMeasure, 1, true>(block, query);
    } else {
      compute_queries<kMeasure, 1, false>(block, query);
    }
  }
}

template <typename Row>
constexpr DistanceKernelsOf<float, Row> kFloatQueryKernels = {
    compute_block<Measure::squared_l2, Row>, compute_block<Measure::inner_product, Row>};

}  // namespace

#include "distance/int8_kernels.inl"

const DistanceKernels kDistanceKernels = {kFloatQueryKernels<float>, kFloatQueryKernels<Half>,
                                          kFloatQueryKernels<BFloat16>,
                                          kFloatQueryKernels<std::int8_t>, kInt8Kernels};
