#include "graph/builder.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "support/threads.h"

namespace elanus {
namespace {

// Rows of a batch, as a share of the graph: more of them would miss each other.
constexpr std::size_t kBatchShare = 50;
constexpr std::size_t kMaxBatchRows = 4096;
// A list that is full is pruned; room beyond `degree` makes that rare.
constexpr std::size_t kRoomShare = 2;
constexpr std::size_t kLinksStep = 16;
// Below this a thread takes longer to start than the work does.
constexpr std::size_t kThreadedRows = 32;
constexpr std::size_t kRowsPerTake = 8;

}  // namespace

GraphBuilder::GraphBuilder(const Quantizer& quantizer, const AnyRows& rows,
                           std::span<const std::uint8_t> codes, std::span<const float> terms,
                           std::vector<float> lifts, std::vector<RowId> entries,
                           const BuildSettings& settings)
    : quantizer_(quantizer),
      rows_(rows),
      codes_(codes),
      terms_(terms),
      settings_(settings),
      entries_(std::move(entries)),
      is_inserted_(rows.num_rows(), 0),
      stride_((settings.degree + settings.degree / kRoomShare + kLinksStep - 1) / kLinksStep *
              kLinksStep),
      pairs_(quantizer_, rows_, graph().rows) {
  const std::size_t num_rows = rows.num_rows();
  const std::size_t row_bytes = code_lines(quantizer.kind, rows.dim()) * kLineBytes;
  if (!quantizer.fits(rows) || codes.size() != num_rows * row_bytes ||
      terms.size() != (quantizer.has_terms() ? 2 : 0) * num_rows ||
      (!lifts.empty() && lifts.size() != num_rows)) {
    throw_invalid_argument("graph: expected codes, terms and lifts of " + std::to_string(num_rows) +
                           " rows");
  }
  for (const RowId row : entries_) {
    if (row >= num_rows)
      throw_invalid_argument("entries: expected rows below " + std::to_string(num_rows));
  }
  if (!lifts.empty()) {
    // The walk of a build multiplies the lift where that of a search adds the term.
    lift_terms_.assign(terms.begin(), terms.end());
    for (std::size_t row = 0; row < num_rows; ++row) lift_terms_[2 * row + 1] = lifts[row];
    pairs_.set_lifts(std::move(lifts));
  }
  links_.grow(num_rows * stride_, kNoRow);
  distances_.grow(num_rows * stride_, 0.0F);
  for (std::size_t i = 0; i < std::max<std::size_t>(settings.threads, 1); ++i) {
    workers_.push_back(std::make_unique<Worker>(pairs_));
  }
  in_parallel((num_rows + kMaxBatchRows - 1) / kMaxBatchRows, [&](std::size_t part, Worker&) {
    const std::size_t first = part * kMaxBatchRows;
    pairs_.encode(first, std::min(kMaxBatchRows, num_rows - first));
  });
}

GraphArrays GraphBuilder::graph() const noexcept {
  const float* terms = terms_.empty() ? nullptr : terms_.data();
  if (!lift_terms_.empty()) terms = lift_terms_.data();
  return {{codes_.data(), code_lines(quantizer_.kind, rows_.dim()), terms},
          links_.data(),
          stride_,
          rows_.num_rows()};
}

// Calls work(index, worker) for every index, from several threads when there are many.
template <typename Work>
void GraphBuilder::in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next{0};
  const std::size_t threads =
      count < kThreadedRows ? 1 : std::min(workers_.size(), count / kRowsPerTake);
  const std::size_t step = threads == 1 ? count : kRowsPerTake;
  run_in_threads(threads, [&](std::size_t place) {
    try {
      for (;;) {
        const std::size_t first = next.fetch_add(step);
        if (first >= count) return;
        for (std::size_t i = first; i < std::min(first + step, count); ++i) {
          work(i, *workers_[place]);
        }
      }
    } catch (...) {
      next = count;  // the others end too
      throw;
    }
  });
}

