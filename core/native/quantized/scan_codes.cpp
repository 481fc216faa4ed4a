// The first pass: blocks of codes that fit the cache, each against every query, and for each query
// a buffer of the rows that may still be among the nearest.
#include "quantized/scan_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "quantized/bounds.h"
#include "quantized/code_kernels.h"
#include "support/aligned_buffer.h"
#include "support/cancel.h"
#include "support/error.h"

namespace elanus {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A block of codes is read again by each tile of queries: it should stay in the L2 cache.
constexpr std::size_t kBlockBytes = 128 * 1024;
constexpr std::size_t kMinBlockRows = 32;
constexpr std::size_t kMaxBlockRows = 256;

// Queries that share one pass over the codes; bounds the memory of their products.
constexpr std::size_t kMaxPassQueries = 64;

// Bounds that leave more than this share of the rows save nothing: exact distances of scattered
// rows are dearer than those of rows in a line.
constexpr std::size_t kLeastExcluded = 4;
constexpr std::size_t kTrialRows = 2048;

std::size_t num_rows_visited(const CodeScan& scan) noexcept {
  const std::size_t in_range = scan.range.last - scan.range.first;
  return scan.allowed.has_value() ? std::min(scan.allowed->count(), in_range) : in_range;
}

// The rows that may be among the k nearest of one query: those whose lower bound is no more than
// the k-th smallest upper bound so far. They collect in a buffer; when it is full, the k-th upper
// bound is selected and what it excludes dropped.
class SurvivorBuffer {
 public:
  explicit SurvivorBuffer(std::size_t k) : k_(k), capacity_(std::max(4 * k, kMinCapacity)) {}

  [[nodiscard]] float threshold() const noexcept { return threshold_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  void push(Survivor row) {
    rows_.push_back(row);
    if (rows_.size() < capacity_) return;
    compact();
    capacity_ = std::max(capacity_, 2 * rows_.size());
  }

  void compact() {
    if (rows_.size() < k_) return;
    uppers_.resize(rows_.size());
    std::transform(rows_.begin(), rows_.end(), uppers_.begin(),
                   [](const Survivor& row) { return row.upper; });
    const auto kth = uppers_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(uppers_.begin(), kth, uppers_.end());
    threshold_ = std::min(threshold_, *kth);
    std::erase_if(rows_, [this](const Survivor& row) { return row.lower > threshold_; });
  }

  // In the order of `is_before`.
  [[nodiscard]] std::vector<Survivor> finish() {
    compact();
    std::sort(rows_.begin(), rows_.end(), is_before);
    return std::move(rows_);
  }

 private:
  static constexpr std::size_t kMinCapacity = 128;

  std::size_t k_;
  std::size_t capacity_;
  float threshold_ = kInfinity;
  std::vector<Survivor> rows_;
  std::vector<float> uppers_;
};

// One pass of a group of queries over the codes.
class CodePass {
 public:
  CodePass(const ScanCodes& codes, const CodeScan& scan, RowRange queries)
      : codes_(codes),
        scan_(scan),
        kernels_(code_kernels()),
        num_queries_(queries.last - queries.first),
        block_rows_(std::clamp(kBlockBytes / codes.stride(), kMinBlockRows, kMaxBlockRows)),
        buffers_(num_queries_, SurvivorBuffer(scan.k)) {
    query_codes_.grow(num_queries_ * codes.stride(), 0);
    widened_.grow(num_queries_ * codes.stride(), 0);
    products_.grow(num_queries_ * block_rows_, 0);
    numbers_.grow(4 * block_rows_, 0.0F);
    positions_.grow(block_rows_, 0);
    row_ids_.reserve(block_rows_);
    // A part of the rows says nothing about the others.
    const bool is_whole = scan.range.last - scan.range.first == codes.num_rows();
    const bool is_small = is_whole && num_rows_visited(scan) / kLeastExcluded <= scan.k;
    for (std::size_t q = 0; q < num_queries_; ++q) {
      const std::size_t stride = codes.stride();
      bounds_.push_back(
          encode_query(codes.metric(),
                       scan.queries.values.subspan((queries.first + q) * codes.dim(), codes.dim()),
                       codes.arrays().centre, query_codes_.span().subspan(q * stride, stride),
                       widened_.span().subspan(q * stride, stride)));
      if (is_small) bounds_.back().is_bounded = false;
      num_bounded_ += bounds_.back().is_bounded ? 1 : 0;
    }
  }

