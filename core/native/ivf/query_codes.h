// What a query looks like to quantized lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ivf/lists.h"

namespace elanus {

// A query as signed bytes: `value = scale * byte`.
struct ByteQuery {
  std::vector<std::int8_t> bytes;
  std::vector<std::int16_t> words;
  float scale = 0;
  std::int32_t sum = 0;

  // Zeros where the query holds something else than numbers.
  void set(std::span<const float> query);
};

// Tables of minus the weighted inner products of a query with the codewords.
struct ProductTables {
  std::vector<float> values;        // 8 bits: [sub][256]
  std::vector<std::uint8_t> bytes;  // 4 bits: [sub][16]
  float scale = 0;                  // 4 bits: a sum of bytes stands for `base + scale * sum`
  float base = 0;

  void set(std::span<const float> query, const Codebooks& books, float weight);

 private:
  void quantize(const Codebooks& books);

  std::vector<float> padded_;
  std::vector<float> least_;  // smallest entry of each table
};

}  // namespace elanus
