#include "sparse/packed_postings.h"

#include <algorithm>
#include <string>

#include "support/error.h"

namespace elanus {
namespace {

using packed::ContainerKind;
using packed::DirectoryEntry;
using packed::WeightException;

[[noreturn]] void throw_damaged(TermId id, const std::string& what) {
  throw_corruption("postings of term " + std::to_string(id) + ": " + what);
}

// Takes checked pieces from the bytes of a term, front to back.
class Pieces {
 public:
  Pieces(TermId id, const std::uint8_t* at, const std::uint8_t* end)
      : id_(id), at_(at), end_(end) {}

  template <typename T>
  const T* take(std::size_t count) {
    if (count > static_cast<std::size_t>(end_ - at_) / sizeof(T)) {
      throw_damaged(id_, "its bytes end before its postings");
    }
    // Terms start at multiples of 4 bytes, and whatever is taken before them has such a length.
    const T* taken = reinterpret_cast<const T*>(at_);
    at_ += count * sizeof(T);
    return taken;
  }

 private:
  TermId id_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

std::size_t nonzero_bytes(const std::uint8_t* bytes, std::size_t count) noexcept {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) found += bytes[i] != 0 ? 1U : 0U;
  return found;
}

// Calls visit(row in the window, code) for each posting, ascending.
template <typename Visit>
void for_each_posting(const PackedContainer& container, Visit visit) {
  const std::uint8_t* codes = container.codes();
  if (container.kind == ContainerKind::array) {
    for (std::size_t i = 0; i < container.count; ++i) visit(container.id(i), codes[i]);
    return;
  }
  std::size_t seen = 0;
  for (std::size_t w = 0; w < packed::kWindowWords; ++w) {
    if (container.kind == ContainerKind::dense) {
      for (std::size_t at = w * 64; at < w * 64 + 64; ++at) {
        if (codes[at] != 0) visit(at, codes[at]);
      }
      continue;
    }
    for (std::uint64_t bits = container.word(w); bits != 0; bits &= bits - 1, ++seen) {
      if (seen >= container.count) return;
      visit(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)), codes[seen]);
    }
  }
}

// A row is most likely near where it would be if rows were spread evenly; this many places away is
// two standard deviations for the longest arrays.
constexpr std::size_t kNear = 48;

constexpr std::size_t kLineBytes = 64;

// The first place at or behind `base` whose id is not below `at`, without branches on ids.
std::size_t lower_place(const PackedContainer& container, std::size_t base, std::size_t end,
                        std::size_t at) {
  for (std::size_t size = end - base; size > 0;) {
    const std::size_t half = size / 2;
    const bool is_below = container.id(base + half) < at;
    base += is_below ? size - half : 0;
    size = half;
  }
  return base;
}

// The first place whose id is not below `at`.
std::size_t place_in_array(const PackedContainer& container, std::size_t at) {
  const std::size_t guess = at * container.count / packed::kWindowRows;
  std::size_t base = guess > kNear ? guess - kNear : 0;
  std::size_t end = std::min(container.count, guess + kNear);
  if (base > 0 && container.id(base - 1) >= at) {
    end = base;
    base = 0;
  } else if (end < container.count && container.id(end) < at) {
    base = end;
    end = container.count;
  }
  if (end - base != 2 * kNear) return lower_place(container, base, end, at);
  // All at once: the ids lie in four lines that come at the same time, a search would wait for one
  // after the other.
  const auto at16 = static_cast<std::uint16_t>(at);
  std::uint16_t ids[2 * kNear];
  std::memcpy(ids, container.ids() + base * 2, sizeof(ids));
  std::uint16_t count = 0;
  for (const std::uint16_t id : ids)
    count = static_cast<std::uint16_t>(count + (id < at16 ? 1 : 0));
  return base + count;
}

// The same where no id before `place` is that large.
std::size_t next_in_array(const PackedContainer& container, std::size_t place, std::size_t at) {
  constexpr std::size_t kSteps = 8;
  const std::size_t end = std::min(container.count, place + kSteps);
  while (place < end && container.id(place) < at) ++place;
  const bool is_there = place == container.count || container.id(place) >= at;
  return is_there ? place : place_in_array(container, at);
}

std::optional<std::size_t> find_in_bitmap(const PackedContainer& container, std::size_t at) {
  const std::uint64_t word = container.word(at / 64);
  if (((word >> (at % 64)) & 1U) == 0) return std::nullopt;
  std::size_t before = container.rank(at / packed::kRowsPerBitmapRank);
  for (std::size_t w = at / packed::kRowsPerBitmapRank * (packed::kRowsPerBitmapRank / 64);
       w < at / 64; ++w) {
    before += static_cast<std::size_t>(std::popcount(container.word(w)));
  }
  const std::uint64_t below = word & ((std::uint64_t{1} << (at % 64)) - 1);
  return before + static_cast<std::size_t>(std::popcount(below));
}

