// Top-k scans: cut the rows into blocks that fit the cache, hand them to the CPU's kernels, keep
// the k nearest of each query.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "distance/distance.h"
#include "distance/distance_kernels.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/parallel_queries.h"
#include "support/top_k.h"

namespace elanus {
namespace {

// Rows a kernel call handles. A single query streams rows once and only wants few calls; several
// queries read each row again, so a block's rows (at most kBlockBytes) should stay in the cache.
constexpr std::size_t kMaxBlockRows = 256;
constexpr std::size_t kBlockBytes = 64 * 1024;
constexpr std::size_t kMinBlockRows = 8;

// Queries that share one pass over the rows; bounds the memory of their candidates.
constexpr std::size_t kMaxPassQueries = 256;

std::size_t block_rows(std::size_t num_queries, std::size_t row_bytes) noexcept {
  if (num_queries == 1) return kMaxBlockRows;
  return std::clamp(kBlockBytes / row_bytes, kMinBlockRows, kMaxBlockRows);
}

template <typename Row>
void check_scale(Metric metric, const ScaledRowsOf<Row>& rows) {
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

template <typename Row>
void check_rows(Metric metric, std::size_t query_dim, const MatrixOf<Row>& rows) {
  if (rows.dim == 0) throw_invalid_argument("rows: expected at least 1 dimension, got 0");
  if (query_dim != rows.dim) {
    throw_invalid_argument("query: expected dim " + std::to_string(rows.dim) +
                           " as the rows have, got " + std::to_string(query_dim));
  }
  const std::size_t element = element_bytes(metric);
  if (element > 0 && rows.dim % element != 0) {
    throw_invalid_argument("rows: expected whole elements of " + std::to_string(8 * element) +
                           " bits, got " + std::to_string(rows.dim) + " bytes");
  }
  if (rows.num_rows > std::numeric_limits<RowId>::max()) {
    throw_invalid_argument("rows: expected fewer than 2**32 rows, got " +
                           std::to_string(rows.num_rows));
  }
}

template <typename Query, typename Row>
void check_request(const ScanRequestOf<Query, Row>& request) {
  if (request.k == 0) throw_invalid_argument("k: expected at least 1, got 0");
  check_rows(request.metric, request.queries.dim, request.rows.matrix);
  check_scale(request.metric, request.rows);
}

// Raw kernel values become distances: similarities are negated, for cosine after scaling.
// `0 - x` rather than `-x`, so that no distance is -0, which would not tie with +0.
void to_distances(Metric metric, std::span<const float> scale, std::span<const RowId> row_ids,
                  std::span<float> values) noexcept {
  const bool is_similarity =
      metric == Metric::ip || metric == Metric::cosine || element_bytes(metric) > 0;
  if (!is_similarity) return;
  if (scale.empty()) {
    for (float& value : values) value = 0.0F - value;
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.0F - values[i] * scale[row_ids[i]];
}

// For cosine, what brings each query to unit length; empty where queries have it already.
template <typename Query>
std::vector<float> query_scales(Metric metric, const MatrixOf<Query>& queries) {
  if constexpr (std::is_same_v<Query, std::int8_t>) {
    if (metric == Metric::cosine) {
      std::vector<float> scales(queries.num_rows);
      inverse_norms(queries, scales);
      return scales;
    }
  }
  return {};
}

void scale_all(std::span<float> values, float scale) noexcept {
  for (float& value : values) value *= scale;
}

template <typename Query, typename Row>
const DistanceKernelsOf<Query, Row>& kernels_of() {
  const DistanceKernels& kernels = distance_kernels();
  if constexpr (std::is_same_v<Query, std::int8_t>) {
    return kernels.int8_pair;
  } else if constexpr (std::is_same_v<Row, Half>) {
    return kernels.float16;
  } else if constexpr (std::is_same_v<Row, BFloat16>) {
    return kernels.bfloat16;
  } else if constexpr (std::is_same_v<Row, std::int8_t>) {
    return kernels.int8;
  } else {
    return kernels;
  }
}

template <typename Query, typename Row>
DistanceKernelOf<Query, Row> kernel_of(Metric metric) {
  if constexpr (std::is_same_v<Row, BitByte>) {
    if (metric == Metric::hamming) return bit_kernels().hamming;
    if (metric == Metric::jaccard) return bit_kernels().jaccard;
    if (metric == Metric::minhash8) return bit_kernels().equal8;
    if (metric == Metric::minhash16) return bit_kernels().equal16;
    if (metric == Metric::minhash32) return bit_kernels().equal32;
    if (metric == Metric::minhash64) return bit_kernels().equal64;
    throw_invalid_argument("metric: binary vectors take HAMMING, JACCARD or MHJACCARD");
  } else {
    if (metric == Metric::l2) return kernels_of<Query, Row>().squared_l2;
    if (metric == Metric::ip || metric == Metric::cosine) {
      return kernels_of<Query, Row>().inner_product;
    }
    throw_invalid_argument("metric: vectors of numbers take L2, IP or COSINE");
  }
}

// One pass of a group of queries over the rows.
template <typename Query, typename Row>
class ScanPass {
 public:
  ScanPass(const ScanRequestOf<Query, Row>& request, std::size_t first_query,
           std::size_t num_queries)
      : request_(request),
        kernel_(kernel_of<Query, Row>(request.metric)),
        queries_{request.queries.values.subspan(first_query * request.queries.dim,
                                                num_queries * request.queries.dim),
                 num_queries, request.queries.dim},
        first_query_(first_query),
        query_scales_(query_scales(request.metric, queries_)),
        best_(num_queries,
              TopK(std::min(request.k, std::max<std::size_t>(request.rows.matrix.num_rows, 1)))),
        block_rows_(block_rows(num_queries, request.rows.matrix.dim * sizeof(Row))),
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
    const MatrixOf<Row>& rows = request_.rows.matrix;
    kernel_({queries_.values.data(), queries_.num_rows, rows.values.data(), row_ids_.data(),
             num_rows, rows.dim, values_.data()});
    for (std::size_t q = 0; q < best_.size(); ++q) {
      const std::span<float> values(values_.data() + q * num_rows, num_rows);
      to_distances(request_.metric, request_.rows.scale, row_ids_, values);
      if (!query_scales_.empty()) scale_all(values, query_scales_[q]);
      for (std::size_t i = 0; i < num_rows; ++i) best_[q].push(values[i], row_ids_[i]);
    }
    cancel_point_.passed(best_.size() * num_rows * rows.dim);
    row_ids_.clear();
  }

  const ScanRequestOf<Query, Row>& request_;
  DistanceKernelOf<Query, Row> kernel_;
  MatrixOf<Query> queries_;
  std::size_t first_query_;
  std::vector<float> query_scales_;
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

template <typename Query, typename Row>
void scan_topk(const ScanRequestOf<Query, Row>& request, ScanResult result, std::size_t threads) {
  check_request(request);
  const std::size_t num_queries = request.queries.num_rows;
  if (num_queries == 0) return;
  const std::size_t share = (num_queries + threads - 1) / std::max<std::size_t>(threads, 1);
  const std::size_t at_once = std::clamp<std::size_t>(share, 1, kMaxPassQueries);
  for_each_query((num_queries + at_once - 1) / at_once, threads, [&](std::size_t i) {
    const std::size_t first = i * at_once;
    ScanPass pass(request, first, std::min(at_once, num_queries - first));
    pass.run();
    pass.finish(result);
  });
}

template <typename Query, typename Row>
void distances_to_rows(const DistanceRequestOf<Query, Row>& request, std::span<Distance> out) {
  const MatrixOf<Row>& rows = request.rows.matrix;
  check_rows(request.metric, request.query.size(), rows);
  check_scale(request.metric, request.rows);
  const DistanceKernelOf<Query, Row> kernel = kernel_of<Query, Row>(request.metric);
  const std::vector<float> scales =
      query_scales(request.metric, MatrixOf<Query>{request.query, 1, request.query.size()});
  std::vector<RowId> block;
  block.reserve(std::min(kMaxBlockRows, request.row_ids.size()));
  CancelPoint point;
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
    if (!scales.empty()) scale_all(values, scales[0]);
    for (Distance& value : values) {
      if (std::isnan(value)) value = std::numeric_limits<Distance>::infinity();
    }
    point.passed(count * rows.dim);
  }
}

template void scan_topk(const ScanRequestOf<float, float>&, ScanResult, std::size_t);
template void scan_topk(const ScanRequestOf<float, Half>&, ScanResult, std::size_t);
template void scan_topk(const ScanRequestOf<float, BFloat16>&, ScanResult, std::size_t);
template void scan_topk(const ScanRequestOf<float, std::int8_t>&, ScanResult, std::size_t);
template void scan_topk(const ScanRequestOf<std::int8_t, std::int8_t>&, ScanResult, std::size_t);
template void scan_topk(const ScanRequestOf<BitByte, BitByte>&, ScanResult, std::size_t);

template void distances_to_rows(const DistanceRequestOf<float, float>&, std::span<Distance>);
template void distances_to_rows(const DistanceRequestOf<float, Half>&, std::span<Distance>);
template void distances_to_rows(const DistanceRequestOf<float, BFloat16>&, std::span<Distance>);
template void distances_to_rows(const DistanceRequestOf<float, std::int8_t>&, std::span<Distance>);
template void distances_to_rows(const DistanceRequestOf<std::int8_t, std::int8_t>&,
                                std::span<Distance>);
template void distances_to_rows(const DistanceRequestOf<BitByte, BitByte>&, std::span<Distance>);

}  // namespace elanus
