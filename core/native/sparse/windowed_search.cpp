#include "sparse/windowed_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "sparse/window_kernels.h"
#include "support/aligned_buffer.h"
#include "support/cancel.h"
#include "support/error.h"
#include "support/top_k.h"

namespace elanus {
namespace {

using packed::ContainerKind;
using packed::DirectoryEntry;
using packed::kMaxCode;
using packed::kWindowRows;

// Counters have 16 bits; sums stay below by what rounding up adds.
constexpr double kLargestSum = 65000;
constexpr double kLargestWeight = 65535;
constexpr std::size_t kMaxTerms = 4096;
// There is one for each number of 16 bits, so that no row of a damaged array is outside.
constexpr std::size_t kCounters = 65536;

// Costs in additions of a posting, measured.
constexpr std::size_t kWindowCost = 800;
constexpr std::size_t kUnpackCost = 5;
constexpr std::size_t kProbeCost = 25;

// Further on the processor has noticed what is read.
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kPrefetchedBytes = 8 * kLineBytes;

// Codes made with other statistics than a search has bound its scores; beyond this ratio between
// upper and lower bound too few rows are ruled out.
constexpr double kMaxDrift = 2;

struct Addend {
  PackedTerm term;
  float query_weight = 0;
  double share = 0;          // of the term in a score, at a weight of 1, in counts
  std::uint16_t weight = 0;  // adds `code * weight >> 8` counts
  std::size_t next = 0;      // window of the directory, or place in a short list

  [[nodiscard]] std::uint32_t most(std::uint8_t code) const noexcept {
    return std::max<std::uint32_t>(1, (std::uint32_t{code} * weight) >> 8);
  }
};

// What a thread keeps between its searches. Between searches every counter is 0.
struct Scratch {
  AlignedBuffer<std::uint16_t> counters;
  std::vector<std::uint64_t> kept;
  std::vector<Addend> addends;
  std::vector<std::uint16_t> rows;
  std::vector<std::uint16_t> values;
  std::vector<std::uint64_t> allowed;
};

Scratch& thread_scratch() {
  static thread_local Scratch scratch;
  scratch.counters.grow(kCounters, 0);
  return scratch;
}

template <typename Scoring>
float score_addition(const PackedPostings& postings, const Addend& addend, const Scoring& scoring,
                     RowId row, float score, PostingCursor& cursor) {
  const std::optional<PostingPlace> place = postings.find(addend.term, row, cursor);
  if (!place.has_value()) return score;
  return score + scoring(addend.query_weight, row, postings.weight(addend.term, row, *place));
}

std::vector<Addend>& open_terms(const PackedRequest& request) {
  check_query(request.query);
  request.postings.prefetch(request.query.terms);
  std::vector<Addend>& addends = thread_scratch().addends;
  addends.clear();
  for (std::size_t i = 0; i < request.query.terms.size(); ++i) {
    Addend addend;
    addend.term = request.postings.term(request.query.terms[i]);
    addend.query_weight = request.query.weights[i];
    addends.push_back(addend);
  }
  return addends;
}

SparseHits to_hits(TopK& best) {
  SparseHits hits{std::vector<std::int64_t>(best.size()), std::vector<Distance>(best.size())};
  best.finish({hits.row_ids, hits.distances});
  return hits;
}

// Unpacks every posting and scores all rows.
SparseHits search_unpacked(const PackedRequest& request, const std::vector<Addend>& addends,
                           const std::optional<BitsetView>& allowed, std::size_t k) {
  UnpackedPostings unpacked;
  std::vector<std::size_t> ends;
  CancelPoint point;
  for (const Addend& addend : addends) {
    request.postings.unpack(addend.term, unpacked);
    point.passed(addend.term.frequency * kUnpackCost);
    ends.push_back(unpacked.rows.size());
  }
  std::vector<WeightedPostings> terms;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < addends.size(); ++i) {
    const std::size_t count = ends[i] - begin;
    const std::span<const RowId> rows(unpacked.rows);
    const std::span<const float> weights(unpacked.weights);
    terms.push_back(
        {{rows.subspan(begin, count), weights.subspan(begin, count)}, addends[i].query_weight});
    begin = ends[i];
  }
  return search_exhaustive({terms, request.bm25, request.postings.num_rows()}, allowed, k);
}

// How far scores may lie from what counters say: a score in counts is at least
// `low * (counter - over)` and at most `high * (counter + under)`.
struct Bounds {
  double low = 1;
  double high = 1;
  double over = 0;
  double under = 0;