void GraphBuilder::insert(std::span<const RowId> rows) {
  for (const RowId row : rows) {
    if (row >= rows_.num_rows()) {
      throw_invalid_argument("rows: expected values below " + std::to_string(rows_.num_rows()) +
                             ", got " + std::to_string(row));
    }
  }
  for (std::size_t first = 0; first < rows.size();) {
    const std::size_t most = std::clamp(num_inserted_ / kBatchShare, std::size_t{1}, kMaxBatchRows);
    const std::size_t count = std::min(most, rows.size() - first);
    insert_batch(rows.subspan(first, count));
    first += count;
  }
}

void GraphBuilder::insert_batch(std::span<const RowId> rows) {
  std::vector<RowId> added;
  for (const RowId row : rows) {
    // Two threads would link a row that is named twice.
    if (std::exchange(is_inserted_[row], std::uint8_t{1}) == 0) added.push_back(row);
  }
  if (num_inserted_ > 0) {
    in_parallel(added.size(), [&](std::size_t i, Worker& worker) { link_row(added[i], worker); });
  }
  std::vector<Reverse> reverse;
  reverse.reserve(added.size() * settings_.degree);
  for (const RowId row : added) {
    const std::size_t at = static_cast<std::size_t>(row) * stride_;
    for (std::size_t i = 0; i < stride_ && links_.data()[at + i] != kNoRow; ++i) {
      reverse.push_back({links_.data()[at + i], {distances_.data()[at + i], row}});
    }
  }
  std::sort(reverse.begin(), reverse.end(), [](const Reverse& a, const Reverse& b) {
    return a.target != b.target ? a.target < b.target : a.source < b.source;
  });
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < reverse.size(); ++i) {
    if (i == 0 || reverse[i].target != reverse[i - 1].target) starts.push_back(i);
  }
  starts.push_back(reverse.size());
  in_parallel(starts.size() - 1, [&](std::size_t i, Worker& worker) {
    add_reverse({reverse.data() + starts[i], starts[i + 1] - starts[i]}, worker);
  });
  for (const RowId row : added) {
    ++num_inserted_;
    if (std::find(entries_.begin(), entries_.end(), row) != entries_.end()) {
      live_entries_.push_back(row);
    }
  }
  if (live_entries_.empty() && !added.empty()) live_entries_.push_back(added[0]);
}

// Finds the neighbours of a row in the graph as it is.
void GraphBuilder::link_row(RowId row, Worker& worker) {
  const GraphArrays arrays = graph();
  const GraphKernels& kernels = graph_kernels(quantizer_.kind);
  WalkScratch& scratch = worker.scratch;
  scratch.query.prepare_for_build(quantizer_, rows_.query_of(row, worker.values), pairs_.lift(row));
  scratch.begin(arrays, settings_.ef, nullptr);
  scratch.seed(arrays, kernels, scratch.query.get(), live_entries_);
  kernels.walk(arrays, scratch.query.get(), scratch.state());
  worker.rows.clear();
  for (const std::uint64_t key : scratch.pool()) {
    if (key != kNoKey && row_of(key) != row) worker.rows.push_back(row_of(key));
  }
  scratch.end(arrays);
  measure(row, worker);
  worker.pruner.prune(worker.candidates, settings_.degree, worker.kept);
  set_links(row, worker.kept);
}

// Turns worker.rows into candidates, nearest first.
void GraphBuilder::measure(RowId row, Worker& worker) {
  worker.distances.resize(worker.rows.size());
  pairs_.measure(row, worker.rows, worker.distances.data());
  worker.candidates.clear();
  for (std::size_t i = 0; i < worker.rows.size(); ++i) {
    worker.candidates.push_back({worker.distances[i], worker.rows[i]});
  }
  std::sort(worker.candidates.begin(), worker.candidates.end());
}

void GraphBuilder::set_links(RowId row, std::span<const Neighbor> links) {
  const std::size_t at = static_cast<std::size_t>(row) * stride_;
  for (std::size_t i = 0; i < stride_; ++i) {
    links_.span()[at + i] = i < links.size() ? links[i].row : kNoRow;
    distances_.span()[at + i] = i < links.size() ? links[i].distance : 0.0F;
  }
}

