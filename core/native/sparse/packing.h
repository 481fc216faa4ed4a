// Writes postings in the packed layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sparse/packed_format.h"
#include "support/types.h"

namespace elanus {

// How term frequencies become codes.
struct SealedCoding {
  packed::FrequencyCoding coding;
  std::span<const std::uint32_t> lengths;  // tokens of each row
};

struct PostingLists {
  std::span<const std::int64_t> offsets;  // term t owns [offsets[t], offsets[t + 1])
  std::span<const RowId> rows;            // ascending within a term
  std::span<const float> weights;
};

struct PackedTerms {
  std::vector<std::uint32_t> entries;  // document frequency and flags of each term
  std::vector<std::uint32_t> sizes;    // of each term, in units of `packed::kUnitBytes`
  std::vector<std::uint8_t> bytes;     // the terms end to end, without padding
};

// Packs term frequencies, or exact weights when there is no coding.
// Throws Error when arrays do not fit together, rows do not ascend below num_rows, or a term
// frequency is not a whole number of at least 1.
[[nodiscard]] PackedTerms pack_terms(const PostingLists& lists, std::size_t num_rows,
                                     const std::optional<SealedCoding>& coding);

}  // namespace elanus
