// Which terms does a query name, and how often?
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings/query_pieces.h"
#include "support/error.h"
#include "support/types.h"

namespace elanus::bindings {

// Terms of one query as their source knows them, and the rows that their weights come from.
struct CountedTerms {
  std::vector<TermId> terms;
  std::vector<std::int64_t> counts;
  std::size_t num_docs = 0;

  explicit CountedTerms(std::size_t docs) : num_docs(docs) {}

  // Terms with a number below 0 are in no row.
  CountedTerms(const std::vector<std::int64_t>& numbers, const std::vector<std::int64_t>& times,
               std::size_t docs)
      : num_docs(docs) {
    if (numbers.size() != times.size()) {
      throw_invalid_argument("counts: expected one for each of " + std::to_string(numbers.size()) +
                             " terms, got " + std::to_string(times.size()));
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] < 0) continue;
      if (numbers[i] > std::numeric_limits<TermId>::max()) {
        throw_invalid_argument("terms: no term has the number " + std::to_string(numbers[i]));
      }
      terms.push_back(static_cast<TermId>(numbers[i]));
      counts.push_back(times[i]);
    }
  }
};

// The terms of a text that `numbers` knows, in order of first appearance.
inline CountedTerms count_terms(QueryNumbers& numbers, const nanobind::str& text,
                                std::size_t num_docs) {
  // Looking at so many terms one by one takes less than a table.
  constexpr std::size_t kFew = 32;
  std::vector<TermId> named;
  numbers.for_each(text, [&](const PieceNumbers& piece) {
    named.insert(named.end(), piece.numbers().begin(), piece.numbers().end());
  });
  CountedTerms query(num_docs);
  std::unordered_map<TermId, std::size_t> places;
  for (const TermId term : named) {
    std::vector<TermId>& terms = query.terms;
    const auto place =
        named.size() <= kFew
            ? static_cast<std::size_t>(std::find(terms.begin(), terms.end(), term) - terms.begin())
            : places.try_emplace(term, terms.size()).first->second;
    if (place == terms.size()) {
      terms.push_back(term);
      query.counts.push_back(0);
    }
    ++query.counts[place];
  }
  return query;
}

}  // namespace elanus::bindings
