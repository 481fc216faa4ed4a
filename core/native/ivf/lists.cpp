#include "ivf/lists.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "ivf/ivf_kernels.h"
#include "ivf/query_codes.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/top_k.h"

namespace elanus {
namespace {

// Slots whose distances are computed at a time: they stay in the first-level cache.
constexpr std::size_t kChunkSlots = 256;
constexpr std::int32_t kZeroCode = 128;
constexpr std::size_t kLineBytes = 64;
// Codes of the next list that are asked for while one is scanned.
constexpr std::size_t kPrefetchBytes = 2048;

std::size_t code_stride(std::size_t dim) noexcept {
  return (dim + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
}

void check_stored(const char* name, std::size_t expected, std::size_t got) {
  if (expected != got) {
    throw_corruption("inverted lists: " + std::string(name) + " should hold " +
                     std::to_string(expected) + " values, got " + std::to_string(got));
  }
}

// One query on its way through the lists.
class ListWalk {
 public:
  ListWalk(const InvertedLists& lists, const ListSearch& search)
      : lists_(lists), arrays_(lists.arrays()), search_(search), values_(kChunkSlots) {
    positions_.resize(kChunkSlots + kPanelWidth);
    is_l2_ = lists.shape().metric == Metric::l2;
  }

  void run(std::span<const float> query, TopKRow out) {
    original_ = query;
    query_.resize(query.size());
    for (std::size_t d = 0; d < query.size(); ++d) {
      query_[d] = is_l2_ ? query[d] - arrays_.mean[d] : query[d];
    }
    bytes_.set(query_);
    if (lists_.shape().coding == Coding::product) {
      tables_.set(query_, lists_.books(), is_l2_ ? 2.0F : 1.0F);
    }
    rank_lists();
    TopK best(std::min(search_.k, std::max<std::size_t>(lists_.shape().num_rows, 1)));
    visit_lists(best);
    best.finish(out);
  }

 private:
  // A key of `order_` sorts by distance, then by number of the list, which is its low half.
  void rank_lists() {
    const std::size_t count = lists_.num_lists();
    probe_values_.resize(count);
    const float step = bytes_.scale * lists_.shape().probe_step;
    ivf_kernels().scan_scalar({arrays_.probe_codes.data(), code_stride(lists_.dim()), count,
                               bytes_.bytes.data(), bytes_.words.data()},
                              {0.0F, is_l2_ ? -2.0F * step : -step, kZeroCode * bytes_.sum,
                               is_l2_ ? arrays_.probe_terms.data() : nullptr},
                              probe_values_.data());
    order_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(probe_values_[i]);
      const std::uint32_t high = (bits >> 31U) != 0 ? ~bits : bits | 0x80000000U;
      order_[i] = (std::uint64_t{high} << 32U) | i;
    }
    sort_more(std::min(search_.num_probes, count));
    cancel_point_.passed(count * code_stride(lists_.dim()) / sizeof(float));
  }

  // Brings the nearest `wanted` lists into order.
  void sort_more(std::size_t wanted) {
    const auto from = order_.begin();
    const auto to = order_.begin() + static_cast<std::ptrdiff_t>(wanted);
    if (wanted < order_.size()) std::nth_element(from, to, order_.end());
    std::sort(from, to);
    sorted_ = wanted;
  }

  void visit_lists(TopK& best) {
    std::size_t met = 0;
    for (std::size_t probe = 0; probe < order_.size(); ++probe) {
      if (probe >= search_.num_probes && met >= search_.least_rows) break;
      if (probe >= sorted_) sort_more(order_.size());
      if (probe + 1 < sorted_) prefetch_list(static_cast<std::uint32_t>(order_[probe + 1]));
      met += visit_list(static_cast<std::uint32_t>(order_[probe]), best);
    }
  }

  // Asks for the beginning of a list; the processor itself goes on from there.
  void prefetch_list(std::uint32_t list) const {
    const auto start = static_cast<std::size_t>(arrays_.offsets[list]);
    if (start >= arrays_.row_ids.size()) return;
    const std::size_t at = arrays_.codes.size() / arrays_.row_ids.size() * start;
    const std::size_t bytes = std::min(kPrefetchBytes, arrays_.codes.size() - at);
    for (std::size_t b = 0; b < bytes; b += kLineBytes) {
      __builtin_prefetch(arrays_.codes.data() + at + b);
    }
    __builtin_prefetch(arrays_.row_ids.data() + start);
    if (is_l2_ && !arrays_.terms.empty()) __builtin_prefetch(arrays_.terms.data() + start);
    __builtin_prefetch(arrays_.centroids.data() + std::size_t{list} * lists_.dim());
  }

  // Returns how many allowed rows the list holds.
  std::size_t visit_list(std::uint32_t list, TopK& best) {
    const auto first = static_cast<std::size_t>(arrays_.offsets[list]);
    const auto last = static_cast<std::size_t>(arrays_.offsets[list + 1]);
    if (first == last) return 0;
    if (lists_.shape().coding != Coding::none) set_bias(list);
    std::size_t met = 0;
    for (std::size_t start = first; start < last; start += kChunkSlots) {
      const std::size_t count = std::min(kChunkSlots, last - start);
      if (lists_.shape().coding == Coding::none) {
        met += visit_rows(start, count, best);
      } else if (search_.allowed.has_value()) {
        met += visit_allowed(list, start, count, best);
      } else {
        met += visit_all(list, start, count, best);
      }
      // Also where no row is allowed, the ids of the slots are read.
      cancel_point_.passed(count * (1 + lists_.dim() / sizeof(float)));
    }
    return met;
  }

  // Distance of the query to the centroid, the part that all rows of a list share.
  void set_bias(std::uint32_t list) {
    const std::size_t dim = lists_.dim();
    const std::int64_t id = list;
    distances_to_rows({is_l2_ ? Metric::l2 : Metric::ip,
                       query_,
                       {{arrays_.centroids, lists_.num_lists(), dim}, {}},
                       std::span(&id, 1)},
                      std::span(&bias_, 1));
  }

  [[nodiscard]] RowId checked_row(std::size_t slot) const {
    const RowId row = arrays_.row_ids[slot];
    if (row != kNoRow && row >= lists_.shape().num_rows) {
      throw_corruption("inverted lists: slot " + std::to_string(slot) + " names row " +
                       std::to_string(row) + " of " + std::to_string(lists_.shape().num_rows));
    }
    return row;
  }

  void compute_keys(std::uint32_t list, std::size_t start, std::size_t count) {
    const float* terms = is_l2_ ? arrays_.terms.data() + start : nullptr;
    if (lists_.shape().coding == Coding::scalar) {
      const float step = bytes_.scale * arrays_.steps[list];
      const std::size_t stride = code_stride(lists_.dim());
      ivf_kernels().scan_scalar(
          {arrays_.codes.data() + start * stride, stride, count, bytes_.bytes.data(),
           bytes_.words.data()},
          {bias_, is_l2_ ? -2.0F * step : -step, kZeroCode * bytes_.sum, terms}, values_.data());
      return;
    }
    const Codebooks& books = lists_.books();
    const std::size_t subs = padded_subs(books);
    const std::size_t slot_bits = subs * books.bits;
    const ProductCodes codes{arrays_.codes.data() + start * slot_bits / 8, count / kCodeBlockRows,
                             subs};
    if (books.bits == 4) {
      ivf_kernels().scan_product4(codes, tables_.bytes.data(),
                                  {bias_ + tables_.base, tables_.scale, 0, terms}, values_.data());
    } else {
      ivf_kernels().scan_product8(codes, tables_.values.data(), {bias_, 1.0F, 0, terms},
                                  values_.data());
    }
  }

  std::size_t visit_all(std::uint32_t list, std::size_t start, std::size_t count, TopK& best) {
    compute_keys(list, start, count);
    const std::size_t found =
        ivf_kernels().select_near(values_.data(), count, best.bound(), positions_.data());
    for (std::size_t i = 0; i < found; ++i) {
      const RowId row = checked_row(start + positions_[i]);
      if (row != kNoRow) best.push(values_[positions_[i]], row);
    }
    // Padding stands at the end of a list.
    std::size_t rows = count;
    while (rows > 0 && arrays_.row_ids[start + rows - 1] == kNoRow) --rows;
    return rows;
  }

  std::size_t visit_allowed(std::uint32_t list, std::size_t start, std::size_t count, TopK& best) {
    std::size_t met = 0;
    for (std::size_t i = 0; i < count; ++i) {
      positions_[met] = static_cast<std::uint32_t>(i);
      const RowId row = checked_row(start + i);
      met += row != kNoRow && search_.allowed->test(row) ? 1 : 0;
    }
    if (met == 0) return 0;
    compute_keys(list, start, count);
    for (std::size_t i = 0; i < met; ++i) {
      best.push(values_[positions_[i]], arrays_.row_ids[start + positions_[i]]);
    }
    return met;
  }

  // Exact distances of the allowed rows of some slots.
  std::size_t visit_rows(std::size_t start, std::size_t count, TopK& best) {
    ids_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const RowId row = checked_row(start + i);
      if (row == kNoRow) continue;
      if (search_.allowed.has_value() && !search_.allowed->test(row)) continue;
      ids_.push_back(row);
    }
    distances_to_rows({lists_.shape().metric, original_, search_.rows, ids_},
                      std::span(values_).first(ids_.size()));
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      best.push(values_[i], static_cast<RowId>(ids_[i]));
    }
    return ids_.size();
  }

