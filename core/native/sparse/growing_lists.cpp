#include "sparse/growing_lists.h"

#include <algorithm>

namespace elanus {

void PostingArena::grow(GrowingList& list) {
  const std::uint32_t capacity = list.capacity == 0 ? kFirstCapacity : 2 * list.capacity;
  const Run run = take(capacity);
  std::copy_n(list.rows, list.size, run.rows);
  std::copy_n(list.weights, list.size, run.weights);
  if (list.capacity > 0) {
    free_runs_[static_cast<std::size_t>(std::countr_zero(list.capacity))].push_back(
        {list.rows, list.weights});
  }
  list = {run.rows, run.weights, list.size, capacity};
}

PostingArena::Run PostingArena::take(std::uint32_t capacity) {
  std::vector<Run>& free = free_runs_[static_cast<std::size_t>(std::countr_zero(capacity))];
  if (!free.empty()) {
    const Run run = free.back();
    free.pop_back();
    return run;
  }
  if (used_ + capacity > chunk_) {
    // The first chunks are small: a memtable may hold a few rows only.
    chunk_ =
        std::max<std::size_t>(std::min(2 * std::max(chunk_, kFirstChunk / 2), kChunk), capacity);
    row_chunks_.push_back(std::make_unique_for_overwrite<RowId[]>(chunk_));
    weight_chunks_.push_back(std::make_unique_for_overwrite<float[]>(chunk_));
    size_bytes_ += chunk_ * (sizeof(RowId) + sizeof(float));
    used_ = 0;
  }
  const Run run{row_chunks_.back().get() + used_, weight_chunks_.back().get() + used_};
  used_ += capacity;
  return run;
}

GrowingList& TermTable::place(TermId term) {
  if (!sparse_.empty()) {
    const auto found = sparse_.find(term);
    if (found != sparse_.end()) return found->second;
  }
  if (term >= dense_.size() && term < kFirstDense + 4 * num_dense_) {
    dense_.resize(std::max<std::size_t>({term + std::size_t{1}, 2 * dense_.size(), kFirstDense}));
  }
  if (term >= dense_.size()) return sparse_[term];
  ++num_dense_;
  return dense_[term];
}

}  // namespace elanus
