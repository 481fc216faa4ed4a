#include "sparse/batch_search.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/error.h"
#include "support/offsets.h"
#include "support/parallel_queries.h"

namespace elanus {
namespace {

// Rows scored by the whole query for each wanted one, when some of its entries choose none.
constexpr std::size_t kRescoredPerHit = 2;

void check_length(const char* name, std::size_t expected, std::size_t got) {
  if (expected == got) return;
  throw_invalid_argument(std::string(name) + ": expected one for each of " +
                         std::to_string(expected) + " terms, got " + std::to_string(got));
}

void check(const QueryBatch& batch) {
  check_offsets(batch.offsets, batch.terms.size());
  check_length("weights", batch.terms.size(), batch.weights.size());
  if (!batch.chooses.empty()) check_length("chooses", batch.terms.size(), batch.chooses.size());
}

SparseHits search_choosing(const SparseSource& source, const SparseQuery& query,
                           std::span<const std::uint8_t> chooses, std::size_t k) {
  std::vector<TermId> terms;
  std::vector<float> weights;
  for (std::size_t i = 0; i < query.terms.size(); ++i) {
    if (chooses[i] == 0) continue;
    terms.push_back(query.terms[i]);
    weights.push_back(query.weights[i]);
  }
  if (terms.empty()) return {};
  if (terms.size() == query.terms.size()) return source.search(query, k);
  SparseHits hits = source.search({terms, weights}, kRescoredPerHit * k);
  source.distances(query, hits.row_ids, hits.distances);
  std::vector<std::pair<Distance, std::int64_t>> order;
  for (std::size_t i = 0; i < hits.row_ids.size(); ++i) {
    order.emplace_back(hits.distances[i], hits.row_ids[i]);
  }
  const std::size_t found = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(found), order.end());
  for (std::size_t i = 0; i < found; ++i) std::tie(hits.distances[i], hits.row_ids[i]) = order[i];
  hits.row_ids.resize(found);
  hits.distances.resize(found);
  return hits;
}

}  // namespace

void search_batch(const SparseSource& source, const QueryBatch& batch, std::size_t k,
                  std::size_t threads, ScanResult out) {
  check(batch);
  std::fill(out.row_ids.begin(), out.row_ids.end(), std::int64_t{-1});
  std::fill(out.distances.begin(), out.distances.end(), std::numeric_limits<Distance>::infinity());
  for_each_query(batch.num_queries(), threads, [&](std::size_t i) {
    const auto first = static_cast<std::size_t>(batch.offsets[i]);
    const std::size_t count = static_cast<std::size_t>(batch.offsets[i + 1]) - first;
    if (count == 0) return;
    const SparseQuery query{batch.terms.subspan(first, count), batch.weights.subspan(first, count)};
    const SparseHits hits =
        batch.chooses.empty()
            ? source.search(query, k)
            : search_choosing(source, query, batch.chooses.subspan(first, count), k);
    const auto start = static_cast<std::ptrdiff_t>(i * k);
    std::copy(hits.row_ids.begin(), hits.row_ids.end(), out.row_ids.begin() + start);
    std::copy(hits.distances.begin(), hits.distances.end(), out.distances.begin() + start);
  });
}

}  // namespace elanus
