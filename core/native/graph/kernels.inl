// Graph kernels, included once per CPU variant inside that variant's namespace.
//
// Expects `Simd` before it:
//   score4<kKind, kLines>(four codes, lines, values, out)  2^31 - product of four rows; of bits,
//                                                          how many differ
//   insert(pool, capacity, key)                            as GraphKernels::insert
//   first_open(pool, capacity)                             first key without the expanded bit
//   below(scores, bound)                                   bit i: scores[i] <= bound, 16 of them
//   copy_unseen(links, degree, num_rows, visited, out)     unvisited rows of a list, now visited

namespace {

// Rows that are asked for ahead of their turn: enough to hide memory, not more than it takes.
constexpr std::size_t kRowsAhead = 16;
constexpr std::size_t kPrefetchedLines = 16;
constexpr std::size_t kProductsAhead = 8;

// kLines of 0 stands for any number, here and below.
template <std::size_t kLines>
ELANUS_INLINE void prefetch_row(const CodedRows& rows, RowId row) {
  const std::size_t count = kLines == 0 ? rows.lines : kLines;
  const std::uint8_t* code = rows.codes + static_cast<std::size_t>(row) * count * kLineBytes;
  const std::size_t lines = count < kPrefetchedLines ? count : kPrefetchedLines;
  for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(code + line * kLineBytes);
}

// Floats in the order of unsigned integers.
ELANUS_INLINE std::uint32_t ordered_bits(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  const std::uint32_t sign = static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) >> 31);
  return bits ^ (sign | 0x80000000U);
}

// Places behind a batch of row ids that hold valid rows as well: no loop looks at its end.
ELANUS_INLINE void pad_batch(RowId* ids, std::size_t count) {
  for (std::size_t i = 0; i < kBatchPadding; ++i) ids[count + i] = ids[count - 1];
}

// `ids` is padded; writes up to three scores too many.
template <CodeKind kKind, std::size_t kLines>
ELANUS_INLINE void score_lines(const CodedRows& rows, const CodedQuery& query, const RowId* ids,
                               std::size_t count, std::uint32_t* out) {
  const std::size_t row_bytes = (kLines == 0 ? rows.lines : kLines) * kLineBytes;
  for (std::size_t i = 0; i < kRowsAhead; ++i) prefetch_row<kLines>(rows, ids[i]);
  for (std::size_t i = 0; i < count; i += 4) {
    const std::uint8_t* four[4];
    for (std::size_t r = 0; r < 4; ++r) {
      four[r] = rows.codes + static_cast<std::size_t>(ids[i + r]) * row_bytes;
      prefetch_row<kLines>(rows, ids[i + r + kRowsAhead]);
    }
    Simd::template score4<kKind, kLines>(four, rows.lines, query.values, out + i);
  }
}

template <CodeKind kKind>
ELANUS_INLINE void score_batch(const CodedRows& rows, const CodedQuery& query, const RowId* ids,
                               std::size_t count, std::uint32_t* out) {
  if (rows.terms != nullptr) {
    for (std::size_t i = 0; i < count; ++i) {
      __builtin_prefetch(rows.terms + 2 * static_cast<std::size_t>(ids[i]));
    }
  }
  switch (rows.lines) {
    case 1:
      score_lines<kKind, 1>(rows, query, ids, count, out);
      break;
    case 2:
      score_lines<kKind, 2>(rows, query, ids, count, out);
      break;
    case 3:
      score_lines<kKind, 3>(rows, query, ids, count, out);
      break;
    case 6:
      score_lines<kKind, 6>(rows, query, ids, count, out);
      break;
    default:
      score_lines<kKind, 0>(rows, query, ids, count, out);
  }
  if (rows.terms == nullptr) return;
  for (std::size_t i = 0; i < count; ++i) {
    const float* term = rows.terms + 2 * static_cast<std::size_t>(ids[i]);
    if constexpr (kKind == CodeKind::bits) {
      // Whole numbers, so that it is the distance that a scan gives. Two empty sets are equal.
      const auto differing = static_cast<float>(out[i]);
      const float either = 0.5F * (query.offset + term[0] + differing);
      out[i] = ordered_bits(either > 0.0F ? differing / either : 0.0F);
      continue;
    }
    const auto product = static_cast<float>(static_cast<std::int32_t>(0x80000000U - out[i]));
    const float scaled = query.factor * term[0] * (product - query.offset);
    out[i] = ordered_bits(scaled + query.term_factor * term[1]);
  }
}