void GraphBuilder::read_links(RowId row, std::vector<Neighbor>& out) const {
  const std::size_t at = static_cast<std::size_t>(row) * stride_;
  out.clear();
  for (std::size_t i = 0; i < stride_ && links_.data()[at + i] != kNoRow; ++i) {
    out.push_back({distances_.data()[at + i], links_.data()[at + i]});
  }
}

// Adds links back to the target of `links`, and prunes its list where they do not fit.
void GraphBuilder::add_reverse(std::span<const Reverse> links, Worker& worker) {
  const RowId target = links.front().target;
  read_links(target, worker.candidates);
  for (const Reverse& link : links) worker.candidates.push_back(link.source);
  if (worker.candidates.size() > stride_) {
    std::sort(worker.candidates.begin(), worker.candidates.end());
    worker.pruner.prune(worker.candidates, settings_.degree, worker.kept);
    set_links(target, worker.kept);
  } else {
    set_links(target, worker.candidates);
  }
}

void GraphBuilder::adopt(std::span<const RowId> links, std::size_t degree,
                         std::span<const RowId> rows) {
  const std::size_t num_rows = rows_.num_rows();
  if (degree == 0 || links.size() != rows.size() * degree) {
    throw_invalid_argument("links: expected " + std::to_string(degree) + " of each of " +
                           std::to_string(rows.size()) + " rows, got " +
                           std::to_string(links.size()));
  }
  for (const RowId row : rows) {
    if (row == kNoRow) continue;
    if (row >= num_rows || is_inserted_[row] != 0) {
      throw_invalid_argument("rows: expected distinct values below " + std::to_string(num_rows) +
                             ", got " + std::to_string(row));
    }
    is_inserted_[row] = 1;
    ++num_inserted_;
  }
  const auto list_of = [&](RowId old) { return links.subspan(old * degree, degree); };
  in_parallel(rows.size(), [&](std::size_t old, Worker& worker) {
    if (rows[old] == kNoRow) return;
    worker.rows.clear();
    for (const RowId neighbor : list_of(static_cast<RowId>(old))) {
      if (neighbor >= rows.size()) break;
      if (rows[neighbor] != kNoRow) {
        worker.rows.push_back(rows[neighbor]);
        continue;
      }
      for (const RowId second : list_of(neighbor)) {
        if (second >= rows.size()) break;
        if (rows[second] != kNoRow) worker.rows.push_back(rows[second]);
      }
    }
    std::sort(worker.rows.begin(), worker.rows.end());
    worker.rows.erase(std::unique(worker.rows.begin(), worker.rows.end()), worker.rows.end());
    std::erase(worker.rows, rows[old]);
    measure(rows[old], worker);
    if (worker.candidates.size() <= settings_.degree) {
      set_links(rows[old], worker.candidates);
    } else {
      worker.pruner.prune(worker.candidates, settings_.degree, worker.kept);
      set_links(rows[old], worker.kept);
    }
  });
  for (const RowId row : entries_) {
    if (is_inserted_[row] != 0) live_entries_.push_back(row);
  }
  for (std::size_t old = 0; live_entries_.empty() && old < rows.size(); ++old) {
    if (rows[old] != kNoRow) live_entries_.push_back(rows[old]);
  }
}

void GraphBuilder::seal(std::span<RowId> links) {
  const std::size_t num_rows = rows_.num_rows();
  const std::size_t degree = settings_.degree;
  if (links.size() != num_rows * degree) {
    throw_invalid_argument("links: expected room for " + std::to_string(num_rows * degree) +
                           ", got " + std::to_string(links.size()));
  }
  in_parallel(num_rows, [&](std::size_t row, Worker& worker) {
    read_links(static_cast<RowId>(row), worker.candidates);
    std::sort(worker.candidates.begin(), worker.candidates.end());
    if (worker.candidates.size() > degree) {
      worker.pruner.prune(worker.candidates, degree, worker.kept);
    } else {
      worker.kept = worker.candidates;
    }
    for (std::size_t i = 0; i < degree; ++i) {
      links[row * degree + i] = i < worker.kept.size() ? worker.kept[i].row : kNoRow;
    }
  });
}

}  // namespace elanus
