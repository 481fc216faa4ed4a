#include "sparse/growing_postings.h"

#include <algorithm>
#include <limits>
#include <string>

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
  const auto lock = lock_for_writing();
  const std::size_t first = num_rows_;
  if (count > std::numeric_limits<RowId>::max() - first) {
    throw_invalid_argument("offsets: expected fewer than 2**32 rows in all, got " +
                           std::to_string(first) + " and " + std::to_string(count) + " more");
  }
  try {
    for (std::size_t i = 0; i < count; ++i) append_row(batch, i, static_cast<RowId>(first + i));
  } catch (...) {
    drop_unpublished();
    throw;
  }
  num_rows_ += count;
  num_postings_ += static_cast<std::size_t>(batch.offsets.back() - batch.offsets.front());
  return static_cast<RowId>(first);
}

void GrowingPostings::append_row(const SparseBatch& batch, std::size_t row_in_batch, RowId row) {
  const auto begin = static_cast<std::size_t>(batch.offsets[row_in_batch]);
  const auto end = static_cast<std::size_t>(batch.offsets[row_in_batch + 1]);
  for (std::size_t i = begin; i < end; ++i) {
    TermPostings& postings = by_term_[batch.terms[i]];
    postings.rows.push_back(row);
    postings.weights.push_back(batch.weights[i]);
  }
}

// Takes back the postings of rows that an append did not finish, for want of memory.
void GrowingPostings::drop_unpublished() noexcept {
  for (auto& [term, postings] : by_term_) {
    while (!postings.rows.empty() && postings.rows.back() >= num_rows_) postings.rows.pop_back();
    while (postings.weights.size() > postings.rows.size()) postings.weights.pop_back();
  }
}

std::size_t GrowingPostings::num_rows() const {
  const auto lock = lock_for_reading();
  return num_rows_;
}

std::size_t GrowingPostings::num_postings() const {
  const auto lock = lock_for_reading();
  return num_postings_;
}

void GrowingPostings::check_num_rows(std::size_t num_rows) const {
  if (num_rows > num_rows_) {
    throw_invalid_argument("num_rows: expected at most the " + std::to_string(num_rows_) +
                           " rows appended, got " + std::to_string(num_rows));
  }
}

PostingsView GrowingPostings::below(const TermPostings& postings, std::size_t num_rows) {
  const auto end = std::lower_bound(postings.rows.begin(), postings.rows.end(), num_rows);
  const auto count = static_cast<std::size_t>(end - postings.rows.begin());
  return {std::span(postings.rows).first(count), std::span(postings.weights).first(count)};
}

PostingsView GrowingPostings::postings(TermId term, std::size_t num_rows) const {
  const auto found = by_term_.find(term);
  return found == by_term_.end() ? PostingsView{} : below(found->second, num_rows);
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
  const std::vector<WeightedPostings> terms = resolve(search);
  return search_exhaustive({terms, search.bm25, search.num_rows}, allowed, k);
}

void GrowingPostings::distances_to_rows(const GrowingSearch& search,
                                        std::span<const std::int64_t> row_ids,
                                        std::span<Distance> out) const {
  const auto lock = lock_for_reading();
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

ExportedPostings GrowingPostings::export_postings(std::size_t num_rows) const {
  const auto lock = lock_for_reading();
  check_num_rows(num_rows);
  ExportedPostings exported;
  exported.offsets.push_back(0);
  for (const auto& [term, postings] : by_term_) {
    if (!postings.rows.empty() && postings.rows.front() < num_rows) exported.terms.push_back(term);
  }
  std::sort(exported.terms.begin(), exported.terms.end());
  for (const TermId term : exported.terms) {
    const PostingsView view = postings(term, num_rows);
    exported.rows.insert(exported.rows.end(), view.rows.begin(), view.rows.end());
    exported.weights.insert(exported.weights.end(), view.weights.begin(), view.weights.end());
    exported.offsets.push_back(static_cast<std::int64_t>(exported.rows.size()));
  }
  return exported;
}

}  // namespace elanus
