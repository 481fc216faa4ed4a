// Parts of `Simd` for graph kernels in portable code. Included in an anonymous
// namespace of each variant.

// Two passes over the list would cost more than storing rows that are then overwritten.
ELANUS_INLINE std::size_t copy_unseen_rows(const RowId* links, std::size_t degree,
                                           std::size_t num_rows, std::uint64_t* visited,
                                           RowId* out) {
  const auto limit = static_cast<RowId>(num_rows);
  std::size_t count = 0;
  for (std::size_t i = 0; i < degree; ++i) {
    // Rows that do not exist share the bit behind the last one, which is always set.
    const RowId row = links[i] < limit ? links[i] : limit;
    std::uint64_t* word = visited + (row >> 6);
    const std::uint64_t bit = 1ULL << (row & 63U);
    const std::uint64_t before = *word;
    out[count] = row;
    count += (before & bit) == 0 ? 1U : 0U;
    *word = before | bit;
  }
  return count;
}

// Marks unseen rows as visited; of one that a damaged list names twice, the first stays.
ELANUS_INLINE std::size_t mark_visited(RowId* rows, std::size_t count, std::uint64_t* visited) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const RowId row = rows[i];
    std::uint64_t* word = visited + (row >> 6);
    const std::uint64_t bit = 1ULL << (row & 63U);
    const std::uint64_t before = *word;
    rows[kept] = row;
    kept += (before & bit) == 0 ? 1U : 0U;
    *word = before | bit;
  }
  return kept;
}

inline void insert_sorted(std::uint64_t* pool, std::size_t capacity, std::uint64_t key) {
  if (key >= pool[capacity - 1]) return;
  std::size_t low = 0;
  std::size_t high = capacity;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (pool[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  __builtin_memmove(pool + low + 1, pool + low, (capacity - 1 - low) * sizeof(std::uint64_t));
  pool[low] = key;
}