  void run() {
    if (scan_.allowed.has_value()) {
      visit_allowed(*scan_.allowed);
    } else {
      visit_range();
    }
    flush();
  }

  [[nodiscard]] Survivors finish(std::size_t query) {
    if (!bounds_[query].is_bounded) return {{}, false};
    return {buffers_[query].finish(), true};
  }

 private:
  void visit_range() {
    std::size_t row = scan_.range.first;
    while (row < scan_.range.last && num_bounded_ > 0) {
      row_ids_.resize(std::min(block_rows_, scan_.range.last - row));
      std::iota(row_ids_.begin(), row_ids_.end(), static_cast<RowId>(row));
      row += row_ids_.size();
      flush();
    }
  }

  void visit_allowed(const BitsetView& allowed) {
    const RowRange range = scan_.range;
    for (std::size_t w = range.first / kBitsPerWord;
         w < words_for_bits(range.last) && num_bounded_ > 0; ++w) {
      for (std::uint64_t bits = allowed.word(w); bits != 0; bits &= bits - 1) {
        const std::size_t row = w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits));
        if (row >= range.first && row < range.last) visit(static_cast<RowId>(row));
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
    kernels_.products({query_codes_.span().data(), widened_.span().data(), num_queries_,
                       codes_.arrays().codes.data(), codes_.stride(), row_ids_.data(), num_rows,
                       products_.span().data()});
    const RowNumbers rows = row_numbers();
    visited_ += num_rows;
    for (std::size_t q = 0; q < num_queries_; ++q) {
      if (bounds_[q].is_bounded) keep_survivors(q, rows);
    }
    // Bytes of codes cost about a quarter of floats.
    cancel_point_.passed(num_queries_ * num_rows * codes_.stride() / sizeof(float));
    row_ids_.clear();
  }

  // Scale, error and norm of the rows of the block, each in a line.
  struct RowNumbers {
    const float* scales;
    const float* errors;
    const float* norms;
  };

  RowNumbers row_numbers() {
    const ScanCodes::Arrays& all = codes_.arrays();
    const std::size_t first = row_ids_.front();
    if (row_ids_.back() - first + 1 == row_ids_.size()) {
      return {all.scales.data() + first, all.errors.data() + first, all.norms.data() + first};
    }
    float* scales = numbers_.span().data();
    float* errors = scales + block_rows_;
    float* norms = errors + block_rows_;
    for (std::size_t i = 0; i < row_ids_.size(); ++i) {
      scales[i] = all.scales[row_ids_[i]];
      errors[i] = all.errors[row_ids_[i]];
      norms[i] = all.norms[row_ids_[i]];
    }
    return {scales, errors, norms};
  }

  void keep_survivors(std::size_t q, const RowNumbers& rows) {
    QueryBounds& bounds = bounds_[q];
    SurvivorBuffer& buffer = buffers_[q];
    const std::int32_t* products = products_.span().data() + q * row_ids_.size();
    float* lower = numbers_.span().data() + 3 * block_rows_;
    const std::size_t found = kernels_.select(
        {products, rows.scales, rows.errors, rows.norms, row_ids_.size(), bounds.offset,
         bounds.weight, bounds.per_error, bounds.per_norm, bounds.square_low, bounds.base_low,
         buffer.threshold(), lower, positions_.span().data()});
    for (const std::uint32_t i : positions_.span().first(found)) {
      if (lower[i] > buffer.threshold()) continue;  // it has become smaller since
      const float norm = rows.norms[i];
      const float product = static_cast<float>(products[i] - bounds.offset) * rows.scales[i];
      const float upper =
          (bounds.base_high + norm * (bounds.square_high * norm + bounds.per_norm)) +
          bounds.per_error * rows.errors[i] - bounds.weight * product;
      // What is not a number bounds nothing.
      buffer.push({std::isnan(lower[i]) ? -kInfinity : lower[i],
                   std::isnan(upper) ? kInfinity : upper, row_ids_[i]});
    }
    if (visited_ >= kTrialRows && buffer.size() > visited_ / kLeastExcluded + 4 * scan_.k) {
      buffer.compact();
      if (buffer.size() > visited_ / kLeastExcluded + scan_.k) {
        bounds.is_bounded = false;
        --num_bounded_;
      }
    }
  }