  // The smallest counter of a row that may score as high as one with `counter` for certain does.
  [[nodiscard]] std::uint16_t least(std::uint32_t counter) const noexcept {
    const double bound = std::floor((counter - over) * (low / high) - under);
    return static_cast<std::uint16_t>(std::clamp(bound, 1.0, 65535.0));
  }
};

// A search by windows of rows, term at a time within each.
class WindowedSearch {
 public:
  WindowedSearch(const PackedRequest& request, std::vector<Addend>& addends,
                 const AllowedRows& allowed, std::size_t k)
      : request_(request),
        addends_(addends),
        allowed_(allowed.bits),
        few_(allowed.few),
        k_(k),
        kernels_(window_kernels()),
        scratch_(thread_scratch()) {
    for (const Addend& addend : addends) num_postings_ += addend.term.frequency;
  }

  // False when the codes cannot serve this query, or reading all postings is as good.
  bool prepare() {
    const std::size_t num_windows = packed::windows_for(request_.postings.num_rows());
    const std::size_t num_terms = addends_.size();
    if (num_terms == 0 || num_terms > kMaxTerms) return false;
    if (num_postings_ * kUnpackCost < num_windows * kWindowCost) return false;
    most_kept_ = num_postings_ * kUnpackCost / (num_terms * kProbeCost) + 1;
    if (k_ > most_kept_) return false;
    return set_drift() && set_weights();
  }

  // True when looking the allowed rows up in each list takes less than adding the lists up.
  [[nodiscard]] bool is_probing_cheaper() const noexcept {
    if (!allowed_.has_value()) return !few_.empty();
    if (addends_.empty()) return true;
    const std::size_t most = (num_postings_ + kWindowCost - 1) / (addends_.size() * kProbeCost);
    return few_.empty() ? !allowed_->has_more_than(most) : few_.size() <= most;
  }

  void take_allowed() {
    scratch_.kept.assign(few_.begin(), few_.end());
    if (!few_.empty()) return;
    for (std::size_t w = 0; w < allowed_->num_words(); ++w) {
      for (std::uint64_t bits = allowed_->word(w); bits != 0; bits &= bits - 1) {
        scratch_.kept.push_back(w * kBitsPerWord +
                                static_cast<std::size_t>(std::countr_zero(bits)));
      }
    }
  }

  // Keeps every row that may be among the best. False when these are too many.
  bool run() try {
    scratch_.kept.clear();
    capacity_ = 2 * k_ + 64;
    room_ = std::clamp<std::size_t>(capacity_, 128, 4096);
    scratch_.rows.resize(room_);
    scratch_.values.resize(room_);
    const std::size_t num_windows = packed::windows_for(request_.postings.num_rows());
    const std::size_t operations =
        kWindowCost + num_postings_ / std::max<std::size_t>(num_windows, 1);
    CancelPoint point;
    for (std::size_t window = 0; window < num_windows; ++window) {
      if (!search_window(window)) return false;
      // Only between windows: every counter is 0 here, as the next search expects.
      point.passed(operations);
    }
    compact();
    if (scratch_.kept.size() > most_kept_) return false;
    for (std::uint64_t& key : scratch_.kept) key &= 0xffffffffU;
    std::sort(scratch_.kept.begin(), scratch_.kept.end());
    return true;
  } catch (...) {
    // Without memory in the middle of a window, its counters would go on in the next search.
    scratch_.counters.fill(0);
    throw;
  }

