// Checks of the offsets arrays that say where each list of a column begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/error.h"

namespace elanus {

// Throws Error unless there is at least one offset and they ascend within [0, num_items].
inline void check_offsets(std::span<const std::int64_t> offsets, std::size_t num_items) {
  if (offsets.empty()) {
    throw_invalid_argument("offsets: expected at least 1 value, one more than lists; got none");
  }
  std::int64_t previous = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] < previous || static_cast<std::uint64_t>(offsets[i]) > num_items) {
      throw_invalid_argument("offsets: expected values that ascend from 0 to at most " +
                             std::to_string(num_items) + ", got " + std::to_string(offsets[i]) +
                             " after " + std::to_string(previous) + " at position " +
                             std::to_string(i));
    }
    previous = offsets[i];
  }
}

}  // namespace elanus
