// What one posting adds to the score of its row.
//
// Compiled with -ffp-contract=off: the same float32 operations in the same order on every path, so
// that every path gives the same bits.
//
// A score starts as -0 and no contribution is -0, so a row is matched exactly when its score is no
// longer -0, whatever its value: adding +0 to -0 gives +0, and x - x gives +0.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "support/error.h"
#include "support/types.h"

namespace elanus {

inline constexpr float kUnmatched = -0.0F;

[[nodiscard]] inline bool is_matched(float score) noexcept {
  return std::bit_cast<std::uint32_t>(score) != std::bit_cast<std::uint32_t>(kUnmatched);
}

// Inner product of sparse vectors.
struct InnerProductScoring {
  [[nodiscard]] float operator()(float query_weight, RowId /*row*/, float weight) const noexcept {
    return query_weight * weight + 0.0F;
  }
};

// BM25 parameters and the statistics of the rows.
struct Bm25Parameters {
  float k1 = 0;
  float b = 0;
  double average_length = 0;               // tokens a row, over the collection; 0 when it is empty
  std::span<const std::uint32_t> lengths;  // tokens of each row
};

// Weight of a term that `frequency` of `num_docs` rows hold and a query names `count` times: idf
// times count. Source: Lucene's BM25Similarity.idf.
[[nodiscard]] inline float bm25_weight(std::size_t num_docs, std::int64_t frequency,
                                       std::int64_t count) noexcept {
  const double held = static_cast<double>(frequency);
  const double idf = std::log1p((static_cast<double>(num_docs) + 0.5 - held) / (held + 0.5));
  return static_cast<float>(idf * static_cast<double>(count));
}

// BM25 with the saturation and length normalisation of Robertson and Zaragoza, "The Probabilistic
// Relevance Framework: BM25 and Beyond", 2009. The query weight is idf times the term's count in
// the query; the posting's weight is the term frequency.
class Bm25Scoring {
 public:
  // Throws Error when a parameter is out of range or a row has no length.
  Bm25Scoring(const Bm25Parameters& parameters, std::size_t num_rows)
      : lengths_(parameters.lengths),
        gain_(parameters.k1 + 1.0F),
        base_(parameters.k1 * (1.0F - parameters.b)),
        slope_(parameters.average_length > 0
                   ? static_cast<float>(static_cast<double>(parameters.k1) *
                                        static_cast<double>(parameters.b) /
                                        parameters.average_length)
                   : 0.0F) {
    check(parameters, num_rows);
  }

  [[nodiscard]] float operator()(float query_weight, RowId row, float tf) const noexcept {
    const float norm = base_ + slope_ * static_cast<float>(lengths_[row]);
    return query_weight * ((tf * gain_) / (tf + norm)) + 0.0F;
  }

  // A posting adds `query_weight * gain * tf / (tf + base + slope * length)`.
  [[nodiscard]] float gain() const noexcept { return gain_; }
  [[nodiscard]] float base() const noexcept { return base_; }
  [[nodiscard]] float slope() const noexcept { return slope_; }

 private:
  static void check(const Bm25Parameters& parameters, std::size_t num_rows) {
    if (!(parameters.k1 >= 0) || !std::isfinite(parameters.k1)) {
      throw_invalid_argument("k1: expected a finite number of at least 0, got " +
                             std::to_string(parameters.k1));
    }
    if (!(parameters.b >= 0 && parameters.b <= 1)) {
      throw_invalid_argument("b: expected 0 to 1, got " + std::to_string(parameters.b));
    }
    if (!(parameters.average_length >= 0) || !std::isfinite(parameters.average_length)) {
      throw_invalid_argument("average_length: expected a finite number of at least 0, got " +
                             std::to_string(parameters.average_length));
    }
    if (parameters.lengths.size() < num_rows) {
      throw_invalid_argument("lengths: expected one for each of " + std::to_string(num_rows) +
                             " rows, got " + std::to_string(parameters.lengths.size()));
    }
  }

  std::span<const std::uint32_t> lengths_;
  float gain_;
  float base_;
  float slope_;
};

// Calls run(scoring): BM25 where there are parameters, else the inner product.
template <typename Run>
void with_scoring(const std::optional<Bm25Parameters>& bm25, std::size_t num_rows, Run run) {
  if (bm25.has_value()) {
    run(Bm25Scoring(*bm25, num_rows));
  } else {
    run(InnerProductScoring{});
  }
}

}  // namespace elanus
