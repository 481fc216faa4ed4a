// Postings of rows that still arrive: appended by one writer, searched by many readers.
//
// Rows are numbered in order of arrival. A reader says how many rows its snapshot has and sees no
// later posting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "sparse/exhaustive.h"
#include "sparse/growing_lists.h"
#include "sparse/postings.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

// Sparse vectors of consecutive rows: row i owns [offsets[i], offsets[i + 1]) of the other arrays.
struct SparseBatch {
  std::span<const std::int64_t> offsets;
  std::span<const TermId> terms;
  std::span<const float> weights;
};

// Postings of some terms: the i-th owns [offsets[i], offsets[i + 1]).
struct ExportedPostings {
  std::vector<std::int64_t> offsets = {0};
  std::vector<RowId> rows;
  std::vector<float> weights;
};

struct GrowingSearch {
  SparseQuery query;
  std::optional<Bm25Parameters> bm25;
  std::size_t num_rows = 0;  // rows of the reader's snapshot
};

// Terms without postings are no error: they match nothing.
// Every member throws Error when shapes or numbers are out of range.
class GrowingPostings {
 public:
  // Adds rows and returns the row id of the first. A failed call changes nothing.
  RowId append(const SparseBatch& batch);

  [[nodiscard]] std::size_t num_rows() const;
  [[nodiscard]] std::size_t num_postings() const;
  [[nodiscard]] std::size_t size_bytes() const;

  [[nodiscard]] SparseHits search(const GrowingSearch& search,
                                  const std::optional<BitsetView>& allowed, std::size_t k) const;
  void distances_to_rows(const GrowingSearch& search, std::span<const std::int64_t> row_ids,
                         std::span<Distance> out) const;
  void document_frequencies(std::span<const TermId> terms, std::size_t num_rows,
                            const std::optional<BitsetView>& alive,
                            std::span<std::int64_t> out) const;
  // The terms that occur in the first `num_rows` rows, ascending.
  [[nodiscard]] std::vector<TermId> terms(std::size_t num_rows) const;
  // The postings of these terms in the first `num_rows` rows.
  [[nodiscard]] ExportedPostings export_postings(std::span<const TermId> terms,
                                                 std::size_t num_rows) const;

 private:
  // Rows that are added under one lock: readers wait for no more, about a millisecond.
  static constexpr std::size_t kRowsAtOnce = 128;

  void append_rows(const SparseBatch& batch, std::size_t first_in_batch, std::size_t count,
                   RowId row);
  void drop_unpublished() noexcept;
  void check_num_rows(std::size_t num_rows) const;
  [[nodiscard]] PostingsView postings(TermId term, std::size_t num_rows) const;
  [[nodiscard]] std::vector<WeightedPostings> resolve(const GrowingSearch& search) const;

  [[nodiscard]] std::shared_lock<std::shared_mutex> lock_for_reading() const;
  [[nodiscard]] std::unique_lock<std::shared_mutex> lock_for_writing();

  mutable std::mutex turnstile_;     // a writer that waits keeps new readers out
  mutable std::shared_mutex mutex_;  // guards all below
  TermTable by_term_;
  PostingArena arena_;
  std::size_t num_rows_ = 0;
  std::size_t num_postings_ = 0;
};

}  // namespace elanus
