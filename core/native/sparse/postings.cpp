#include "sparse/postings.h"

#include <algorithm>
#include <limits>
#include <string>

#include "support/error.h"

namespace elanus {

std::int64_t document_frequency(const PostingsView& postings,
                                const std::optional<BitsetView>& alive) noexcept {
  if (!alive.has_value()) return static_cast<std::int64_t>(postings.rows.size());
  return std::count_if(postings.rows.begin(), postings.rows.end(),
                       [&](RowId row) { return alive->test(row); });
}

void check_query(const SparseQuery& query) {
  if (query.terms.size() != query.weights.size()) {
    throw_invalid_argument("weights: expected one for each of " +
                           std::to_string(query.terms.size()) + " query terms, got " +
                           std::to_string(query.weights.size()));
  }
}

SealedPostings::SealedPostings(const Arrays& arrays, std::size_t num_rows)
    : arrays_(arrays), num_rows_(num_rows) {
  if (arrays.offsets.empty()) {
    throw_invalid_argument("offsets: expected at least 1 value, one more than terms; got none");
  }
  if (arrays.rows.size() != arrays.weights.size()) {
    throw_invalid_argument("weights: expected one for each of " +
                           std::to_string(arrays.rows.size()) + " postings, got " +
                           std::to_string(arrays.weights.size()));
  }
  if (num_rows > std::numeric_limits<RowId>::max()) {
    throw_invalid_argument("num_rows: expected fewer than 2**32, got " + std::to_string(num_rows));
  }
}

PostingsView SealedPostings::postings(TermId term) const {
  if (term >= num_terms()) {
    throw_invalid_argument("terms: expected values in [0, " + std::to_string(num_terms()) +
                           "), got " + std::to_string(term));
  }
  const std::int64_t begin = arrays_.offsets[term];
  const std::int64_t end = arrays_.offsets[term + std::size_t{1}];
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > arrays_.rows.size()) {
    throw_corruption("postings of term " + std::to_string(term) + ": offsets " +
                     std::to_string(begin) + " and " + std::to_string(end) +
                     " do not lie in order within " + std::to_string(arrays_.rows.size()) +
                     " postings");
  }
  const auto first = static_cast<std::size_t>(begin);
  const auto count = static_cast<std::size_t>(end - begin);
  return {arrays_.rows.subspan(first, count), arrays_.weights.subspan(first, count)};
}

std::vector<WeightedPostings> SealedPostings::resolve(const SparseQuery& query) const {
  check_query(query);
  std::vector<WeightedPostings> resolved;
  resolved.reserve(query.terms.size());
  for (std::size_t i = 0; i < query.terms.size(); ++i) {
    resolved.push_back({postings(query.terms[i]), query.weights[i]});
  }
  return resolved;
}

void document_frequencies(const SealedPostings& postings, std::span<const TermId> terms,
                          const std::optional<BitsetView>& alive, std::span<std::int64_t> out) {
  for (std::size_t i = 0; i < terms.size(); ++i) {
    out[i] = document_frequency(postings.postings(terms[i]), alive);
  }
}

}  // namespace elanus
