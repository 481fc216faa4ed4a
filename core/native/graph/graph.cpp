#include "graph/graph.h"

#include <algorithm>
#include <limits>
#include <string>

#include "support/cancel.h"

namespace elanus {
namespace {

constexpr std::size_t kLinksStep = 16;
constexpr std::size_t kMaxDegree = 256;
// Allowed rows that a filtered walk begins with, spread over all of them: those near the query may
// have no link from the entry rows.
constexpr std::size_t kSeedRows = 128;
constexpr std::size_t kScanRows = 256;
// Steps between two looks at the cancel point, about a tenth of a millisecond.
constexpr std::size_t kStepsAtOnce = 32;

void check_parts(const GraphParts& parts) {
  const std::size_t num_rows = parts.rows.num_rows();
  const std::size_t row_bytes = code_lines(parts.quantizer.kind, parts.rows.dim()) * kLineBytes;
  const auto expect = [](const char* name, std::size_t expected, std::size_t got) {
    if (expected == got) return;
    throw_corruption(std::string("graph: expected ") + std::to_string(expected) + " " + name +
                     ", got " + std::to_string(got));
  };
  if (!parts.quantizer.fits(parts.rows)) {
    throw_corruption("graph: codes, means or steps are not of rows of " +
                     std::to_string(parts.rows.dim()) +
                     (parts.rows.are_bits() ? " bytes" : " dimensions"));
  }
  expect("bytes of codes", num_rows * row_bytes, parts.codes.size());
  expect("terms", parts.quantizer.has_terms() ? 2 * num_rows : 0, parts.terms.size());
  if (num_rows > std::numeric_limits<RowId>::max() / 2) {
    throw_corruption("graph: more rows than keys can hold");
  }
  const std::size_t degree = num_rows == 0 ? kLinksStep : parts.links.size() / num_rows;
  if (degree * num_rows != parts.links.size() || degree % kLinksStep != 0 || degree == 0 ||
      degree > kMaxDegree) {
    throw_corruption("graph: " + std::to_string(parts.links.size()) + " links for " +
                     std::to_string(num_rows) + " rows");
  }
  if (parts.entries.size() > kMaxBatch || (parts.entries.empty() && num_rows > 0)) {
    throw_corruption("graph: " + std::to_string(parts.entries.size()) + " entry rows");
  }
  for (const RowId row : parts.entries) {
    if (row >= num_rows) throw_corruption("graph: entry row " + std::to_string(row));
  }
}

}  // namespace

WalkScratch& search_scratch() {
  thread_local WalkScratch scratch;
  return scratch;
}

Graph::Graph(const GraphParts& parts) : parts_(parts) {
  check_parts(parts);
  const std::size_t num_rows = parts.rows.num_rows();
  const std::size_t lines = code_lines(parts.quantizer.kind, parts.rows.dim());
  arrays_ = {{parts.codes.data(), lines, parts.terms.empty() ? nullptr : parts.terms.data()},
             parts.links.data(),
             num_rows == 0 ? kLinksStep : parts.links.size() / num_rows,
             num_rows};
  for (const RowId row : parts.entries) {
    const auto code = parts.codes.subspan(row * lines * kLineBytes, lines * kLineBytes);
    entry_codes_.insert(entry_codes_.end(), code.begin(), code.end());
    if (parts.terms.empty()) continue;
    const auto terms = parts.terms.subspan(2 * std::size_t{row}, 2);
    entry_terms_.insert(entry_terms_.end(), terms.begin(), terms.end());
  }
}

void Graph::seed(WalkScratch& scratch, const std::optional<BitsetView>& allowed) const {
  const CodedQuery& query = scratch.query.get();
  if (!allowed) {
    scratch.seed_entries(kernels(), query, arrays_.rows.lines,
                         {parts_.entries, entry_codes_, entry_terms_});
    return;
  }
  scratch.rows.clear();
  for (const RowId row : parts_.entries) {
    if (allowed->test(row)) scratch.rows.push_back(row);
  }
  const std::size_t words = allowed->num_words();
  const std::size_t step = std::max<std::size_t>(1, words / kSeedRows);
  // From places that lie evenly, the next word with an allowed row: words are looked at once.
  for (std::size_t first = 0; first < words && scratch.rows.size() + 1 < kMaxBatch; first += step) {
    for (std::size_t i = first; i < std::min(first + step, words); ++i) {
      const std::uint64_t word = allowed->word(i);
      if (word == 0) continue;
      scratch.rows.push_back(
          static_cast<RowId>(i * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(word))));
      break;
    }
  }
  std::sort(scratch.rows.begin(), scratch.rows.end());
  scratch.rows.erase(std::unique(scratch.rows.begin(), scratch.rows.end()), scratch.rows.end());
  scratch.seed(arrays_, kernels(), query, scratch.rows);
}

