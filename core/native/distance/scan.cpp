// Top-k scans: cut the rows into blocks that fit the cache, hand them to the CPU's kernels, keep
// the k nearest of each query.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "distance/distance.h"
#include "distance/distance_kernels.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/top_k.h"

namespace elanus {
namespace {

// Rows a kernel call handles. A single query streams rows once and only wants few calls; several
// queries read each row again, so a block's rows (at most kBlockFloats) should stay in the cache.
constexpr std::size_t kMaxBlockRows = 256;
constexpr std::size_t kBlockFloats = 16 * 1024;
constexpr std::size_t kMinBlockRows = 8;

// Queries that share one pass over the rows; bounds the memory of their candidates.
constexpr std::size_t kMaxPassQueries = 256;

std::size_t block_rows(std::size_t num_queries, std::size_t dim) noexcept {
  if (num_queries == 1) return kMaxBlockRows;
  return std::clamp(kBlockFloats / dim, kMinBlockRows, kMaxBlockRows);
}

void check_scale(Metric metric, const ScaledRows& rows) {
  if (rows.scale.empty()) return;
  if (metric != Metric::cosine) {
    throw_invalid_argument("row_scale: only the COSINE metric scales rows; pass None");
  }
  if (rows.scale.size() != rows.matrix.num_rows) {
    throw_invalid_argument("row_scale: expected one value for each of " +
                           std::to_string(rows.matrix.num_rows) + " rows, got " +
                           std::to_string(rows.scale.size()));
  }
}

void check_rows(std::size_t query_dim, const Matrix& rows) {
  if (rows.dim == 0) throw_invalid_argument("rows: expected at least 1 dimension, got 0");
  if (query_dim != rows.dim) {
    throw_invalid_argument("query: expected dim " + std::to_string(rows.dim) +
                           " as the rows have, got " + std::to_string(query_dim));
  }
  if (rows.num_rows > std::numeric_limits<RowId>::max()) {
    throw_invalid_argument("rows: expected fewer than 2**32 rows, got " +
                           std::to_string(rows.num_rows));
  }
}

void check_request(const ScanRequest& request) {
  if (request.k == 0) throw_invalid_argument("k: expected at least 1, got 0");
  check_rows(request.queries.dim, request.rows.matrix);
  check_scale(request.metric, request.rows);
}

// Raw kernel values become distances: inner products are negated, for cosine after scaling.
// `0 - x` rather than `-x`, so that no distance is -0, which would not tie with +0.
void to_distances(Metric metric, std::span<const float> scale, std::span<const RowId> row_ids,
                  std::span<float> values) noexcept {
  if (metric == Metric::l2) return;
  if (scale.empty()) {
    for (float& value : values) value = 0.0F - value;
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.0F - values[i] * scale[row_ids[i]];
}

DistanceKernel kernel_of(Metric metric) {
  const DistanceKernels& kernels = distance_kernels();
  return metric == Metric::l2 ? kernels.squared_l2 : kernels.inner_product;
}

// One pass of a group of queries over the rows.
class ScanPass {
 public:
  ScanPass(const ScanRequest& request, std::size_t first_query, std::size_t num_queries)
      : request_(request),
        kernel_(kernel_of(request.metric)),
        first_query_(first_query),
        best_(num_queries,
              TopK(std::min(request.k, std::max<std::size_t>(request.rows.matrix.num_rows, 1)))),
        block_rows_(block_rows(num_queries, request.rows.matrix.dim)),
        values_(num_queries * block_rows_) {
    row_ids_.reserve(block_rows_);
  }

  void run() {
    if (request_.allowed.has_value()) {
      visit_allowed(*request_.allowed);
    } else {
      for (std::size_t row = 0; row < request_.rows.matrix.num_rows; ++row) {
        visit(static_cast<RowId>(row));
      }
    }
    flush();
  }

  void finish(ScanResult result) {
    for (std::size_t q = 0; q < best_.size(); ++q) {
      const std::size_t start = (first_query_ + q) * request_.k;
      best_[q].finish(
          {result.row_ids.subspan(start, request_.k), result.distances.subspan(start, request_.k)});
    }
  }

 private:
  void visit_allowed(const BitsetView& allowed) {
    for (std::size_t w = 0; w < allowed.num_words(); ++w) {
      for (std::uint64_t bits = allowed.word(w); bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
        visit(static_cast<RowId>(w * kBitsPerWord + bit));
      }
    }
  }

  void visit(RowId row) {
    row_ids_.push_back(row);
    if (row_ids_.size() == block_rows_) flush();
  }

  void flush() {
    const std::size_t num_rows = row_ids_.size();
    if (num_rows == 0) return;
    const Matrix& rows = request_.rows.matrix;
    kernel_({request_.queries.values.data() + first_query_ * rows.dim, best_.size(),
             rows.values.data(), row_ids_.data(), num_rows, rows.dim, values_.data()});
    for (std::size_t q = 0; q < best_.size(); ++q) {
      const std::span<float> values(values_.data() + q * num_rows, num_rows);
      to_distances(request_.metric, request_.rows.scale, row_ids_, values);
      for (std::size_t i = 0; i < num_rows; ++i) best_[q].push(values[i], row_ids_[i]);
    }
    cancel_point_.passed(best_.size() * num_rows * rows.dim);
    row_ids_.clear();
  }

  const ScanRequest& request_;
  DistanceKernel kernel_;
  std::size_t first_query_;
  std::vector<TopK> best_;
  std::size_t block_rows_;
  std::vector<RowId> row_ids_;
  std::vector<float> values_;
  CancelPoint cancel_point_;
};

RowId checked_row(std::int64_t row_id, std::size_t num_rows) {
  if (row_id < 0 || static_cast<std::uint64_t>(row_id) >= num_rows) {
    throw_invalid_argument("row_ids: expected values in [0, " + std::to_string(num_rows) +
                           "), got " + std::to_string(row_id));
  }
  return static_cast<RowId>(row_id);
}

}  // namespace

void scan_topk(const ScanRequest& request, ScanResult result) {
  check_request(request);
  const std::size_t num_queries = request.queries.num_rows;
  for (std::size_t first = 0; first < num_queries; first += kMaxPassQueries) {
    ScanPass pass(request, first, std::min(kMaxPassQueries, num_queries - first));
    pass.run();
    pass.finish(result);
  }
}

void distances_to_rows(const DistanceRequest& request, std::span<Distance> out) {
  const Matrix& rows = request.rows.matrix;
  check_rows(request.query.size(), rows);
  check_scale(request.metric, request.rows);
  const DistanceKernel kernel = kernel_of(request.metric);
  std::vector<RowId> block;
  block.reserve(std::min(kMaxBlockRows, request.row_ids.size()));
  for (std::size_t first = 0; first < request.row_ids.size(); first += kMaxBlockRows) {
    const std::size_t count = std::min(kMaxBlockRows, request.row_ids.size() - first);
    block.clear();
    for (const std::int64_t row_id : request.row_ids.subspan(first, count)) {
      block.push_back(checked_row(row_id, rows.num_rows));
    }
    const std::span<Distance> values = out.subspan(first, count);
    kernel({request.query.data(), 1, rows.values.data(), block.data(), count, rows.dim,
            values.data()});
    to_distances(request.metric, request.rows.scale, block, values);
    for (Distance& value : values) {
      if (std::isnan(value)) value = std::numeric_limits<Distance>::infinity();
    }
  }
}

}  // namespace elanus
