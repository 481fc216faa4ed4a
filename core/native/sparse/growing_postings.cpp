#include "sparse/growing_postings.h"

#include <algorithm>
#include <limits>
#include <string>

#include "support/cancel.h"
#include "support/error.h"
#include "support/offsets.h"

namespace elanus {

// Readers that overlap all the time would keep a writer out for good: where glibc decides, those
// who read go first.
std::shared_lock<std::shared_mutex> GrowingPostings::lock_for_reading() const {
  {
    const std::lock_guard turn(turnstile_);
  }
  return std::shared_lock(mutex_);
}

std::unique_lock<std::shared_mutex> GrowingPostings::lock_for_writing() {
  const std::lock_guard turn(turnstile_);
  return std::unique_lock(mutex_);
}

RowId GrowingPostings::append(const SparseBatch& batch) {
  check_offsets(batch.offsets, batch.terms.size());
  if (batch.terms.size() != batch.weights.size()) {
    throw_invalid_argument("weights: expected one for each of " +
                           std::to_string(batch.terms.size()) + " term ids, got " +
                           std::to_string(batch.weights.size()));
  }
  const std::size_t count = batch.offsets.size() - 1;
  const std::size_t first = num_rows();  // only this thread changes it
  if (count > std::numeric_limits<RowId>::max() - first) {
    throw_invalid_argument("offsets: expected fewer than 2**32 rows in all, got " +
                           std::to_string(first) + " and " + std::to_string(count) + " more");
  }
  for (std::size_t i = 0; i < count; i += kRowsAtOnce) {
    const auto lock = lock_for_writing();
    try {
      append_rows(batch, i, std::min(kRowsAtOnce, count - i), static_cast<RowId>(first + i));
    } catch (...) {
      drop_unpublished();
      throw;
    }
  }
  const auto lock = lock_for_writing();
  num_rows_ += count;
  num_postings_ += static_cast<std::size_t>(batch.offsets.back() - batch.offsets.front());
  return static_cast<RowId>(first);
}

// What is written next is on its way to the cache meanwhile: first the list, then its end.
void GrowingPostings::append_rows(const SparseBatch& batch, std::size_t first_in_batch,
                                  std::size_t count, RowId row) {
  constexpr std::size_t kListAhead = 24;
  constexpr std::size_t kEndAhead = 12;
  const auto end = static_cast<std::size_t>(batch.offsets[first_in_batch + count]);
  for (std::size_t r = 0; r < count; ++r, ++row) {
    const auto row_end = static_cast<std::size_t>(batch.offsets[first_in_batch + r + 1]);
    for (auto i = static_cast<std::size_t>(batch.offsets[first_in_batch + r]); i < row_end; ++i) {
      if (i + kListAhead < end) by_term_.prefetch_list(batch.terms[i + kListAhead]);
      if (i + kEndAhead < end) by_term_.prefetch_end(batch.terms[i + kEndAhead]);
      arena_.push_back(by_term_.at(batch.terms[i]), row, batch.weights[i]);
    }
  }
}

// Takes back the postings of rows that an append did not finish, for want of memory.
void GrowingPostings::drop_unpublished() noexcept {
  by_term_.for_each_list([&](GrowingList& list) {
    while (list.size > 0 && list.rows[list.size - 1] >= num_rows_) --list.size;
  });
}

std::size_t GrowingPostings::num_rows() const {
  const auto lock = lock_for_reading();
  return num_rows_;
}

std::size_t GrowingPostings::num_postings() const {
  const auto lock = lock_for_reading();
  return num_postings_;
}

std::size_t GrowingPostings::size_bytes() const {
  const auto lock = lock_for_reading();
  return arena_.size_bytes() + by_term_.size_bytes();
}

void GrowingPostings::check_num_rows(std::size_t num_rows) const {
  if (num_rows > num_rows_) {
    throw_invalid_argument("num_rows: expected at most the " + std::to_string(num_rows_) +
                           " rows appended, got " + std::to_string(num_rows));
  }
}

PostingsView GrowingPostings::postings(TermId term, std::size_t num_rows) const {
  const GrowingList* const list = by_term_.find(term);
  if (list == nullptr) return {};
  const std::span<const RowId> rows(list->rows, list->size);
  const auto count =
      static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), num_rows) - rows.begin());
  return {rows.first(count), std::span<const float>(list->weights, count)};
}

std::vector<WeightedPostings> GrowingPostings::resolve(const GrowingSearch& search) const {
  check_num_rows(search.num_rows);
  check_query(search.query);
  std::vector<WeightedPostings> resolved;
  resolved.reserve(search.query.terms.size());
  for (std::size_t i = 0; i < search.query.terms.size(); ++i) {
    resolved.push_back({postings(search.query.terms[i], search.num_rows), search.query.weights[i]});
  }
  return resolved;
}

SparseHits GrowingPostings::search(const GrowingSearch& search,
                                   const std::optional<BitsetView>& allowed, std::size_t k) const {
  const auto lock = lock_for_reading();
  // A writer may wait for the lock and keep the interpreter's, which the check would wait for.
  const InterruptHold hold;
  const std::vector<WeightedPostings> terms = resolve(search);
  return search_exhaustive({terms, search.bm25, search.num_rows}, allowed, k);
}

void GrowingPostings::distances_to_rows(const GrowingSearch& search,
                                        std::span<const std::int64_t> row_ids,
                                        std::span<Distance> out) const {
  const auto lock = lock_for_reading();
  // A writer may wait for the lock and keep the interpreter's, which the check would wait for.
  const InterruptHold hold;
  const std::vector<WeightedPostings> terms = resolve(search);
  elanus::distances_to_rows({terms, search.bm25, search.num_rows}, row_ids, out);
}

void GrowingPostings::document_frequencies(std::span<const TermId> terms, std::size_t num_rows,
                                           const std::optional<BitsetView>& alive,
                                           std::span<std::int64_t> out) const {
  const auto lock = lock_for_reading();
  check_num_rows(num_rows);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    out[i] = document_frequency(postings(terms[i], num_rows), alive);
  }
}

std::vector<TermId> GrowingPostings::terms(std::size_t num_rows) const {
  const auto lock = lock_for_reading();
  check_num_rows(num_rows);
  std::vector<TermId> found;
  by_term_.for_each([&](TermId term, const GrowingList& list) {
    if (list.size > 0 && list.rows[0] < num_rows) found.push_back(term);
  });
  std::sort(found.begin(), found.end());
  return found;
}

ExportedPostings GrowingPostings::export_postings(std::span<const TermId> terms,
                                                  std::size_t num_rows) const {
  const auto lock = lock_for_reading();
  check_num_rows(num_rows);
  ExportedPostings exported;
  exported.offsets.reserve(terms.size() + 1);
  std::size_t total = 0;
  for (const TermId term : terms) {
    total += postings(term, num_rows).rows.size();
    exported.offsets.push_back(static_cast<std::int64_t>(total));
  }
  exported.rows.reserve(total);
  exported.weights.reserve(total);
  for (const TermId term : terms) {
    const PostingsView view = postings(term, num_rows);
    exported.rows.insert(exported.rows.end(), view.rows.begin(), view.rows.end());
    exported.weights.insert(exported.weights.end(), view.weights.begin(), view.weights.end());
  }
  return exported;
}

}  // namespace elanus