ELANUS_INLINE std::uint64_t key_of(std::uint32_t score, RowId row) {
  return (static_cast<std::uint64_t>(score) << 32) | (static_cast<std::uint64_t>(row) << 1);
}

ELANUS_INLINE void insert_batch(WalkState& state, const RowId* ids, std::size_t count) {
  const std::size_t last = state.capacity - 1;
  for (std::size_t i = 0; i < count; i += 16) {
    const std::size_t left = count - i;
    std::uint32_t mask =
        Simd::below(state.scores + i, static_cast<std::uint32_t>(state.pool[last] >> 32));
    if (left < 16) mask &= (1U << left) - 1U;
    if (state.overflow.items == nullptr) {
      for (; mask != 0; mask &= mask - 1U) {
        const std::size_t at = i + static_cast<std::size_t>(__builtin_ctz(mask));
        Simd::insert(state.pool, state.capacity, key_of(state.scores[at], ids[at]));
      }
      continue;
    }
    // A walk that may go on keeps what does not fit.
    for (std::size_t r = 0; r < 16 && r < left; ++r) {
      const std::uint64_t key = key_of(state.scores[i + r], ids[i + r]);
      const std::uint64_t worst = state.pool[last];
      const bool enters = key < worst;
      const std::uint64_t out = enters ? worst : key;
      if (enters) Simd::insert(state.pool, state.capacity, key);
      if (out != kNoKey) state.overflow.items[state.overflow.size++] = out;
    }
  }
}

ELANUS_INLINE bool is_set(const std::uint64_t* bits, RowId row) {
  return ((bits[row >> 6] >> (row & 63U)) & 1U) != 0;
}

// Collects the allowed rows of a list, and where they are few those of its disallowed rows.
ELANUS_INLINE std::size_t collect_allowed(const GraphArrays& graph, WalkState& state,
                                          const RowId* list) {
  RowId* unseen = state.log;
  const std::size_t seen_now =
      Simd::copy_unseen(list, graph.degree, graph.num_rows, state.visited, unseen);
  RowId* batch = unseen + graph.degree;
  std::size_t found = 0;
  std::size_t blocked = 0;
  for (std::size_t i = 0; i < seen_now; ++i) {
    const RowId row = unseen[i];
    if (is_set(state.allowed, row)) {
      batch[found++] = row;
    } else {
      unseen[blocked++] = row;
    }
  }
  const std::size_t enough = graph.degree / 2;
  for (std::size_t i = 0; i < blocked && found < enough; ++i) {
    if (i + 2 < blocked) {
      const RowId* ahead = graph.links + static_cast<std::size_t>(unseen[i + 2]) * graph.degree;
      for (std::size_t d = 0; d < graph.degree; d += 16) __builtin_prefetch(ahead + d);
    }
    const RowId* second = graph.links + static_cast<std::size_t>(unseen[i]) * graph.degree;
    for (std::size_t d = 0; d < graph.degree; ++d) {
      const RowId row = second[d];
      if (row >= graph.num_rows) break;
      if (!is_set(state.allowed, row) || is_set(state.visited, row)) continue;
      state.visited[row >> 6] |= 1ULL << (row & 63U);
      batch[found++] = row;
    }
  }
  return found;
}

template <CodeKind kKind, bool kFiltered>
void walk_pool(const GraphArrays& graph, const CodedQuery& query, WalkState& state) {
  const std::size_t watched = state.watched - 1;
  std::size_t at = Simd::first_open(state.pool, state.capacity);
  for (; at < state.capacity && state.steps_left > 0; --state.steps_left) {
    const std::uint64_t watched_key = state.pool[watched] | 1U;
    const auto row = static_cast<RowId>((state.pool[at] & 0xffffffffU) >> 1);
    state.pool[at] |= 1U;
    const std::size_t next = Simd::first_open(state.pool, state.capacity);
    if (next < state.capacity) {
      const auto ahead = static_cast<std::size_t>((state.pool[next] & 0xffffffffU) >> 1);
      const RowId* links = graph.links + ahead * graph.degree;
      for (std::size_t d = 0; d < graph.degree; d += 16) __builtin_prefetch(links + d);
    }
    const RowId* list = graph.links + static_cast<std::size_t>(row) * graph.degree;
    RowId* batch;
    std::size_t count;
    if constexpr (kFiltered) {
      count = collect_allowed(graph, state, list);
      batch = state.log + graph.degree;
    } else {
      batch = state.log + state.log_size;
      count = Simd::copy_unseen(list, graph.degree, graph.num_rows, state.visited,
                                state.log + state.log_size);
      state.log_size += count;
    }
    state.num_scored += count;
    if (count > 0) pad_batch(batch, count);
    score_batch<kKind>(graph.rows, query, batch, count, state.scores);
    insert_batch(state, batch, count);
    if ((state.pool[watched] | 1U) == watched_key && watched_key != kNoKey) {
      if (++state.still >= state.patience) return;
    } else {
      state.still = 0;
    }
    at = Simd::first_open(state.pool, state.capacity);
  }
}