std::size_t count_alive(const PackedContainer& container, std::size_t window,
                        const BitsetView& alive) {
  const std::size_t first_row = window * packed::kWindowRows;
  std::size_t count = 0;
  if (container.kind == ContainerKind::bitmap) {
    for (std::size_t w = 0; w < packed::kWindowWords; ++w) {
      const std::size_t word = first_row / 64 + w;
      if (word >= alive.num_words()) break;
      count += static_cast<std::size_t>(std::popcount(container.word(w) & alive.word(word)));
    }
    return count;
  }
  for_each_posting(container, [&](std::size_t at, std::uint8_t) {
    count += alive.test(static_cast<RowId>(first_row + at)) ? 1U : 0U;
  });
  return count;
}

}  // namespace

std::uint8_t PackedTerm::largest_code() const noexcept {
  std::uint8_t largest = 0;
  if (is_short()) {
    for (std::size_t i = 0; i < frequency; ++i) largest = std::max(largest, codes[i]);
  }
  for (const DirectoryEntry& entry : directory) largest = std::max(largest, entry.largest_code);
  return largest;
}

PackedPostings::PackedPostings(const Arrays& arrays, std::size_t num_rows,
                               const std::optional<SealedCoding>& coding)
    : arrays_(arrays), num_rows_(num_rows), coding_(coding) {
  if (arrays.entries.size() != arrays.starts.size()) {
    throw_invalid_argument("starts: expected one for each of " +
                           std::to_string(arrays.entries.size()) + " terms, got " +
                           std::to_string(arrays.starts.size()));
  }
  if (arrays.bytes.size() < packed::kPaddingBytes) {
    throw_invalid_argument("bytes: expected at least " + std::to_string(packed::kPaddingBytes) +
                           ", got " + std::to_string(arrays.bytes.size()));
  }
  if (reinterpret_cast<std::uintptr_t>(arrays.bytes.data()) % packed::kUnitBytes != 0) {
    throw_invalid_argument("bytes: expected an array that starts at a multiple of 4 bytes");
  }
  if (num_rows > packed::kMaxRows) {
    throw_invalid_argument("num_rows: expected at most 2**29, got " + std::to_string(num_rows));
  }
  if (coding.has_value() && coding->lengths.size() < num_rows) {
    throw_invalid_argument("lengths: expected one for each of " + std::to_string(num_rows) +
                           " rows, got " + std::to_string(coding->lengths.size()));
  }
}

std::size_t PackedPostings::frequency(TermId id) const {
  if (id >= num_terms()) {
    throw_invalid_argument("terms: expected values in [0, " + std::to_string(num_terms()) +
                           "), got " + std::to_string(id));
  }
  return arrays_.entries[id] & packed::kFrequencyMask;
}

PackedTerm PackedPostings::term(TermId id) const {
  PackedTerm term;
  term.frequency = frequency(id);
  const std::uint32_t entry = arrays_.entries[id];
  term.has_exact_weights = (entry & packed::kHasExactWeights) != 0;
  term.has_tiny_weights = (entry & packed::kHasTinyWeights) != 0;
  if (term.has_exact_weights == coding_.has_value()) {
    throw_damaged(id, "expected either term frequencies or exact weights, as the others have");
  }
  const std::size_t size = arrays_.bytes.size() - packed::kPaddingBytes;
  const std::size_t start = std::size_t{arrays_.starts[id]} * packed::kUnitBytes;
  if (start > size) throw_damaged(id, "it starts outside");
  term.start = arrays_.bytes.data() + start;
  const std::uint8_t* end = arrays_.bytes.data() + size;
  Pieces pieces(id, term.start, end);
  if (term.has_exact_weights) term.largest_weight = *pieces.take<float>(1);
  if ((entry & packed::kHasExceptions) != 0) {
    const std::size_t count = *pieces.take<std::uint32_t>(1);
    term.exceptions = {pieces.take<WeightException>(count), count};
  }
  if (term.is_short()) {
    term.rows = pieces.take<RowId>(term.frequency);
    if (term.has_exact_weights) term.weights = pieces.take<float>(term.frequency);
    term.codes = pieces.take<std::uint8_t>(term.frequency);
    return term;
  }
  const std::size_t num_windows = *pieces.take<std::uint32_t>(1);
  term.directory = {pieces.take<DirectoryEntry>(num_windows), num_windows};
  if (term.has_exact_weights) term.weights = pieces.take<float>(term.frequency);
  open_directory(id, term, end);
  return term;
}

