// Kernels over byte codes, included once per CPU variant inside that variant's namespace.
//
// Expects `Simd` before it: types Query (an integer), Sum, Row and QueryVec, constants kName,
// kStep (codes a vector step takes; divides kCodeLineBytes) and kTileQueries, functions queries,
// zero, load_row, load_query, add and sum4.

namespace {

// Where a tile starts: its first query and its first row within the block.
struct Corner {
  std::size_t query;
  std::size_t row;
};

inline const std::uint8_t* row_start(const CodeBlock& block, std::size_t row) {
  return block.codes + static_cast<std::size_t>(block.row_ids[row]) * block.stride;
}

// Computes the first `kRows` products of a tile, in groups of four that are summed up together.
template <std::size_t kQueries, std::size_t kRows, bool kPrefetch>
inline void compute_tile(const CodeBlock& block, Corner corner) {
  static_assert(kRows % 4 == 0);
  const std::uint8_t* rows[kRows];
  const std::uint8_t* ahead[kRows];
  for (std::size_t r = 0; r < kRows; ++r) {
    rows[r] = row_start(block, corner.row + r);
    if constexpr (kPrefetch) ahead[r] = row_start(block, corner.row + kRows + r);
  }
  const Simd::Query* queries = Simd::queries(block) + corner.query * block.stride;
  Simd::Sum sums[kQueries][kRows];
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (std::size_t r = 0; r < kRows; ++r) sums[q][r] = Simd::zero();
  }
  for (std::size_t d = 0; d < block.stride; d += Simd::kStep) {
    if constexpr (kPrefetch) {
      if (d % kCodeLineBytes == 0) {
        for (std::size_t r = 0; r < kRows; ++r) __builtin_prefetch(ahead[r] + d);
      }
    }
    Simd::QueryVec query[kQueries];
    for (std::size_t q = 0; q < kQueries; ++q) {
      query[q] = Simd::load_query(queries + q * block.stride + d);
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      const Simd::Row row = Simd::load_row(rows[r] + d);
      for (std::size_t q = 0; q < kQueries; ++q) {
        sums[q][r] = Simd::add(sums[q][r], row, query[q]);
      }
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q) {
    std::int32_t* out = block.out + (corner.query + q) * block.num_rows + corner.row;
    for (std::size_t r = 0; r < kRows; r += 4) {
      Simd::sum4(sums[q][r], sums[q][r + 1], sums[q][r + 2], sums[q][r + 3], out + r);
    }
  }
}

inline void compute_row(const CodeBlock& block, Corner corner) {
  const std::uint8_t* row = row_start(block, corner.row);
  const Simd::Query* query = Simd::queries(block) + corner.query * block.stride;
  Simd::Sum sum = Simd::zero();
  for (std::size_t d = 0; d < block.stride; d += Simd::kStep) {
    sum = Simd::add(sum, Simd::load_row(row + d), Simd::load_query(query + d));
  }
  std::int32_t four[4];
  Simd::sum4(sum, sum, sum, sum, four);
  block.out[corner.query * block.num_rows + corner.row] = four[0];
}

// Only the first queries of a block find its rows outside the cache.
template <std::size_t kQueries, bool kPrefetch>
inline void compute_queries(const CodeBlock& block, std::size_t first_query) {
  constexpr std::size_t kRows = kQueries == 1 && Simd::kTileQueries > 1 ? 8 : 4;
  std::size_t row = 0;
  if constexpr (kPrefetch) {
    for (; row + 2 * kRows <= block.num_rows; row += kRows) {
      compute_tile<kQueries, kRows, true>(block, {first_query, row});
    }
  }
  for (; row + kRows <= block.num_rows; row += kRows) {
    compute_tile<kQueries, kRows, false>(block, {first_query, row});
  }
  for (; row < block.num_rows; ++row) {
    for (std::size_t q = 0; q < kQueries; ++q) compute_row(block, {first_query + q, row});
  }
}

void compute_products(const CodeBlock& block) {
  std::size_t query = 0;
  for (; query + Simd::kTileQueries <= block.num_queries; query += Simd::kTileQueries) {
    if (query == 0) {
      compute_queries<Simd::kTileQueries, true>(block, query);
    } else {
      compute_queries<Simd::kTileQueries, false>(block, query);
    }
  }
  for (; query < block.num_queries; ++query) {
    if (query == 0) {
      compute_queries<1, true>(block, query);
    } else {
      compute_queries<1, false>(block, query);
    }
  }
}

// Simple loops that the compiler turns into vectors of this variant.
std::size_t select_positions(const BoundBlock& block) {
  constexpr std::size_t kGroup = 16;
  const BoundBlock b = block;  // says that the outputs do not overlap the numbers read
  float* __restrict__ lower = b.lower;
  for (std::size_t i = 0; i < b.num_rows; ++i) {
    const float product = static_cast<float>(b.products[i] - b.offset) * b.scales[i];
    lower[i] = (b.base + b.norms[i] * (b.square * b.norms[i] - b.per_norm)) -
               b.per_error * b.errors[i] - b.weight * product;
  }
  std::size_t found = 0;
  std::size_t i = 0;
  for (; i + kGroup <= b.num_rows; i += kGroup) {
    std::uint32_t any = 0;
    for (std::size_t j = 0; j < kGroup; ++j) {
      any |= static_cast<std::uint32_t>(!(lower[i + j] > b.threshold));
    }
    if (any == 0) continue;
    for (std::size_t j = 0; j < kGroup; ++j) {
      b.positions[found] = static_cast<std::uint32_t>(i + j);
      found += !(lower[i + j] > b.threshold);
    }
  }
  for (; i < b.num_rows; ++i) {
    b.positions[found] = static_cast<std::uint32_t>(i);
    found += !(lower[i] > b.threshold);
  }
  return found;
}

}  // namespace

const CodeKernels kCodeKernels = {Simd::kName, compute_products, select_positions};
