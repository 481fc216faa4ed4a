// The second pass: float32 distances of the survivors, the most promising first, until no lower
// bound is left below the k-th distance.
#include <algorithm>
#include <string>
#include <vector>

#include "quantized/scan_codes.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/top_k.h"

namespace elanus {
namespace {

// Rows between two looks at the k-th distance: enough to fetch rows ahead.
constexpr std::size_t kStepRows = 32;

class Rescoring {
 public:
  Rescoring(Metric metric, const ScaledRows& rows, std::size_t k)
      : metric_(metric), rows_(rows), k_(k) {}

  void run(std::span<const float> query, std::span<const Survivor> survivors, TopKRow out) {
    TopK best(k_);
    std::size_t done = 0;
    while (done < survivors.size()) {
      // No distance is below its lower bound, and an equal one may win by its row id.
      if (survivors[done].lower > best.bound()) break;
      const std::size_t step = std::max(kStepRows, done == 0 ? k_ : 0);
      const std::size_t count = std::min(step, survivors.size() - done);
      push(query, survivors.subspan(done, count), best);
      best.tighten();
      done += count;
    }
    best.finish(out);
  }

 private:
  void push(std::span<const float> query, std::span<const Survivor> survivors, TopK& best) {
    row_ids_.clear();
    for (const Survivor& survivor : survivors) row_ids_.push_back(survivor.row);
    distances_.resize(row_ids_.size());
    distances_to_rows({metric_, query, rows_, row_ids_}, distances_);
    cancel_point_.passed(row_ids_.size() * rows_.matrix.dim);
    for (std::size_t i = 0; i < distances_.size(); ++i) {
      best.push(distances_[i], survivors[i].row);
    }
  }

  Metric metric_;
  const ScaledRows& rows_;
  std::size_t k_;
  std::vector<std::int64_t> row_ids_;
  std::vector<Distance> distances_;
  CancelPoint cancel_point_;
};

}  // namespace

std::vector<Survivors> merge_survivors(std::vector<std::vector<Survivors>>&& ranges) {
  std::vector<Survivors> merged = std::move(ranges.front());
  for (auto range = ranges.begin() + 1; range != ranges.end(); ++range) {
    for (std::size_t q = 0; q < merged.size(); ++q) {
      const Survivors& other = range->at(q);
      Survivors& all = merged[q];
      const auto middle = static_cast<std::ptrdiff_t>(all.rows.size());
      all.rows.insert(all.rows.end(), other.rows.begin(), other.rows.end());
      std::inplace_merge(all.rows.begin(), all.rows.begin() + middle, all.rows.end(), is_before);
      all.is_bounded = all.is_bounded && other.is_bounded;
    }
  }
  return merged;
}

void rescore(const ScanCodes& codes, const CodeScan& scan, std::span<const Survivors> survivors,
             const ScaledRows& rows, ScanResult result) {
  const Matrix& matrix = rows.matrix;
  if (matrix.num_rows != codes.num_rows() || matrix.dim != codes.dim()) {
    throw_invalid_argument("rows: expected the " + std::to_string(codes.num_rows()) + " rows of " +
                           std::to_string(codes.dim()) + " dimensions that were encoded, got " +
                           std::to_string(matrix.num_rows) + " of " + std::to_string(matrix.dim));
  }
  if (survivors.size() != scan.queries.num_rows) {
    throw_invalid_argument("survivors: expected those of " + std::to_string(scan.queries.num_rows) +
                           " queries, got " + std::to_string(survivors.size()));
  }
  const std::size_t dim = codes.dim();
  Rescoring rescoring(codes.metric(), rows, scan.k);
  for (std::size_t q = 0; q < survivors.size(); ++q) {
    const std::span<const float> query = scan.queries.values.subspan(q * dim, dim);
    const TopKRow out{result.row_ids.subspan(q * scan.k, scan.k),
                      result.distances.subspan(q * scan.k, scan.k)};
    if (survivors[q].is_bounded) {
      rescoring.run(query, survivors[q].rows, out);
    } else {
      scan_topk({codes.metric(), {query, 1, dim}, rows, scan.allowed, scan.k},
                {out.row_ids, out.distances});
    }
  }
}

}  // namespace elanus