template <CodeKind kKind>
void walk_graph(const GraphArrays& graph, const CodedQuery& query, WalkState& state) {
  if (state.allowed == nullptr) {
    walk_pool<kKind, false>(graph, query, state);
  } else {
    walk_pool<kKind, true>(graph, query, state);
  }
}

template <CodeKind kKind>
void score_rows(const CodedRows& rows, const CodedQuery& query, const RowId* ids, std::size_t count,
                std::uint32_t* out) {
  constexpr std::size_t kAtOnce = 128;
  RowId padded[kAtOnce + kBatchPadding];
  std::uint32_t scores[kAtOnce + 4];
  for (std::size_t first = 0; first < count; first += kAtOnce) {
    const std::size_t some = count - first < kAtOnce ? count - first : kAtOnce;
    for (std::size_t i = 0; i < some; ++i) padded[i] = ids[first + i];
    pad_batch(padded, some);
    score_batch<kKind>(rows, query, padded, some, scores);
    for (std::size_t i = 0; i < some; ++i) out[first + i] = scores[i];
  }
}

void insert_key(std::uint64_t* pool, std::size_t capacity, std::uint64_t key) {
  Simd::insert(pool, capacity, key);
}

template <CodeKind kKind, std::size_t kLines>
void products_of_lines(const std::uint8_t* codes, std::size_t lines, const std::int8_t* values,
                       const RowId* ids, std::size_t count, std::int32_t* out) {
  const std::size_t width = kLines == 0 ? lines : kLines;
  const std::size_t row_bytes = width * kLineBytes;
  for (std::size_t i = 0; i < count; i += 4) {
    const std::uint8_t* four[4];
    if (i + kProductsAhead < count) {
      for (std::size_t r = 0; r < 4 && i + r + kProductsAhead < count; ++r) {
        const RowId ahead = ids[i + r + kProductsAhead];
        const std::uint8_t* code = codes + static_cast<std::size_t>(ahead) * row_bytes;
        for (std::size_t line = 0; line < width; ++line) {
          __builtin_prefetch(code + line * kLineBytes);
        }
      }
    }
    for (std::size_t r = 0; r < 4; ++r) {
      const std::size_t at = i + r < count ? i + r : count - 1;
      four[r] = codes + static_cast<std::size_t>(ids[at]) * row_bytes;
    }
    std::uint32_t scores[4];
    Simd::template score4<kKind, kLines>(four, lines, values, scores);
    for (std::size_t r = 0; r < 4 && i + r < count; ++r) {
      const std::uint32_t score = scores[r];
      out[i + r] = static_cast<std::int32_t>(kKind == CodeKind::bits ? score : 0x80000000U - score);
    }
  }
}

template <CodeKind kKind>
void products_of(const std::uint8_t* codes, std::size_t lines, const std::int8_t* values,
                 const RowId* ids, std::size_t count, std::int32_t* out) {
  if (lines == 6) return products_of_lines<kKind, 6>(codes, lines, values, ids, count, out);
  if (lines == 2) return products_of_lines<kKind, 2>(codes, lines, values, ids, count, out);
  products_of_lines<kKind, 0>(codes, lines, values, ids, count, out);
}

}  // namespace

const GraphKernels kNibbleGraph = {score_rows<CodeKind::nibbles>, walk_graph<CodeKind::nibbles>,
                                   insert_key, products_of<CodeKind::bytes>};
const GraphKernels kByteGraph = {score_rows<CodeKind::bytes>, walk_graph<CodeKind::bytes>,
                                 insert_key, products_of<CodeKind::bytes>};
const GraphKernels kBitGraph = {score_rows<CodeKind::bits>, walk_graph<CodeKind::bits>, insert_key,
                                products_of<CodeKind::bits>};