void Graph::candidates(const AnyQuery& query, const WalkEffort& effort,
                       const std::optional<BitsetView>& allowed,
                       std::vector<std::int64_t>& out) const {
  out.clear();
  if (num_rows() == 0) return;
  WalkScratch& scratch = search_scratch();
  scratch.query.prepare(parts_.quantizer, query);
  scratch.begin(arrays_, effort.ef, allowed ? allowed->words().data() : nullptr);
  WalkState& state = scratch.state();
  if (effort.patience > 0) {
    state.patience = effort.patience;
    state.watched = std::clamp<std::size_t>(effort.rescored, 1, state.capacity);
  }
  try {
    seed(scratch, allowed);
    walk(scratch);
    const auto pool = scratch.pool();
    for (std::size_t i = 0; i < pool.size() && i < effort.rescored && pool[i] != kNoKey; ++i) {
      out.push_back(row_of(pool[i]));
    }
  } catch (...) {
    scratch.end(arrays_);
    throw;
  }
  scratch.end(arrays_);
}

void Graph::walk(WalkScratch& scratch) const {
  CancelPoint point;
  WalkState& state = scratch.state();
  do {
    const std::size_t scored = state.num_scored;
    state.steps_left = kStepsAtOnce;
    kernels().walk(arrays_, scratch.query.get(), state);
    // Rows lie anywhere; each step looks through the pool, and a key that enters it shifts others.
    const std::size_t per_row = 2 * operations_per_row() + state.capacity / 4;
    const std::size_t steps = kStepsAtOnce - state.steps_left;
    point.passed((state.num_scored - scored) * per_row + steps * state.capacity);
  } while (state.steps_left == 0);
}

void Graph::scan(const AnyQuery& query, std::size_t rescored,
                 const std::optional<BitsetView>& allowed, std::vector<std::int64_t>& out) const {
  out.clear();
  if (rescored == 0) return;
  WalkScratch& scratch = search_scratch();
  scratch.query.prepare(parts_.quantizer, query);
  const CodedQuery& coded = scratch.query.get();
  std::vector<std::uint64_t>& keys = scratch.keys;
  keys.clear();
  std::uint64_t bound = kNoKey;
  RowId rows[kScanRows];
  std::uint32_t scores[kScanRows];
  std::size_t count = 0;
  CancelPoint point;
  const auto compact = [&] {
    const auto last = keys.begin() + static_cast<std::ptrdiff_t>(rescored - 1);
    std::nth_element(keys.begin(), last, keys.end());
    bound = *last;
    keys.resize(rescored);
  };
  const auto flush = [&] {
    kernels().score_rows(arrays_.rows, coded, rows, count, scores);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t key = (std::uint64_t{scores[i]} << 32U) | (std::uint64_t{rows[i]} << 1U);
      if (key >= bound) continue;
      keys.push_back(key);
      if (keys.size() == 4 * rescored) compact();
    }
    point.passed(count * operations_per_row());
    count = 0;
  };
  const std::size_t words = words_for_bits(num_rows());
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    if (allowed) {
      word = allowed->word(i);
    } else {
      const std::size_t used = num_rows() - i * kBitsPerWord;
      word = used >= kBitsPerWord ? ~std::uint64_t{0} : (std::uint64_t{1} << used) - 1;
    }
    for (; word != 0; word &= word - 1) {
      rows[count++] =
          static_cast<RowId>(i * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(word)));
    }
    if (count > kScanRows - kBitsPerWord) flush();
  }
  if (count > 0) flush();
  if (keys.size() > rescored) compact();
  for (const std::uint64_t key : keys) out.push_back(row_of(key));
}

void Graph::rank(const AnyQuery& query, std::vector<std::int64_t>& rows,
                 std::span<std::int64_t> row_ids, std::span<Distance> distances) const {
  WalkScratch& scratch = search_scratch();
  std::vector<float>& exact = scratch.distances;
  exact.resize(rows.size());
  parts_.rows.distances(parts_.quantizer.metric, query, rows, exact);
  std::vector<std::pair<float, std::int64_t>>& order = scratch.order;
  order.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) order.emplace_back(exact[i], rows[i]);
  const std::size_t found = std::min(order.size(), row_ids.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(found), order.end());
  for (std::size_t i = 0; i < found; ++i) {
    distances[i] = order[i].first;
    row_ids[i] = order[i].second;
  }
  for (std::size_t i = found; i < row_ids.size(); ++i) {
    distances[i] = std::numeric_limits<Distance>::infinity();
    row_ids[i] = -1;
  }
}

}  // namespace elanus