  // Scores the rows that were kept, as every other path does: by the query's terms, in order.
  SparseHits rescore() {
    TopK best(std::min(k_, std::max<std::size_t>(request_.postings.num_rows(), 1)));
    std::vector<float> scores(scratch_.kept.size(), kUnmatched);
    CancelPoint point;
    if (request_.bm25.has_value()) {
      for (const std::uint64_t row : scratch_.kept) {
        __builtin_prefetch(request_.bm25->lengths.data() + row);
      }
    }
    if (!few_.empty()) {
      const auto first = static_cast<RowId>(few_.front());
      for (const Addend& addend : addends_) PackedPostings::prefetch(addend.term, first);
    }
    with_scoring(request_.bm25, request_.postings.num_rows(), [&](const auto& scoring) {
      for (const Addend& addend : addends_) {
        PostingCursor cursor;  // rows ascend
        for (std::size_t i = 0; i < scores.size(); ++i) {
          const auto row = static_cast<RowId>(scratch_.kept[i]);
          scores[i] = score_addition(request_.postings, addend, scoring, row, scores[i], cursor);
        }
        point.passed(scores.size() * kProbeCost);
      }
    });
    for (std::size_t i = 0; i < scores.size(); ++i) {
      // `0 - x`, so that no distance is -0, which would not tie with +0.
      if (is_matched(scores[i])) best.push(0.0F - scores[i], static_cast<RowId>(scratch_.kept[i]));
    }
    return to_hits(best);
  }

 private:
  // False when codes were made for another kind of score, or for too different statistics.
  bool set_drift() {
    const std::optional<SealedCoding>& coding = request_.postings.coding();
    if (coding.has_value() != request_.bm25.has_value()) return false;
    if (!coding.has_value()) return true;
    const Bm25Scoring scoring(*request_.bm25, request_.postings.num_rows());
    gain_ = static_cast<double>(scoring.gain());
    const double base = static_cast<double>(scoring.base());
    const double slope = static_cast<double>(scoring.slope());
    // (tf + K) / (tf + K'): between 1 and its value at tf = 1, which is monotone in the length.
    const double shortest = (1 + coding->coding.base()) / (1 + base);
    double longest = shortest;
    if (coding->coding.slope() > 0 || slope > 0) {
      if (!(slope > 0)) return false;
      longest = coding->coding.slope() / slope;
    }
    bounds_.low = std::min({1.0, shortest, longest});
    bounds_.high = std::max({1.0, shortest, longest});
    return bounds_.high <= bounds_.low * kMaxDrift;
  }

  // False when a weight of the query or of a term has no code.
  bool set_weights() {
    double sum = 0;
    double largest = 0;
    for (Addend& addend : addends_) {
      const double weight = static_cast<double>(addend.query_weight);
      if (!(weight >= 0) || !std::isfinite(weight)) return false;
      if (addend.term.has_exact_weights && !(addend.term.largest_weight > 0) &&
          addend.term.frequency > 0) {
        return false;
      }
      const double unit =
          addend.term.has_exact_weights ? static_cast<double>(addend.term.largest_weight) : gain_;
      addend.share = weight * unit;
      sum += addend.share * addend.term.largest_code() / kMaxCode;
      largest = std::max(largest, addend.share);
    }
    const auto num_terms = static_cast<double>(addends_.size());
    if (!(sum > 0) || !std::isfinite(sum) || !std::isfinite(largest)) return false;
    // A rare term with small codes must not exceed 16 bits by its weight alone.
    const double scale =
        std::min((kLargestSum - 2 * num_terms) / sum, kLargestWeight * kMaxCode / 256 / largest);
    if (!std::isfinite(scale)) return false;
    for (Addend& addend : addends_) {
      addend.share *= scale;
      addend.weight =
          static_cast<std::uint16_t>(std::min(addend.share * 256 / kMaxCode, kLargestWeight));
      // Codes are rounded to 1/255 and never 0; products are cut off and never 0.
      bounds_.under += addend.share / (2 * kMaxCode) + 2;
      bounds_.over += addend.share / (addend.term.has_tiny_weights ? kMaxCode : 2 * kMaxCode) + 1;
    }
    // What float32 rounds while it adds the terms up.
    const double rounding = kLargestSum * (num_terms + 16) * 1.2e-7 + 1;
    bounds_.under += rounding;
    bounds_.over += rounding;
    return true;
  }

