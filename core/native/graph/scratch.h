// Memory of a walk, kept by each thread for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "graph/graph_kernels.h"
#include "graph/quantizer.h"
#include "support/aligned_buffer.h"
#include "support/bitset.h"

namespace elanus {

// Where a walk begins: some rows, and their codes again, one after the other.
struct EntryRows {
  std::span<const RowId> rows;
  std::span<const std::uint8_t> codes;
  std::span<const float> terms;
};

class WalkScratch {
 public:
  // Begins a walk with an empty pool of `ef` keys, rounded up.
  void begin(const GraphArrays& graph, std::size_t ef, const std::uint64_t* allowed);
  // Forgets which rows were visited; `begin` expects that.
  void end(const GraphArrays& graph);

  // Scores rows and puts them into the pool, each as visited.
  void seed(const GraphArrays& graph, const GraphKernels& kernels, const CodedQuery& coded,
            std::span<const RowId> seeds);
  void seed_entries(const GraphKernels& kernels, const CodedQuery& coded, std::size_t lines,
                    const EntryRows& entries);

  // Makes the pool larger and takes back what fell off it.
  void widen(std::size_t ef);
  // Keeps what falls off the pool from now on.
  void keep_overflow(std::size_t num_rows);

  [[nodiscard]] WalkState& state() noexcept { return state_; }
  [[nodiscard]] std::span<const std::uint64_t> pool() noexcept {
    return {state_.pool, state_.capacity};
  }
  [[nodiscard]] bool is_visited(RowId row) const noexcept {
    return ((state_.visited[row / kBitsPerWord] >> (row % kBitsPerWord)) & 1U) != 0;
  }

  PreparedQuery query;
  std::vector<std::int64_t> row_ids;
  std::vector<float> distances;
  std::vector<std::uint64_t> keys;
  std::vector<RowId> rows;
  std::vector<std::pair<float, std::int64_t>> order;

 private:
  void insert_scored(const GraphKernels& kernels, std::span<const RowId> scored);

  WalkState state_{};
  AlignedBuffer<std::uint64_t> pool_;
  AlignedBuffer<std::uint64_t> visited_;
  AlignedBuffer<RowId> log_;
  AlignedBuffer<std::uint32_t> scores_;
  std::vector<std::uint64_t> overflow_;
};

[[nodiscard]] inline RowId row_of(std::uint64_t key) noexcept {
  return static_cast<RowId>((key & 0xffffffffU) >> 1U);
}

}  // namespace elanus
