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

// Calls body(0) .. body(kCount - 1) in a line: sums that a loop indexes would live in memory.
template <std::size_t kCount, std::size_t kIndex = 0, typename Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  if constexpr (kIndex < kCount) {
    body(kIndex);
    unroll<kCount, kIndex + 1>(body);
  }
}

// kPrefetch asks for the kRows rows after the tile while the tile is computed.
template <std::size_t kQueries, std::size_t kRows, bool kPrefetch>
inline void compute_tile(const CodeBlock& block, Corner corner) {
  static_assert(kRows % 4 == 0);
  const std::uint8_t* rows[kRows];
  const std::uint8_t* ahead[kRows];
  Simd::Sum sums[kQueries * kRows];
  unroll<kRows>([&](std::size_t r) __attribute__((always_inline)) {
    rows[r] = row_start(block, corner.row + r);
    if constexpr (kPrefetch) ahead[r] = row_start(block, corner.row + kRows + r);
  });
  unroll<kQueries * kRows>([&](std::size_t i)
                               __attribute__((always_inline)) { sums[i] = Simd::zero(); });
  const Simd::Query* queries = Simd::queries(block) + corner.query * block.stride;
  for (std::size_t d = 0; d < block.stride; d += Simd::kStep) {
    if constexpr (kPrefetch) {
      if (d % kCodeLineBytes == 0) {
        for (std::size_t r = 0; r < kRows; ++r) __builtin_prefetch(ahead[r] + d);
      }
    }
    Simd::QueryVec query[kQueries];
    unroll<kQueries>([&](std::size_t q) __attribute__((always_inline)) {
      query[q] = Simd::load_query(queries + q * block.stride + d);
    });
    unroll<kRows>([&](std::size_t r) __attribute__((always_inline)) {
      const Simd::Row row = Simd::load_row(rows[r] + d);
      unroll<kQueries>([&](std::size_t q) __attribute__((always_inline)) {
        sums[q * kRows + r] = Simd::add(sums[q * kRows + r], row, query[q]);
      });
    });
  }
  unroll<kQueries * kRows / 4>([&](std::size_t i) __attribute__((always_inline)) {
    const std::size_t q = 4 * i / kRows;
    std::int32_t* out = block.out + (corner.query + q) * block.num_rows + corner.row;
    Simd::sum4(sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3], out + 4 * i % kRows);
  });
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
