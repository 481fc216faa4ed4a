// Postings: for each term the rows that contain it, ascending, with a weight each.
//
// The weight is the value of a sparse vector's entry, or for BM25 the term frequency.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

struct PostingsView {
  std::span<const RowId> rows;
  std::span<const float> weights;  // as many as rows
};

// Postings of one query term and the term's weight in the query.
struct WeightedPostings {
  PostingsView postings;
  float query_weight = 0;
};

// Terms may repeat; each occurrence counts. Scores add up in this order, in float32.
struct SparseQuery {
  std::span<const TermId> terms;
  std::span<const float> weights;
};

// Number of postings, or of those whose row is alive.
[[nodiscard]] std::int64_t document_frequency(const PostingsView& postings,
                                              const std::optional<BitsetView>& alive) noexcept;

// Throws Error unless there is one weight for each term.
void check_query(const SparseQuery& query);

// The postings of a sealed segment: arrays as they lie on disk, checked where they are read.
class SealedPostings {
 public:
  struct Arrays {
    std::span<const std::int64_t> offsets;  // term t owns [offsets[t], offsets[t + 1])
    std::span<const RowId> rows;
    std::span<const float> weights;
  };

  // Throws Error when the arrays' lengths do not fit together.
  SealedPostings(const Arrays& arrays, std::size_t num_rows);

  [[nodiscard]] std::size_t num_terms() const noexcept { return arrays_.offsets.size() - 1; }
  [[nodiscard]] std::size_t num_rows() const noexcept { return num_rows_; }
  [[nodiscard]] std::size_t num_postings() const noexcept { return arrays_.rows.size(); }

  // Throws Error when the term does not exist or its offsets are damaged.
  [[nodiscard]] PostingsView postings(TermId term) const;

  // Throws Error as `postings` does, or when terms and weights differ in number.
  [[nodiscard]] std::vector<WeightedPostings> resolve(const SparseQuery& query) const;

 private:
  Arrays arrays_;
  std::size_t num_rows_;
};

// Writes the document frequency of each term. Throws Error as `SealedPostings::postings` does.
void document_frequencies(const SealedPostings& postings, std::span<const TermId> terms,
                          const std::optional<BitsetView>& alive, std::span<std::int64_t> out);

}  // namespace elanus
