#include "graph/scratch.h"

#include <algorithm>
#include <limits>

namespace elanus {
namespace {

constexpr std::size_t kPoolStep = 8;
// Bitsets up to this many words are cleared whole: that is faster than row by row.
constexpr std::size_t kClearedWords = 2048;

std::size_t rounded_up(std::size_t ef) noexcept {
  return (std::max<std::size_t>(ef, 1) + kPoolStep - 1) / kPoolStep * kPoolStep;
}

}  // namespace

void WalkScratch::begin(const GraphArrays& graph, std::size_t ef, const std::uint64_t* allowed) {
  const std::size_t capacity = rounded_up(ef);
  pool_.grow(capacity, kNoKey);
  std::fill_n(pool_.span().data(), capacity, kNoKey);
  visited_.grow(words_for_bits(graph.num_rows + 1), 0);
  // Entry rows of a damaged file may be the same row many times.
  log_.grow(graph.num_rows + kMaxBatch + 4 * graph.degree + kBatchPadding, 0);
  scores_.grow(kMaxBatch, 0);
  overflow_.clear();
  state_ = {pool_.span().data(),
            capacity,
            visited_.span().data(),
            log_.span().data(),
            0,
            scores_.span().data(),
            allowed,
            capacity,
            std::numeric_limits<std::size_t>::max(),
            {nullptr, 0},
            0,
            std::numeric_limits<std::size_t>::max(),
            0};
  visited_.span()[graph.num_rows / kBitsPerWord] |= 1ULL << (graph.num_rows % kBitsPerWord);
}

void WalkScratch::end(const GraphArrays& graph) {
  const std::size_t words = words_for_bits(graph.num_rows + 1);
  std::uint64_t* visited = visited_.span().data();
  if (state_.allowed != nullptr || words <= kClearedWords) {
    std::fill_n(visited, words, std::uint64_t{0});
    return;
  }
  for (std::size_t i = 0; i < state_.log_size; ++i) visited[state_.log[i] / kBitsPerWord] = 0;
  visited[graph.num_rows / kBitsPerWord] = 0;
}

void WalkScratch::insert_scored(const GraphKernels& kernels, std::span<const RowId> scored) {
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const std::uint64_t key =
        (std::uint64_t{state_.scores[i]} << 32U) | (std::uint64_t{scored[i]} << 1U);
    const std::uint64_t worst = state_.pool[state_.capacity - 1];
    if (key < worst) kernels.insert(state_.pool, state_.capacity, key);
    const std::uint64_t left_out = std::max(key, worst);
    if (state_.overflow.items != nullptr && left_out != kNoKey) {
      state_.overflow.items[state_.overflow.size++] = left_out;
    }
  }
}

void WalkScratch::seed(const GraphArrays& graph, const GraphKernels& kernels,
                       const CodedQuery& coded, std::span<const RowId> seeds) {
  kernels.score_rows(graph.rows, coded, seeds.data(), seeds.size(), state_.scores);
  for (const RowId row : seeds) {
    state_.visited[row / kBitsPerWord] |= 1ULL << (row % kBitsPerWord);
    if (state_.allowed == nullptr) state_.log[state_.log_size++] = row;
  }
  insert_scored(kernels, seeds);
}

void WalkScratch::seed_entries(const GraphKernels& kernels, const CodedQuery& coded,
                               std::size_t lines, const EntryRows& entries) {
  static constexpr auto kPlaces = [] {
    struct {
      RowId values[kMaxBatch];
    } places{};
    for (std::size_t i = 0; i < kMaxBatch; ++i) places.values[i] = static_cast<RowId>(i);
    return places;
  }();
  const CodedRows entry_rows{entries.codes.data(), lines,
                             entries.terms.empty() ? nullptr : entries.terms.data()};
  kernels.score_rows(entry_rows, coded, kPlaces.values, entries.rows.size(), state_.scores);
  for (const RowId row : entries.rows) {
    state_.visited[row / kBitsPerWord] |= 1ULL << (row % kBitsPerWord);
    state_.log[state_.log_size++] = row;
  }
  insert_scored(kernels, entries.rows);
}

void WalkScratch::widen(std::size_t ef) {
  const std::size_t capacity = rounded_up(ef);
  if (capacity <= state_.capacity) return;
  std::vector<std::uint64_t> every(state_.pool, state_.pool + state_.capacity);
  every.erase(std::lower_bound(every.begin(), every.end(), kNoKey), every.end());
  every.insert(every.end(), overflow_.begin(),
               overflow_.begin() + static_cast<std::ptrdiff_t>(state_.overflow.size));
  const std::size_t kept = std::min(every.size(), capacity);
  std::partial_sort(every.begin(), every.begin() + static_cast<std::ptrdiff_t>(kept), every.end());
  pool_.grow(capacity, kNoKey);
  state_.pool = pool_.span().data();
  state_.capacity = capacity;
  std::copy_n(every.begin(), kept, state_.pool);
  std::fill_n(state_.pool + kept, capacity - kept, kNoKey);
  std::copy(every.begin() + static_cast<std::ptrdiff_t>(kept), every.end(), overflow_.begin());
  state_.overflow.size = every.size() - kept;
  state_.watched = capacity;
}

void WalkScratch::keep_overflow(std::size_t num_rows) {
  overflow_.resize(num_rows + kMaxBatch);
  state_.overflow = {overflow_.data(), 0};
}

}  // namespace elanus