  const InvertedLists& lists_;
  const ListArrays& arrays_;
  const ListSearch& search_;
  bool is_l2_ = false;
  std::span<const float> original_;
  std::vector<float> query_;
  ByteQuery bytes_;
  ProductTables tables_;
  std::vector<float> probe_values_;
  std::vector<std::uint64_t> order_;
  std::size_t sorted_ = 0;
  float bias_ = 0;
  std::vector<float> values_;
  std::vector<std::uint32_t> positions_;
  std::vector<std::int64_t> ids_;
  CancelPoint cancel_point_;
};

}  // namespace

InvertedLists::InvertedLists(const ListArrays& arrays, const Codebooks& books,
                             const ListShape& shape)
    : arrays_(arrays), books_(books), shape_(shape) {
  check_lists();
  check_codes();
}

void InvertedLists::check_lists() const {
  if (arrays_.offsets.size() < 2 || arrays_.mean.empty()) {
    throw_corruption("inverted lists: expected at least one list and one dimension");
  }
  const std::size_t count = num_lists();
  check_stored("centroids", count * dim(), arrays_.centroids.size());
  check_stored("probe codes", count * code_stride(dim()), arrays_.probe_codes.size());
  check_stored("probe terms", count, arrays_.probe_terms.size());
  const std::int64_t granule = shape_.coding == Coding::product ? kCodeBlockRows : 1;
  std::int64_t previous = 0;
  for (const std::int64_t offset : arrays_.offsets) {
    if (offset < previous || offset % granule != 0 ||
        static_cast<std::uint64_t>(offset) > arrays_.row_ids.size()) {
      throw_corruption("inverted lists: offset " + std::to_string(offset) + " after " +
                       std::to_string(previous) + " with " +
                       std::to_string(arrays_.row_ids.size()) + " slots");
    }
    previous = offset;
  }
  if (arrays_.offsets.front() != 0 ||
      static_cast<std::size_t>(previous) != arrays_.row_ids.size() ||
      arrays_.row_ids.size() < shape_.num_rows) {
    throw_corruption("inverted lists: offsets end at " + std::to_string(previous) + " of " +
                     std::to_string(arrays_.row_ids.size()) + " slots, for " +
                     std::to_string(shape_.num_rows) + " rows");
  }
}