  bool search_window(std::size_t window) {
    const std::uint64_t* allowed = nullptr;
    bool is_allowed = true;
    if (allowed_.has_value()) {
      allowed = allowed_words(window);
      is_allowed = std::any_of(allowed, allowed + packed::kWindowWords,
                               [](std::uint64_t word) { return word != 0; });
    }
    const auto end = static_cast<std::uint64_t>(window + 1) * kWindowRows;
    std::uint32_t most = 0;
    for (const Addend& addend : addends_) most += most_in(addend, window, end);
    const bool is_worth_it = is_allowed && most >= least_ && most > 0;
    for (std::size_t i = 0; i < addends_.size(); ++i) {
      const bool is_last = i + 1 == addends_.size();
      prefetch(addends_[is_last ? 0 : i + 1], is_last ? window + 1 : window);
      add(addends_[i], window, end, is_worth_it);
    }
    if (!is_worth_it) return true;
    if (least_ == 1) raise_by_blocks(allowed);
    return drain(window, allowed);
  }

  // The largest count that a term can add in a window.
  [[nodiscard]] static std::uint32_t most_in(const Addend& addend, std::size_t window,
                                             std::uint64_t end) noexcept {
    if (addend.term.is_short()) {
      const bool is_here =
          addend.next < addend.term.frequency && addend.term.rows[addend.next] < end;
      return is_here ? addend.most(kMaxCode) : 0;
    }
    const bool is_here = addend.next < addend.term.directory.size() &&
                         addend.term.directory[addend.next].window == window;
    return is_here ? addend.most(addend.term.directory[addend.next].largest_code) : 0;
  }

  // Adds what a term has in a window, or only steps over it.
  void add(Addend& addend, std::size_t window, std::uint64_t end, bool is_worth_it) {
    std::uint16_t* counters = scratch_.counters.span().data();
    const PackedTerm& term = addend.term;
    if (term.is_short()) {
      for (; addend.next < term.frequency && term.rows[addend.next] < end; ++addend.next) {
        if (!is_worth_it) continue;
        std::uint16_t& counter = counters[(term.rows[addend.next] - window * kWindowRows) & 0xffff];
        counter = static_cast<std::uint16_t>(counter + addend.most(term.codes[addend.next]));
      }
      return;
    }
    if (addend.next >= term.directory.size() || term.directory[addend.next].window != window) {
      return;
    }
    const PackedContainer part = term.container(addend.next++);
    if (!is_worth_it) return;
    if (part.kind == ContainerKind::array) {
      kernels_.add_array({counters, part.ids(), part.codes(), part.count, addend.weight});
    } else if (part.kind == ContainerKind::bitmap) {
      kernels_.add_bitmap({counters, part.bytes, packed::kWindowWords, part.codes(),
                           part.codes() + part.count, addend.weight});
    } else {
      kernels_.add_dense({counters, part.codes(), kWindowRows, addend.weight});
    }
  }

  // Asks for the first lines of what a term has in a window, before its turn.
  static void prefetch(const Addend& addend, std::size_t window) noexcept {
    const PackedTerm& term = addend.term;
    std::size_t i = addend.next;
    if (i < term.directory.size() && term.directory[i].window < window) ++i;
    if (i >= term.directory.size() || term.directory[i].window != window) return;
    const PackedContainer part = term.container(i);
    if (part.kind == ContainerKind::dense) {
      prefetch(part.codes(), kWindowRows);
      return;
    }
    prefetch(part.bytes, static_cast<std::size_t>(part.codes() - part.bytes));
    prefetch(part.codes(), part.count);
  }

  static void prefetch(const std::uint8_t* bytes, std::size_t count) noexcept {
    for (std::size_t at = 0; at < std::min(count, kPrefetchedBytes); at += kLineBytes) {
      __builtin_prefetch(bytes + at);
    }
  }

  const std::uint64_t* allowed_words(std::size_t window) {
    const std::size_t first = window * packed::kWindowWords;
    // The last word of the bitset may have padding bits.
    if (first + packed::kWindowWords < allowed_->num_words()) return allowed_->data() + first;
    scratch_.allowed.assign(packed::kWindowWords, 0);
    for (std::size_t w = first; w < allowed_->num_words(); ++w) {
      scratch_.allowed[w - first] = allowed_->word(w);
    }
    return scratch_.allowed.data();
  }

  // Raises what a row must reach before any row is kept: each of the k blocks with the largest
  // counters has a row that reaches the k-th of these.
  void raise_by_blocks(const std::uint64_t* allowed) {
    if (k_ > packed::kWindowWords) return;
    std::array<std::uint16_t, packed::kWindowWords> maxima;
    kernels_.block_maxima(
        {scratch_.counters.span().data(), allowed, packed::kWindowWords, maxima.data()});
    const auto kth = maxima.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(maxima.begin(), kth, maxima.end(), std::greater<>());
    least_ = std::max(least_, bounds_.least(*kth));
  }

