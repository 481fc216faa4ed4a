#include "graph/stream.h"

#include <algorithm>

#include "support/cancel.h"

namespace elanus {

GraphStream::GraphStream(const Graph& graph, const AnyQuery& query,
                         const std::optional<BitsetView>& allowed, std::size_t ef, double slack)
    : graph_(graph), allowed_(allowed), slack_(slack), is_given_(graph.num_rows(), 0) {
  if (graph.num_rows() == 0) {
    is_over_ = true;
    return;
  }
  scratch_.query.prepare(graph.parts().quantizer, query);
  scratch_.begin(graph.arrays(), ef, allowed ? allowed->words().data() : nullptr);
  scratch_.keep_overflow(graph.num_rows());
  graph.seed(scratch_, allowed);
  walk(ef);
}

void GraphStream::walk(std::size_t ef) {
  scratch_.widen(ef);
  is_walked_ = false;
  graph_.walk(scratch_);
  is_walked_ = true;
}

void GraphStream::next(std::size_t count, std::vector<std::int64_t>& out) {
  out.clear();
  if (graph_.num_rows() == 0) return;
  if (!is_walked_) walk(scratch_.pool().size());
  const auto wanted = static_cast<std::size_t>(slack_ * static_cast<double>(num_given_ + count));
  while (!is_over_ && scratch_.pool().size() < std::min(wanted, graph_.num_rows())) {
    walk(std::max(wanted, 2 * scratch_.pool().size()));
  }
  // A pool that is not full after a walk holds all that can be reached.
  if (!is_over_ && scratch_.pool().back() == kNoKey) add_unreachable();
  for (const std::uint64_t key : scratch_.pool()) {
    if (out.size() == count || key == kNoKey) break;
    std::uint8_t& is_given = is_given_[row_of(key)];
    if (is_given != 0) continue;
    is_given = 1;
    out.push_back(row_of(key));
  }
  num_given_ += out.size();
}

// Rows that no link leads to are few; they are scored one after the other.
void GraphStream::add_unreachable() {
  std::vector<RowId>& rows = scratch_.rows;
  rows.clear();
  for (std::size_t i = 0; i < graph_.num_rows(); ++i) {
    const auto row = static_cast<RowId>(i);
    if (!scratch_.is_visited(row) && (!allowed_ || allowed_->test(row))) rows.push_back(row);
  }
  std::vector<RowId> part;
  scratch_.widen(scratch_.pool().size() + rows.size());
  CancelPoint point;
  for (std::size_t first = 0; first < rows.size(); first += kMaxBatch / 2) {
    const std::size_t some = std::min(kMaxBatch / 2, rows.size() - first);
    part.assign(rows.begin() + static_cast<std::ptrdiff_t>(first),
                rows.begin() + static_cast<std::ptrdiff_t>(first + some));
    scratch_.seed(graph_.arrays(), graph_.kernels(), scratch_.query.get(), part);
    // Whoever goes on after this has ended finds the rows so far among the visited ones.
    point.passed(some * graph_.operations_per_row());
  }
  is_over_ = true;
}

}  // namespace elanus