void PackedPostings::open_directory(TermId id, PackedTerm& term, const std::uint8_t* end) const {
  const auto available = static_cast<std::size_t>(end - term.start);
  const std::size_t num_windows = packed::windows_for(num_rows_);
  std::size_t next_window = 0;
  bool is_sound = !term.directory.empty() && term.directory[0].first == 0;
  for (std::size_t i = 0; is_sound && i < term.directory.size(); ++i) {
    const DirectoryEntry& entry = term.directory[i];
    const std::size_t next =
        i + 1 < term.directory.size() ? term.directory[i + 1].first : term.frequency;
    is_sound = next > entry.first && next - entry.first <= packed::kWindowRows &&
               entry.window >= next_window && entry.window < num_windows && entry.kind <= 2;
    if (!is_sound) break;
    const std::size_t bytes =
        packed::container_bytes(static_cast<ContainerKind>(entry.kind), next - entry.first);
    is_sound = std::size_t{entry.place} * 2 + bytes <= available;
    next_window = entry.window + std::size_t{1};
  }
  if (!is_sound) throw_damaged(id, "its directory of windows contradicts itself");
}

void PackedPostings::prefetch(std::span<const TermId> ids) const noexcept {
  constexpr std::size_t kLines = 3;  // a directory of a dozen windows
  for (const TermId id : ids) {
    if (id >= num_terms()) continue;
    __builtin_prefetch(&arrays_.entries[id]);
    __builtin_prefetch(&arrays_.starts[id]);
  }
  for (const TermId id : ids) {
    if (id >= num_terms()) continue;
    const std::size_t start = std::size_t{arrays_.starts[id]} * packed::kUnitBytes;
    for (std::size_t line = 0; line < kLines; ++line) {
      const std::size_t at = start + line * kLineBytes;
      if (at < arrays_.bytes.size()) __builtin_prefetch(arrays_.bytes.data() + at);
    }
  }
}

void PackedPostings::prefetch(const PackedTerm& term, RowId row) noexcept {
  if (term.is_short()) {
    __builtin_prefetch(term.rows + term.frequency / 2);
    return;
  }
  const std::size_t window = row / packed::kWindowRows;
  const std::size_t at = row % packed::kWindowRows;
  if (window >= term.directory.size() || term.directory[window].window != window) return;
  const PackedContainer container = term.container(window);
  if (container.kind == ContainerKind::dense) {
    __builtin_prefetch(container.codes() + at);
  } else if (container.kind == ContainerKind::bitmap) {
    __builtin_prefetch(container.bytes + at / 8);
    __builtin_prefetch(container.bytes + packed::kWindowWords * 8 +
                       at / packed::kRowsPerBitmapRank * 2);
  } else {
    const std::size_t guess = at * container.count / packed::kWindowRows;
    const std::size_t base = guess > kNear ? guess - kNear : 0;
    for (std::size_t i = base; i < guess + kNear; i += kLineBytes / 2) {
      __builtin_prefetch(container.ids() + i * 2);
    }
    __builtin_prefetch(container.codes() + guess);
  }
}

std::optional<PostingPlace> PackedPostings::find(const PackedTerm& term, RowId row) const {
  PostingCursor cursor;
  return find(term, row, cursor);
}

std::optional<PostingPlace> PackedPostings::find(const PackedTerm& term, RowId row,
                                                 PostingCursor& cursor) const {
  if (term.is_short()) {
    const RowId* end = term.rows + term.frequency;
    const RowId* found = std::lower_bound(term.rows + cursor.place, end, row);
    const auto index = static_cast<std::size_t>(found - term.rows);
    cursor.place = index;
    if (found == end || *found != row) return std::nullopt;
    return PostingPlace{index, term.codes[index]};
  }
  const std::size_t window = row / packed::kWindowRows;
  const std::size_t at = row % packed::kWindowRows;
  std::size_t i = window;  // a common term is in every window
  if (i >= term.directory.size() || term.directory[i].window != window) {
    const auto found = std::lower_bound(
        term.directory.begin(), term.directory.end(), window,
        [](const DirectoryEntry& entry, std::size_t wanted) { return entry.window < wanted; });
    if (found == term.directory.end() || found->window != window) return std::nullopt;
    i = static_cast<std::size_t>(found - term.directory.begin());
  }
  const PackedContainer container = term.container(i);
  if (container.kind == ContainerKind::dense) {
    const std::uint8_t code = container.codes()[at];
    if (code == 0) return std::nullopt;
    if (!term.has_exact_weights) return PostingPlace{container.first, code};
    const std::size_t block = at / packed::kRowsPerDenseRank;
    const std::uint8_t* codes = container.codes() + block * packed::kRowsPerDenseRank;
    const std::size_t before =
        container.rank(block) + nonzero_bytes(codes, at % packed::kRowsPerDenseRank);
    if (before >= container.count) throw_corruption("postings: a window has more than it says");
    return PostingPlace{container.first + before, code};
  }
  std::optional<std::size_t> found;
  if (container.kind == ContainerKind::bitmap) {
    found = find_in_bitmap(container, at);
  } else {
    const bool is_same = cursor.window == window;
    std::size_t& place = cursor.place;
    place = is_same ? next_in_array(container, place, at) : place_in_array(container, at);
    cursor.window = window;
    if (place < container.count && container.id(place) == at) found = place;
  }
  if (!found.has_value()) return std::nullopt;
  if (*found >= container.count) throw_corruption("postings: a window has more than it says");
  return PostingPlace{container.first + *found, container.codes()[*found]};
}

