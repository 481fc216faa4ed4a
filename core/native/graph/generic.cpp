// Graph kernels in plain C++.
#include "graph/graph_kernels.h"

namespace elanus::generic {
namespace {

#include "graph/portable.inl"

struct Simd {
  template <CodeKind kKind, std::size_t kLines>
  static ELANUS_INLINE void score4(const std::uint8_t* const* rows, std::size_t lines,
                                   const std::int8_t* values, std::uint32_t* out) {
    for (std::size_t r = 0; r < 4; ++r) {
      if constexpr (kKind == CodeKind::bits) {
        out[r] = differing(rows[r], kLines == 0 ? lines : kLines, values);
      } else {
        const std::int32_t sum = product<kKind>(rows[r], kLines == 0 ? lines : kLines, values);
        out[r] = 0x80000000U - static_cast<std::uint32_t>(sum);
      }
    }
  }

  static std::uint32_t differing(const std::uint8_t* row, std::size_t lines,
                                 const std::int8_t* values) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < lines * kLineBytes; at += sizeof(std::uint64_t)) {
      std::uint64_t a;
      std::uint64_t b;
      __builtin_memcpy(&a, row + at, sizeof a);
      __builtin_memcpy(&b, values + at, sizeof b);
      sum += static_cast<std::uint32_t>(__builtin_popcountll(a ^ b));
    }
    return sum;
  }

  template <CodeKind kKind>
  static std::int32_t product(const std::uint8_t* row, std::size_t lines,
                              const std::int8_t* values) {
    std::int32_t sum = 0;
    for (std::size_t line = 0; line < lines; ++line) {
      const std::uint8_t* bytes = row + line * kLineBytes;
      if constexpr (kKind == CodeKind::nibbles) {
        const std::int8_t* low = values + line * 2 * kLineBytes;
        const std::int8_t* high = low + kLineBytes;
        for (std::size_t j = 0; j < kLineBytes; ++j) {
          sum += (bytes[j] & 15) * low[j] + (bytes[j] >> 4) * high[j];
        }
      } else {
        const std::int8_t* part = values + line * kLineBytes;
        for (std::size_t j = 0; j < kLineBytes; ++j) sum += bytes[j] * part[j];
      }
    }
    return sum;
  }

  static void insert(std::uint64_t* pool, std::size_t capacity, std::uint64_t key) {
    insert_sorted(pool, capacity, key);
  }

  static ELANUS_INLINE std::size_t first_open(const std::uint64_t* pool, std::size_t capacity) {
    std::size_t at = 0;
    while (at < capacity && (pool[at] & 1U) != 0) ++at;
    return at;
  }

  static std::uint32_t below(const std::uint32_t* scores, std::uint32_t bound) {
    std::uint32_t mask = 0;
    for (std::uint32_t i = 0; i < 16; ++i) mask |= (scores[i] <= bound ? 1U : 0U) << i;
    return mask;
  }

  static ELANUS_INLINE std::size_t copy_unseen(const RowId* links, std::size_t degree,
                                               std::size_t num_rows, std::uint64_t* visited,
                                               RowId* out) {
    return copy_unseen_rows(links, degree, num_rows, visited, out);
  }
};

}  // namespace

#include "graph/kernels.inl"

}  // namespace elanus::generic