void InvertedLists::check_codes() const {
  const std::size_t slots = arrays_.row_ids.size();
  std::size_t code_bytes = 0;
  if (shape_.coding == Coding::scalar) {
    code_bytes = slots * code_stride(dim());
    check_stored("steps", num_lists(), arrays_.steps.size());
  } else if (shape_.coding == Coding::product) {
    try {
      check_codebooks(books_, dim());
    } catch (const Error& error) {
      throw_corruption(std::string("inverted lists: ") + error.what());
    }
    code_bytes = slots * padded_subs(books_) * books_.bits / 8;
  }
  check_stored("codes", code_bytes, arrays_.codes.size());
  const bool has_terms = shape_.metric == Metric::l2 && shape_.coding != Coding::none;
  check_stored("terms", has_terms ? slots : 0, arrays_.terms.size());
}

void InvertedLists::search(const ListSearch& search, ScanResult result) const {
  if (search.queries.dim != dim()) {
    throw_invalid_argument("queries: expected dim " + std::to_string(dim()) +
                           " as the rows have, got " + std::to_string(search.queries.dim));
  }
  if (shape_.coding == Coding::none && search.rows.matrix.num_rows != shape_.num_rows) {
    throw_invalid_argument("rows: expected " + std::to_string(shape_.num_rows) + ", got " +
                           std::to_string(search.rows.matrix.num_rows));
  }
  ListWalk walk(*this, search);
  for (std::size_t q = 0; q < search.queries.num_rows; ++q) {
    walk.run(search.queries.values.subspan(q * dim(), dim()),
             {result.row_ids.subspan(q * search.k, search.k),
              result.distances.subspan(q * search.k, search.k)});
  }
}

void rescore(const RescoreRequest& request, ScanResult result) {
  const std::size_t num_queries = request.queries.num_rows;
  const std::size_t dim = request.queries.dim;
  const std::size_t depth = num_queries == 0 ? 0 : request.candidates.size() / num_queries;
  std::vector<std::int64_t> ids;
  std::vector<Distance> distances;
  CancelPoint point;
  for (std::size_t q = 0; q < num_queries; ++q) {
    ids.clear();
    for (const std::int64_t id : request.candidates.subspan(q * depth, depth)) {
      if (id >= 0) ids.push_back(id);
    }
    // In file order: rows that lie together are read together.
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
      throw_corruption("candidates: the lists of an index name a row twice");
    }
    distances.resize(ids.size());
    distances_to_rows(
        {request.metric, request.queries.values.subspan(q * dim, dim), request.rows, ids},
        distances);
    point.passed(ids.size() * dim);
    TopK best(std::max<std::size_t>(std::min(request.k, ids.size()), 1));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      best.push(distances[i], static_cast<RowId>(ids[i]));
    }
    best.finish({result.row_ids.subspan(q * request.k, request.k),
                 result.distances.subspan(q * request.k, request.k)});
  }
}

}  // namespace elanus
