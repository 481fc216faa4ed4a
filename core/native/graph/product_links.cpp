#include "graph/product_links.h"

#include <algorithm>
#include <string>
#include <utility>

#include "support/error.h"
#include "support/parallel_queries.h"

namespace elanus {
namespace {

// Writes the distances of rows to one of them, by product.
void measure(const AnyRows& rows, RowId from, std::span<const std::int64_t> to,
             std::span<Distance> out) {
  thread_local std::vector<float> values;
  rows.distances(Metric::ip, rows.query_of(from, values), to, out);
}

}  // namespace

ProductLinks::ProductLinks(const AnyRows& rows, std::span<RowId> links, std::size_t most,
                           std::size_t threads)
    : rows_(rows),
      links_(links),
      degree_(rows.num_rows() == 0 ? 0 : links.size() / rows.num_rows()),
      most_(most),
      threads_(threads),
      base_(links.begin(), links.end()),
      by_product_(rows.num_rows()) {
  if (links.size() != degree_ * rows.num_rows() || most == 0 || most > degree_) {
    throw_invalid_argument("links: expected some of each of " + std::to_string(rows.num_rows()) +
                           " rows and at most all of them by product, got " +
                           std::to_string(links.size()) + " and " + std::to_string(most));
  }
}

void ProductLinks::add(const ProductCandidates& candidates) {
  const std::size_t num_rows = candidates.rows.size();
  const std::size_t count = num_rows == 0 ? 0 : candidates.row_ids.size() / num_rows;
  if (candidates.row_ids.size() != count * num_rows ||
      candidates.distances.size() != candidates.row_ids.size()) {
    throw_invalid_argument("candidates: expected as many of each of " + std::to_string(num_rows) +
                           " rows");
  }
  const auto num_rows_here = static_cast<std::int64_t>(rows_.num_rows());
  const auto check = [&](const char* name, std::int64_t row) {
    if (row < num_rows_here) return;
    throw_invalid_argument(std::string(name) + ": expected values below " +
                           std::to_string(num_rows_here) + ", got " + std::to_string(row));
  };
  for (const RowId row : candidates.rows) check("rows", row);
  for (const std::int64_t row : candidates.row_ids) check("candidates", row);
  for_each_query(num_rows, threads_, [&](std::size_t i) {
    link_row(candidates.rows[i], candidates.row_ids.subspan(i * count, count),
             candidates.distances.subspan(i * count, count));
  });
  std::vector<std::pair<RowId, RowId>> back;
  for (const RowId row : candidates.rows) {
    for (const Neighbor& linked : by_product_[row]) back.emplace_back(linked.row, row);
  }
  std::sort(back.begin(), back.end());
  std::vector<RowId> sources;
  std::vector<std::pair<RowId, std::size_t>> targets;
  for (const auto& [target, source] : back) {
    if (targets.empty() || targets.back().first != target) {
      targets.emplace_back(target, sources.size());
    }
    sources.push_back(source);
  }
  for_each_query(targets.size(), threads_, [&](std::size_t i) {
    const std::size_t first = targets[i].second;
    const std::size_t last = i + 1 == targets.size() ? sources.size() : targets[i + 1].second;
    link_back(targets[i].first, std::span(sources).subspan(first, last - first));
  });
  for (const RowId row : candidates.rows) write(row);
  for (const auto& [target, first] : targets) write(target);
}

void ProductLinks::link_row(RowId row, std::span<const std::int64_t> ids,
                            std::span<const Distance> distances) {
  thread_local std::vector<Neighbor> candidates;
  candidates.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] == static_cast<std::int64_t>(row)) continue;
    candidates.push_back({distances[i], static_cast<RowId>(ids[i])});
  }
  // What rows before this one have linked back to it stays a candidate.
  candidates.insert(candidates.end(), by_product_[row].begin(), by_product_[row].end());
  prune(candidates, by_product_[row]);
}

void ProductLinks::link_back(RowId target, std::span<const RowId> sources) {
  thread_local std::vector<Neighbor> candidates;
  thread_local std::vector<std::int64_t> ids;
  thread_local std::vector<Distance> distances;
  ids.assign(sources.begin(), sources.end());
  distances.resize(ids.size());
  measure(rows_, target, ids, distances);
  candidates.assign(by_product_[target].begin(), by_product_[target].end());
  for (std::size_t i = 0; i < ids.size(); ++i) candidates.push_back({distances[i], sources[i]});
  prune(candidates, by_product_[target]);
}

// Keeps the candidates that have no larger product with one that is kept before them.
void ProductLinks::prune(std::vector<Neighbor>& candidates, std::vector<Neighbor>& kept) const {
  thread_local std::vector<std::int64_t> ids;
  thread_local std::vector<Distance> distances;
  std::sort(candidates.begin(), candidates.end());
  const auto is_same = [](const Neighbor& a, const Neighbor& b) { return a.row == b.row; };
  candidates.erase(std::unique(candidates.begin(), candidates.end(), is_same), candidates.end());
  kept.clear();
  while (!candidates.empty() && kept.size() < most_) {
    const Neighbor best = candidates.front();
    kept.push_back(best);
    ids.clear();
    for (const Neighbor& candidate : candidates) ids.push_back(candidate.row);
    distances.resize(ids.size());
    measure(rows_, best.row, ids, distances);
    std::size_t left = 0;
    for (std::size_t i = 1; i < candidates.size(); ++i) {
      if (!(distances[i] < candidates[i].distance)) candidates[left++] = candidates[i];
    }
    candidates.resize(left);
  }
}

void ProductLinks::write(RowId row) {
  const std::vector<Neighbor>& first = by_product_[row];
  const std::size_t at = static_cast<std::size_t>(row) * degree_;
  RowId* out = links_.data() + at;
  std::size_t count = 0;
  for (const Neighbor& linked : first) out[count++] = linked.row;
  for (std::size_t i = 0; i < degree_ && base_[at + i] != kNoRow && count < degree_; ++i) {
    const RowId linked = base_[at + i];
    const bool is_known = std::any_of(first.begin(), first.end(),
                                      [&](const Neighbor& known) { return known.row == linked; });
    if (!is_known) out[count++] = linked;
  }
  std::fill(out + count, out + degree_, kNoRow);
}

}  // namespace elanus
