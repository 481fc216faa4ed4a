#include "sparse/packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "support/error.h"
#include "support/offsets.h"

namespace elanus {
namespace {

using packed::ContainerKind;
using packed::DirectoryEntry;
using packed::WeightException;

// The largest whole number below which float32 has every whole number.
constexpr float kMaxFrequency = 16777216.0F;

struct Postings {
  std::span<const RowId> rows;
  std::span<const float> weights;
  std::span<const std::uint8_t> codes;
};

class TermPacker {
 public:
  TermPacker(std::size_t num_rows, const std::optional<SealedCoding>& coding)
      : num_rows_(num_rows), coding_(coding) {}

  // Appends one term to `bytes` and returns its entry.
  std::uint32_t pack(std::span<const RowId> rows, std::span<const float> weights,
                     std::vector<std::uint8_t>& bytes) {
    check_rows(rows);
    start_ = bytes.size();
    has_tiny_ = false;
    auto entry = static_cast<std::uint32_t>(rows.size());
    if (coding_.has_value()) {
      encode_frequencies(rows, weights);
      if (!exceptions_.empty()) {
        entry |= packed::kHasExceptions;
        append(bytes, static_cast<std::uint32_t>(exceptions_.size()));
        append_all(bytes, std::span<const WeightException>(exceptions_));
      }
    } else {
      entry |= packed::kHasExactWeights;
      append(bytes, encode_weights(weights));
    }
    if (has_tiny_) entry |= packed::kHasTinyWeights;
    const Postings postings{rows, weights, codes_};
    if (rows.size() < packed::kShortListRows) {
      pack_short(postings, bytes);
    } else {
      pack_windows(postings, bytes);
    }
    const std::size_t over = bytes.size() % packed::kUnitBytes;
    if (over != 0) bytes.resize(bytes.size() + packed::kUnitBytes - over);
    return entry;
  }

 private:
  template <typename T>
  static void append(std::vector<std::uint8_t>& bytes, const T& value) {
    append_all(bytes, std::span<const T>(&value, 1));
  }

  template <typename T>
  static void append_all(std::vector<std::uint8_t>& bytes, std::span<const T> values) {
    const std::size_t at = bytes.size();
    bytes.resize(at + values.size_bytes());
    if (!values.empty()) std::memcpy(bytes.data() + at, values.data(), values.size_bytes());
  }

