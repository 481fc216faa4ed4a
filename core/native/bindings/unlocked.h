// When is the GIL worth giving up?
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <optional>

namespace elanus::bindings {

// Releases the GIL for work that takes longer than getting it back may: another thread keeps it for
// up to 5 ms, so a write that gave it up for each of its small steps would wait at every one.
class Unlocked {
 public:
  // About 20 us of work in a scan.
  static constexpr std::size_t kLeastOperations = 64 * 1024;

  // `operations`: floats that are read, or bytes; roughly.
  explicit Unlocked(std::size_t operations) {
    if (operations >= kLeastOperations) released_.emplace();
  }

 private:
  std::optional<nanobind::gil_scoped_release> released_;
};

// What a posting costs in a hash table or an accumulator, in the operations of `Unlocked`.
inline constexpr std::size_t kOperationsPerPosting = 32;
inline constexpr std::size_t kOperationsPerRow = 8;

}  // namespace elanus::bindings
