// Posting lists that grow, and where the list of a term is.
//
// Lists lie in large chunks and move to a run of twice the size when they are full; runs that are
// left go to the next list of that size. So a new term costs no allocation of its own.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "support/types.h"

namespace elanus {

// Rows and weights of one term, in order of arrival.
struct GrowingList {
  RowId* rows = nullptr;
  float* weights = nullptr;
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;  // a power of two, or 0
};

// The memory of all lists.
class PostingArena {
 public:
  void push_back(GrowingList& list, RowId row, float weight) {
    if (list.size == list.capacity) grow(list);
    list.rows[list.size] = row;
    list.weights[list.size] = weight;
    ++list.size;
  }

  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_bytes_; }

 private:
  static constexpr std::uint32_t kFirstCapacity = 2;
  static constexpr std::size_t kFirstChunk = 1024;
  static constexpr std::size_t kChunk = std::size_t{1} << 16;

  struct Run {
    RowId* rows;
    float* weights;
  };

  void grow(GrowingList& list);
  [[nodiscard]] Run take(std::uint32_t capacity);

  std::vector<std::unique_ptr<RowId[]>> row_chunks_;
  std::vector<std::unique_ptr<float[]>> weight_chunks_;
  std::size_t chunk_ = 0;                       // postings that the last chunk has room for
  std::size_t used_ = 0;                        // how many of these are given out
  std::array<std::vector<Run>, 33> free_runs_;  // by the logarithm of their capacity
  std::size_t size_bytes_ = 0;
};

// The list of each term. Numbers of terms may be any, but those without large gaps, as a vocabulary
// gives them, are places in an array.
class TermTable {
 public:
  // The list of a term; a new one is empty.
  [[nodiscard]] GrowingList& at(TermId term) {
    if (term < dense_.size() && (dense_[term].size > 0 || sparse_.empty())) return dense_[term];
    return place(term);
  }

  // The list of a term, or null.
  [[nodiscard]] const GrowingList* find(TermId term) const {
    if (term < dense_.size() && dense_[term].size > 0) return &dense_[term];
    if (sparse_.empty()) return nullptr;
    const auto found = sparse_.find(term);
    return found == sparse_.end() ? nullptr : &found->second;
  }

  // Hints that the list of a term is about to grow.
  void prefetch_list(TermId term) const noexcept {
    if (term < dense_.size()) __builtin_prefetch(&dense_[term], 1);
  }
  void prefetch_end(TermId term) const noexcept {
    if (term >= dense_.size() || dense_[term].size == 0) return;
    __builtin_prefetch(dense_[term].rows + dense_[term].size, 1);
    __builtin_prefetch(dense_[term].weights + dense_[term].size, 1);
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t term = 0; term < dense_.size(); ++term) {
      if (dense_[term].size > 0) visit(static_cast<TermId>(term), dense_[term]);
    }
    for (const auto& [term, list] : sparse_) visit(term, list);
  }
  template <typename Visit>
  void for_each_list(Visit visit) noexcept {
    for (GrowingList& list : dense_) visit(list);
    for (auto& [term, list] : sparse_) visit(list);
  }

  [[nodiscard]] std::size_t size_bytes() const noexcept {
    return dense_.capacity() * sizeof(GrowingList) + sparse_.size() * kSparseBytes;
  }

 private:
  static constexpr std::size_t kFirstDense = 1024;
  static constexpr std::size_t kSparseBytes = 64;  // a node of the map with its bucket

  [[nodiscard]] GrowingList& place(TermId term);

  std::vector<GrowingList> dense_;
  std::unordered_map<TermId, GrowingList> sparse_;
  std::size_t num_dense_ = 0;  // terms placed in dense_, about
};

}  // namespace elanus