  void check_rows(std::span<const RowId> rows) const {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] >= num_rows_ || (i > 0 && rows[i] <= rows[i - 1])) {
        throw_invalid_argument("rows: expected row ids that ascend within a term, below " +
                               std::to_string(num_rows_) + ", got " + std::to_string(rows[i]));
      }
    }
  }

  void encode_frequencies(std::span<const RowId> rows, std::span<const float> weights) {
    codes_.resize(rows.size());
    exceptions_.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float tf = weights[i];
      if (!(tf >= 1 && tf <= kMaxFrequency && tf == std::floor(tf))) {
        throw_invalid_argument(
            "weights: expected term frequencies, whole numbers from 1 to 2**24"
            ", got " +
            std::to_string(tf));
      }
      const std::uint32_t length = coding_->lengths[rows[i]];
      const double share = coding_->coding.share(tf, length);
      codes_[i] = packed::code_of(share);
      has_tiny_ = has_tiny_ || packed::is_tiny(share);
      if (coding_->coding.decode(codes_[i], length) != tf) exceptions_.push_back({rows[i], tf});
    }
  }

  // Returns the largest weight; 0 when some weight is no positive number and has no code.
  float encode_weights(std::span<const float> weights) {
    float largest = 0;
    bool has_codes = true;
    for (const float weight : weights) {
      has_codes = has_codes && weight > 0 && std::isfinite(weight);
      largest = std::max(largest, weight);
    }
    codes_.assign(weights.size(), 1);
    if (!has_codes) return 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double share = static_cast<double>(weights[i]) / static_cast<double>(largest);
      codes_[i] = packed::code_of(share);
      has_tiny_ = has_tiny_ || packed::is_tiny(share);
    }
    return largest;
  }

  void pack_short(const Postings& postings, std::vector<std::uint8_t>& bytes) const {
    append_all(bytes, postings.rows);
    if (!coding_.has_value()) append_all(bytes, postings.weights);
    append_all(bytes, postings.codes);
  }

  void pack_windows(const Postings& postings, std::vector<std::uint8_t>& bytes) {
    fill_directory(postings);
    append(bytes, static_cast<std::uint32_t>(directory_.size()));
    const std::size_t directory_at = bytes.size();
    append_all(bytes, std::span<const DirectoryEntry>(directory_));
    if (!coding_.has_value()) append_all(bytes, postings.weights);
    for (std::size_t i = 0; i < directory_.size(); ++i) {
      const std::size_t begin = directory_[i].first;
      const std::size_t end =
          i + 1 < directory_.size() ? directory_[i + 1].first : postings.rows.size();
      if (bytes.size() % 2 != 0) bytes.push_back(0);
      directory_[i].place = static_cast<std::uint32_t>((bytes.size() - start_) / 2);
      const Postings part{postings.rows.subspan(begin, end - begin),
                          {},
                          postings.codes.subspan(begin, end - begin)};
      pack_container(static_cast<ContainerKind>(directory_[i].kind), part, bytes);
    }
    std::memcpy(bytes.data() + directory_at, directory_.data(),
                directory_.size() * sizeof(DirectoryEntry));
  }

  void fill_directory(const Postings& postings) {
    directory_.clear();
    std::size_t begin = 0;
    while (begin < postings.rows.size()) {
      const std::size_t window = postings.rows[begin] / packed::kWindowRows;
      const auto bound = static_cast<std::uint64_t>(window + 1) * packed::kWindowRows;
      const auto from = postings.rows.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto found = std::lower_bound(from, postings.rows.end(), bound);
      const auto end = static_cast<std::size_t>(found - postings.rows.begin());
      const auto codes = postings.codes.subspan(begin, end - begin);
      directory_.push_back({static_cast<std::uint32_t>(begin), 0,
                            static_cast<std::uint16_t>(window),
                            *std::max_element(codes.begin(), codes.end()),
                            static_cast<std::uint8_t>(packed::kind_for(end - begin))});
      begin = end;
    }
  }

  static void pack_container(ContainerKind kind, const Postings& part,
                             std::vector<std::uint8_t>& bytes) {
    if (kind == ContainerKind::array) {
      for (const RowId row : part.rows) {
        append(bytes, static_cast<std::uint16_t>(row % packed::kWindowRows));
      }
      append_all(bytes, part.codes);
    } else if (kind == ContainerKind::bitmap) {
      pack_bitmap(part, bytes);
    } else {
      pack_dense(part, bytes);
    }
  }

  static void pack_bitmap(const Postings& part, std::vector<std::uint8_t>& bytes) {
    std::vector<std::uint64_t> words(packed::kWindowWords, 0);
    std::vector<std::uint16_t> counts(packed::kBitmapRanks, 0);
    for (const RowId row : part.rows) {
      const std::size_t at = row % packed::kWindowRows;
      words[at / 64] |= std::uint64_t{1} << (at % 64);
      ++counts[at / packed::kRowsPerBitmapRank];
    }
    append_all(bytes, std::span<const std::uint64_t>(words));
    append_ranks(counts, bytes);
    append_all(bytes, part.codes);
  }

  static void pack_dense(const Postings& part, std::vector<std::uint8_t>& bytes) {
    std::vector<std::uint8_t> codes(packed::kWindowRows, 0);
    std::vector<std::uint16_t> counts(packed::kDenseRanks, 0);
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      const std::size_t at = part.rows[i] % packed::kWindowRows;
      codes[at] = part.codes[i];
      ++counts[at / packed::kRowsPerDenseRank];
    }
    append_all(bytes, std::span<const std::uint8_t>(codes));
    append_ranks(counts, bytes);
  }

  static void append_ranks(std::span<const std::uint16_t> counts,
                           std::vector<std::uint8_t>& bytes) {
    std::uint16_t before = 0;
    for (const std::uint16_t count : counts) {
      append(bytes, before);
      before = static_cast<std::uint16_t>(before + count);
    }
  }

  std::size_t num_rows_;
  const std::optional<SealedCoding>& coding_;
  std::size_t start_ = 0;  // of the term in the bytes
  bool has_tiny_ = false;
  std::vector<std::uint8_t> codes_;
  std::vector<WeightException> exceptions_;
  std::vector<DirectoryEntry> directory_;
};

}  // namespace

PackedTerms pack_terms(const PostingLists& lists, std::size_t num_rows,
                       const std::optional<SealedCoding>& coding) {
  check_offsets(lists.offsets, lists.rows.size());
  if (lists.rows.size() != lists.weights.size()) {
    throw_invalid_argument("weights: expected one for each of " +
                           std::to_string(lists.rows.size()) + " postings, got " +
                           std::to_string(lists.weights.size()));
  }
  if (num_rows > packed::kMaxRows) {
    throw_invalid_argument("num_rows: expected at most 2**29, got " + std::to_string(num_rows));
  }
  if (coding.has_value() && coding->lengths.size() < num_rows) {
    throw_invalid_argument("lengths: expected one for each of " + std::to_string(num_rows) +
                           " rows, got " + std::to_string(coding->lengths.size()));
  }
  PackedTerms terms;
  TermPacker packer(num_rows, coding);
  for (std::size_t t = 0; t + 1 < lists.offsets.size(); ++t) {
    const auto begin = static_cast<std::size_t>(lists.offsets[t]);
    const auto count = static_cast<std::size_t>(lists.offsets[t + 1]) - begin;
    const std::size_t start = terms.bytes.size();
    terms.entries.push_back(packer.pack(lists.rows.subspan(begin, count),
                                        lists.weights.subspan(begin, count), terms.bytes));
    const std::size_t units = (terms.bytes.size() - start) / packed::kUnitBytes;
    terms.sizes.push_back(static_cast<std::uint32_t>(units));
  }
  return terms;
}

}  // namespace elanus