  // Keeps the rows of a window that may be among the best, and clears its counters.
  bool drain(std::size_t window, const std::uint64_t* allowed) {
    const std::size_t first_row = window * kWindowRows;
    const std::size_t num_rows = request_.postings.num_rows();
    bool is_few = true;
    Drain state{
        scratch_.counters.span().data(), allowed, 0,    kWindowRows, least_, scratch_.rows.data(),
        scratch_.values.data(),          0,       room_};
    while (state.position < state.end) {
      state.found = 0;
      state.least = is_few ? least_ : std::numeric_limits<std::uint16_t>::max();
      kernels_.drain(state);
      for (std::size_t i = 0; i < state.found; ++i) {
        const std::size_t row = first_row + scratch_.rows[i];
        // Only damaged postings have rows behind the last.
        if (row >= num_rows) continue;
        scratch_.kept.push_back((std::uint64_t{scratch_.values[i]} << 32) | row);
      }
      if (scratch_.kept.size() >= capacity_) {
        compact();
        capacity_ = std::max(capacity_, 2 * scratch_.kept.size());
        is_few = is_few && scratch_.kept.size() <= 2 * most_kept_;
      }
    }
    return is_few;
  }

  // Raises what a row must reach by the k-th of those kept, and drops what does not.
  void compact() {
    std::vector<std::uint64_t>& kept = scratch_.kept;
    if (kept.size() < k_) return;
    const auto kth = kept.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(kept.begin(), kth, kept.end(), std::greater<>());
    least_ = std::max(least_, bounds_.least(static_cast<std::uint32_t>(*kth >> 32)));
    std::erase_if(kept, [least = least_](std::uint64_t key) { return (key >> 32) < least; });
  }

  const PackedRequest& request_;
  std::vector<Addend>& addends_;
  const std::optional<BitsetView>& allowed_;
  std::span<const std::int64_t> few_;
  std::size_t k_;
  const WindowKernels& kernels_;
  Scratch& scratch_;
  std::size_t num_postings_ = 0;
  std::size_t most_kept_ = 0;
  double gain_ = 1;
  Bounds bounds_;
  std::uint16_t least_ = 1;
  std::size_t capacity_ = 0;
  std::size_t room_ = 0;
};

}  // namespace

SparseHits search_windows(const PackedRequest& request, const AllowedRows& allowed, std::size_t k) {
  if (k == 0) throw_invalid_argument("k: expected at least 1, got 0");
  std::vector<Addend>& addends = open_terms(request);
  WindowedSearch search(request, addends, allowed, k);
  if (search.is_probing_cheaper()) {
    search.take_allowed();
    return search.rescore();
  }
  if (search.prepare() && search.run()) return search.rescore();
  return search_unpacked(request, addends, allowed.bits, k);
}

void distances_to_packed_rows(const PackedRequest& request, std::span<const std::int64_t> row_ids,
                              std::span<Distance> out) {
  const std::vector<Addend>& addends = open_terms(request);
  const std::size_t num_rows = request.postings.num_rows();
  CancelPoint point;
  with_scoring(request.bm25, num_rows, [&](const auto& scoring) {
    for (std::size_t i = 0; i < row_ids.size(); ++i) {
      point.passed(addends.size() * kProbeCost);
      if (row_ids[i] < 0 || static_cast<std::uint64_t>(row_ids[i]) >= num_rows) {
        throw_invalid_argument("row_ids: expected values in [0, " + std::to_string(num_rows) +
                               "), got " + std::to_string(row_ids[i]));
      }
      float score = kUnmatched;
      for (const Addend& addend : addends) {
        PostingCursor cursor;  // rows come in any order
        score = score_addition(request.postings, addend, scoring, static_cast<RowId>(row_ids[i]),
                               score, cursor);
      }
      const bool is_number = is_matched(score) && !std::isnan(score);
      out[i] = is_number ? 0.0F - score : std::numeric_limits<Distance>::infinity();
    }
  });
}

}  // namespace elanus