  const ScanCodes& codes_;
  const CodeScan& scan_;
  const CodeKernels& kernels_;
  std::size_t num_queries_;
  std::size_t block_rows_;
  std::size_t visited_ = 0;
  std::size_t num_bounded_ = 0;
  AlignedBuffer<std::int8_t> query_codes_;
  AlignedBuffer<std::int16_t> widened_;
  AlignedBuffer<std::int32_t> products_;
  AlignedBuffer<float> numbers_;
  AlignedBuffer<std::uint32_t> positions_;
  std::vector<RowId> row_ids_;
  std::vector<QueryBounds> bounds_;
  std::vector<SurvivorBuffer> buffers_;
  CancelPoint cancel_point_;
};

[[noreturn]] void throw_length(const char* name, std::size_t expected, std::size_t got) {
  throw_corruption(std::string("scan codes: expected ") + std::to_string(expected) + " " + name +
                   ", got " + std::to_string(got));
}

void check_scan(const ScanCodes& codes, const CodeScan& scan) {
  if (scan.k == 0) throw_invalid_argument("k: expected at least 1, got 0");
  if (scan.queries.dim != codes.dim()) {
    throw_invalid_argument("query: expected dim " + std::to_string(codes.dim()) +
                           " as the rows have, got " + std::to_string(scan.queries.dim));
  }
  if (scan.range.first > scan.range.last || scan.range.last > codes.num_rows()) {
    throw_invalid_argument("range: expected rows within 0 to " + std::to_string(codes.num_rows()) +
                           ", got " + std::to_string(scan.range.first) + " to " +
                           std::to_string(scan.range.last));
  }
  if (scan.allowed.has_value() && scan.allowed->num_words() != words_for_bits(codes.num_rows())) {
    throw_invalid_argument("allowed: expected " + std::to_string(words_for_bits(codes.num_rows())) +
                           " words, got " + std::to_string(scan.allowed->num_words()));
  }
}

}  // namespace

ScanCodes::ScanCodes(const Arrays& arrays, Metric metric)
    : arrays_(arrays), metric_(metric), stride_(code_stride(arrays.centre.size())) {
  if (dim() == 0 || dim() > kMaxCodeDim) throw_length("centre values at most", kMaxCodeDim, dim());
  if (num_rows() > std::numeric_limits<RowId>::max()) {
    throw_length("rows at most", std::numeric_limits<RowId>::max(), num_rows());
  }
  if (arrays.codes.size() != num_rows() * stride_) {
    throw_length("bytes of codes", num_rows() * stride_, arrays.codes.size());
  }
  if (arrays.errors.size() != num_rows()) throw_length("errors", num_rows(), arrays.errors.size());
  if (arrays.norms.size() != num_rows()) throw_length("norms", num_rows(), arrays.norms.size());
}

std::vector<Survivors> scan_codes(const ScanCodes& codes, const CodeScan& scan) {
  check_scan(codes, scan);
  std::vector<Survivors> survivors;
  survivors.reserve(scan.queries.num_rows);
  for (std::size_t first = 0; first < scan.queries.num_rows; first += kMaxPassQueries) {
    const std::size_t last = std::min(first + kMaxPassQueries, scan.queries.num_rows);
    CodePass pass(codes, scan, {first, last});
    pass.run();
    for (std::size_t q = 0; q < last - first; ++q) survivors.push_back(pass.finish(q));
  }
  return survivors;
}

}  // namespace elanus
