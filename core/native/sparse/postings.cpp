#include "sparse/postings.h"

#include <algorithm>
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

}  // namespace elanus
