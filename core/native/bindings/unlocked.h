// When is the GIL worth giving up, and how is it got back?
#pragma once

#include <Python.h>

#include <cstddef>

namespace elanus::bindings {

// Releases the GIL for work that takes longer than getting it back may: another thread keeps it for
// up to 5 ms, so a write that gave it up for each of its small steps would wait at every one.
//
// Searching threads meet at the GIL some ten microseconds at a time, and to sleep until it is free
// and be woken takes as long again. A thread that finds it taken by another that came out of a
// kernel a moment ago therefore asks again and again for a while before it sleeps.
class Unlocked {
 public:
  // About 20 us of work in a scan.
  static constexpr std::size_t kLeastOperations = 64 * 1024;

  // `operations`: floats that are read, or bytes; roughly.
  explicit Unlocked(std::size_t operations = kLeastOperations);
  ~Unlocked();

  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  Unlocked(Unlocked&&) = delete;
  Unlocked& operator=(Unlocked&&) = delete;

 private:
  PyThreadState* released_ = nullptr;
};

// What a posting costs in a hash table or an accumulator, in the operations of `Unlocked`.
inline constexpr std::size_t kOperationsPerPosting = 32;
inline constexpr std::size_t kOperationsPerRow = 8;

// What a search of postings costs: all rows are passed, some more than wanted are scored.
inline std::size_t sparse_operations(std::size_t num_rows, std::size_t num_terms, std::size_t k) {
  return num_rows * kOperationsPerRow + 2 * k * num_terms * kOperationsPerPosting;
}

// Threads that pay off for work of so many operations: starting one takes some 20 us.
inline std::size_t threads_for(std::size_t operations, std::size_t threads) {
  constexpr std::size_t kThreadedOperations = 1024 * 1024;
  return operations < kThreadedOperations ? 1 : threads;
}

}  // namespace elanus::bindings