float PackedPostings::weight(const PackedTerm& term, RowId row, const PostingPlace& place) const {
  if (term.has_exact_weights) return term.weights[place.index];
  if (!term.exceptions.empty()) {
    const auto found = std::lower_bound(
        term.exceptions.begin(), term.exceptions.end(), row,
        [](const WeightException& exception, RowId wanted) { return exception.row < wanted; });
    if (found != term.exceptions.end() && found->row == row) return found->weight;
  }
  return coding_->coding.decode(place.code, coding_->lengths[row]);
}

void PackedPostings::unpack(const PackedTerm& term, UnpackedPostings& out) const {
  const std::size_t before = out.rows.size();
  std::size_t exception = 0;
  const auto add = [&](std::size_t row, std::uint8_t code) {
    const std::size_t index = out.rows.size() - before;
    if (row >= num_rows_ || index >= term.frequency) {
      throw_corruption("postings: row id " + std::to_string(row) + " is not below " +
                       std::to_string(num_rows_) + ", or there are too many");
    }
    out.rows.push_back(static_cast<RowId>(row));
    while (exception < term.exceptions.size() && term.exceptions[exception].row < row) ++exception;
    if (term.has_exact_weights) {
      out.weights.push_back(term.weights[index]);
    } else if (exception < term.exceptions.size() && term.exceptions[exception].row == row) {
      out.weights.push_back(term.exceptions[exception].weight);
    } else {
      out.weights.push_back(coding_->coding.decode(code, coding_->lengths[row]));
    }
  };
  if (term.is_short()) {
    for (std::size_t i = 0; i < term.frequency; ++i) add(term.rows[i], term.codes[i]);
  }
  for (std::size_t i = 0; i < term.directory.size(); ++i) {
    const std::size_t first_row = term.directory[i].window * packed::kWindowRows;
    for_each_posting(term.container(i),
                     [&](std::size_t at, std::uint8_t code) { add(first_row + at, code); });
  }
  if (out.rows.size() - before != term.frequency) {
    throw_corruption("postings: a term has " + std::to_string(out.rows.size() - before) +
                     " rows, its entry says " + std::to_string(term.frequency));
  }
}

UnpackedPostings PackedPostings::unpack(TermId first, TermId last) const {
  UnpackedPostings out;
  std::size_t count = 0;
  for (TermId id = first; id < last; ++id) count += frequency(id);
  // What a damaged entry says is not reserved.
  count = std::min(count, arrays_.bytes.size());
  out.rows.reserve(count);
  out.weights.reserve(count);
  out.offsets.push_back(0);
  for (TermId id = first; id < last; ++id) {
    unpack(term(id), out);
    out.offsets.push_back(static_cast<std::int64_t>(out.rows.size()));
  }
  return out;
}

void document_frequencies(const PackedPostings& postings, std::span<const TermId> terms,
                          const std::optional<BitsetView>& alive, std::span<std::int64_t> out) {
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (!alive.has_value()) {
      out[i] = static_cast<std::int64_t>(postings.frequency(terms[i]));
      continue;
    }
    const PackedTerm term = postings.term(terms[i]);
    std::size_t count = 0;
    for (std::size_t p = 0; term.is_short() && p < term.frequency; ++p) {
      count += alive->test(term.rows[p]) ? 1U : 0U;
    }
    for (std::size_t c = 0; c < term.directory.size(); ++c) {
      count += count_alive(term.container(c), term.directory[c].window, *alive);
    }
    out[i] = static_cast<std::int64_t>(count);
  }
}

}  // namespace elanus
