#include "ranking/merge.h"

#include <algorithm>
#include <limits>
#include <string>

#include "support/cancel.h"
#include "support/error.h"

namespace elanus {
namespace {

struct Candidate {
  Distance distance;
  std::int64_t source;
  std::int64_t row_id;
};

// What sorting a candidate in costs, in the operations of CancelPoint.
constexpr std::size_t kOperationsPerCandidate = 64;

void check(std::span<const SourceCandidates> sources, std::size_t num_queries, std::size_t limit) {
  if (limit == 0) throw_invalid_argument("limit: expected at least 1, got 0");
  for (const SourceCandidates& source : sources) {
    if (source.row_ids.size() != num_queries * source.width ||
        source.distances.size() != source.row_ids.size()) {
      throw_invalid_argument("candidates: expected row ids and distances of " +
                             std::to_string(num_queries) + " queries");
    }
  }
}

// Appends the candidates of one query, those of each source in order.
void gather(std::span<const SourceCandidates> sources, std::size_t query,
            std::vector<Candidate>& out) {
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const SourceCandidates& source = sources[s];
    for (std::size_t i = query * source.width; i < (query + 1) * source.width; ++i) {
      if (source.row_ids[i] < 0) break;
      out.push_back({source.distances[i], static_cast<std::int64_t>(s), source.row_ids[i]});
    }
  }
}

// Cuts sorted candidates behind the last that is as near as the one at place `limit`.
std::size_t kept(std::span<const Candidate> sorted, std::size_t limit) noexcept {
  if (sorted.size() <= limit) return sorted.size();
  std::size_t count = limit;
  while (count < sorted.size() && sorted[count].distance == sorted[limit - 1].distance) ++count;
  return count;
}

bool nearer(const Candidate& a, const Candidate& b) noexcept { return a.distance < b.distance; }

bool equally_near(const Candidate& a, const Candidate& b) noexcept {
  return a.distance == b.distance;
}

}  // namespace

MergedCandidates merge_candidates(std::span<const SourceCandidates> sources,
                                  std::size_t num_queries, std::size_t limit) {
  check(sources, num_queries, limit);
  std::vector<Candidate> all;
  std::vector<std::size_t> ends;
  MergedCandidates merged{};
  CancelPoint point;
  for (std::size_t query = 0; query < num_queries; ++query) {
    const std::size_t first = all.size();
    gather(sources, query, all);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    // The places of one source ascend; only several have to be sorted.
    if (!std::is_sorted(begin, all.end(), nearer)) std::stable_sort(begin, all.end(), nearer);
    point.passed((all.size() - first) * kOperationsPerCandidate);
    const std::size_t count = kept(std::span(all).subspan(first), limit);
    all.resize(first + count);
    const auto sorted = all.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::adjacent_find(sorted, all.end(), equally_near) != all.end()) {
      merged.tied.push_back(query);
    }
    merged.width = std::max(merged.width, count);
    ends.push_back(all.size());
  }
  const std::size_t places = num_queries * merged.width;
  merged.sources.assign(places, -1);
  merged.row_ids.assign(places, -1);
  merged.distances.assign(places, std::numeric_limits<Distance>::infinity());
  for (std::size_t query = 0, next = 0; query < num_queries; ++query) {
    for (std::size_t place = query * merged.width; next < ends[query]; ++next, ++place) {
      merged.sources[place] = all[next].source;
      merged.row_ids[place] = all[next].row_id;
      merged.distances[place] = all[next].distance;
    }
  }
  return merged;
}

}  // namespace elanus
