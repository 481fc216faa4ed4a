// The table of graph functions that each CPU variant fills, and the plain structs they work on.
//
// Files with flags of their own must not emit shared inline functions, so nothing here has a
// constructor. Every variant computes the same integers and the same floats, so a walk visits the
// same rows on every CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/types.h"

// The compiler counts instructions; a call for each four rows costs more than they do.
#define ELANUS_INLINE inline __attribute__((always_inline))

namespace elanus {

// How a row is coded: 4 bits a dimension, two dimensions to a byte; 7 bits in a byte; or, of a
// binary vector, as it is.
enum class CodeKind : std::uint8_t { nibbles, bytes, bits };

inline constexpr std::size_t kLineBytes = 64;

// Codes of all rows, each of `lines` cache lines.
//
// Nibbles: byte j of line b holds dimension 128 b + j in its low half and 128 b + 64 + j in its
// high half. Bytes: byte j of line b holds dimension 64 b + j. Bits: the row, filled up with zeros.
struct CodedRows {
  const std::uint8_t* codes;
  std::size_t lines;
  const float* terms;  // scale and added term of each row; null when all rows have one length.
                       // Of bits, for the Jaccard distance, how many are set, and 0
};

// What a row is compared with. Without terms a key is the negated product of code and values;
// with them it is factor * scale * (product - offset) + term_factor * term. Of bits a key is the
// number of them that differ or, with terms, that number divided by the bits set in either.
struct CodedQuery {
  const std::int8_t* values;  // one for each place of a code; bits as those of a row
  float factor;
  float offset;  // of bits, how many are set
  float term_factor;
};

inline constexpr RowId kNoRow = 0xffffffffU;

struct GraphArrays {
  CodedRows rows;
  const RowId* links;  // `degree` a row, nearest first, filled up with kNoRow
  std::size_t degree;  // a multiple of 16
  std::size_t num_rows;
};

// A key: distance in the high half in an order-preserving form, 2 * row + expanded in the low half.
inline constexpr std::uint64_t kNoKey = 0xffffffffffffffffULL;

// Keys that still fit when the pool is full go to `items`; null drops them.
struct KeyLog {
  std::uint64_t* items;
  std::size_t size;
};

// One walk. All arrays outlive it.
struct WalkState {
  std::uint64_t* pool;     // `capacity` keys, ascending, filled up with kNoKey
  std::size_t capacity;    // a multiple of 8
  std::uint64_t* visited;  // a bit a row, and one more that is always set
  RowId* log;              // room for num_rows + kMaxBatch + 4 * degree + kBatchPadding
                           // rows; without a filter every visited row
  std::size_t log_size;
  std::uint32_t* scores;         // room for kMaxBatch
  const std::uint64_t* allowed;  // a bit a row that may enter the pool; null allows every row
  std::size_t watched;           // the walk ends when this many first keys have stood still ...
  std::size_t patience;          // ... for so many steps
  KeyLog overflow;
  std::size_t num_scored;
  std::size_t
      steps_left;     // a walk that has taken so many ends early, and goes on when called again
  std::size_t still;  // steps without a change among the watched keys so far
};

inline constexpr std::size_t kMaxBatch = 512;
// Row ids that kernels write behind a batch.
inline constexpr std::size_t kBatchPadding = 20;

struct GraphKernels {
  // Writes the high half of the key of each named row.
  void (*score_rows)(const CodedRows& rows, const CodedQuery& query, const RowId* row_ids,
                     std::size_t count, std::uint32_t* out);
  // Walks from the keys in the pool until none is left to expand, or no steps are left.
  void (*walk)(const GraphArrays& graph, const CodedQuery& query, WalkState& state);
  // Puts a key into a sorted pool; the largest falls off.
  void (*insert)(std::uint64_t* pool, std::size_t capacity, std::uint64_t key);
  // Products of 7-bit codes (0..127) of named rows with signed values (-64..63); of bits, how many
  // differ.
  void (*products)(const std::uint8_t* codes, std::size_t lines, const std::int8_t* values,
                   const RowId* row_ids, std::size_t count, std::int32_t* out);
};

namespace generic {
extern const GraphKernels kNibbleGraph;
extern const GraphKernels kByteGraph;
extern const GraphKernels kBitGraph;
}  // namespace generic
namespace avx2 {
extern const GraphKernels kNibbleGraph;
extern const GraphKernels kByteGraph;
extern const GraphKernels kBitGraph;
}  // namespace avx2
namespace avx512 {
extern const GraphKernels kNibbleGraph;
extern const GraphKernels kByteGraph;
extern const GraphKernels kBitGraph;
}  // namespace avx512
namespace avx512vnni {
extern const GraphKernels kNibbleGraph;
extern const GraphKernels kByteGraph;
extern const GraphKernels kBitGraph;
}  // namespace avx512vnni

// The kernels of the active CPU variant.
[[nodiscard]] const GraphKernels& graph_kernels(CodeKind kind);

}  // namespace elanus
