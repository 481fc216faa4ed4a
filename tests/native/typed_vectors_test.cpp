#include "typed_vectors_test.h"

#include <bit>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "distance/distance.h"
#include "distance/widen.h"

namespace {

using elanus::BFloat16;
using elanus::BitByte;
using elanus::Half;
using elanus::Metric;

constexpr std::size_t kNumRows = 70;
constexpr std::size_t kNumQueries = 5;

struct Found {
  std::vector<std::int64_t> row_ids;
  std::vector<float> distances;

  bool operator==(const Found&) const = default;
};

template <typename Query, typename Row>
Found scan(Metric metric, const std::vector<Query>& queries, const std::vector<Row>& rows,
           std::size_t dim) {
  Found found{std::vector<std::int64_t>(kNumQueries * kNumRows),
              std::vector<float>(kNumQueries * kNumRows)};
  const elanus::ScanRequestOf<Query, Row> request{
      metric, {queries, kNumQueries, dim}, {{rows, kNumRows, dim}, {}}, std::nullopt, kNumRows};
  elanus::scan_topk(request, {found.row_ids, found.distances});
  return found;
}

template <typename Row, typename Make>
std::vector<Row> random_rows(std::mt19937& random, std::size_t count, Make make) {
  std::vector<Row> rows(count);
  for (Row& row : rows) row = make(random());
  return rows;
}

// Rows of another type give what their widened copies give, bit by bit.
template <typename Row>
bool equals_widened(const std::vector<float>& queries, const std::vector<Row>& rows,
                    std::size_t dim) {
  std::vector<float> wide(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) wide[i] = elanus::widened(rows[i]);
  bool equal = true;
  for (const Metric metric : {Metric::l2, Metric::ip, Metric::cosine}) {
    equal = equal && scan(metric, queries, rows, dim) == scan(metric, queries, wide, dim);
  }
  std::vector<float> norms(kNumRows);
  std::vector<float> wide_norms(kNumRows);
  elanus::inverse_norms(elanus::MatrixOf<Row>{rows, kNumRows, dim}, norms);
  elanus::inverse_norms(elanus::Matrix{wide, kNumRows, dim}, wide_norms);
  return equal && norms == wide_norms;
}

bool int8_pairs_are_exact(const std::vector<std::int8_t>& queries,
                          const std::vector<std::int8_t>& rows, std::size_t dim) {
  for (const Metric metric : {Metric::l2, Metric::ip}) {
    const Found found = scan(metric, queries, rows, dim);
    for (std::size_t i = 0; i < found.row_ids.size(); ++i) {
      const std::int8_t* query = queries.data() + i / kNumRows * dim;
      const std::int8_t* row = rows.data() + static_cast<std::size_t>(found.row_ids[i]) * dim;
      int sum = 0;
      for (std::size_t d = 0; d < dim; ++d) {
        sum +=
            metric == Metric::l2 ? (query[d] - row[d]) * (query[d] - row[d]) : -query[d] * row[d];
      }
      if (found.distances[i] != static_cast<float>(sum)) return false;
    }
  }
  return true;
}

bool bits_are_exact(const std::vector<BitByte>& queries, const std::vector<BitByte>& rows,
                    std::size_t width) {
  const Found hamming = scan(Metric::hamming, queries, rows, width);
  const Found jaccard = scan(Metric::jaccard, queries, rows, width);
  for (const Found* found : {&hamming, &jaccard}) {
    for (std::size_t i = 0; i < found->row_ids.size(); ++i) {
      const BitByte* query = queries.data() + i / kNumRows * width;
      const BitByte* row = rows.data() + static_cast<std::size_t>(found->row_ids[i]) * width;
      int differing = 0;
      int either = 0;
      for (std::size_t d = 0; d < width; ++d) {
        differing += std::popcount(static_cast<unsigned>(query[d].bits ^ row[d].bits));
        either += std::popcount(static_cast<unsigned>(query[d].bits | row[d].bits));
      }
      float expected = static_cast<float>(differing);
      if (found == &jaccard) {
        expected = either == 0 ? 0.0F : expected / static_cast<float>(either);
      }
      if (found->distances[i] != expected) return false;
    }
  }
  return true;
}

}  // namespace

int typed_vector_failures(const std::string& variant) {
  int failures = 0;
  const auto check = [&](bool holds, const std::string& claim, std::size_t dim) {
    if (holds) return;
    ++failures;
    std::printf("failed: %s %s, dim %zu\n", variant.c_str(), claim.c_str(), dim);
  };
  std::normal_distribution<float> normal;
  for (const std::size_t dim : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 385}) {
    std::mt19937 random(static_cast<unsigned>(dim));
    std::vector<float> queries(kNumQueries * dim);
    for (float& value : queries) value = normal(random);
    const std::size_t count = kNumRows * dim;
    // Every exponent but that of infinity.
    const auto half = random_rows<Half>(random, count, [](std::uint32_t bits) {
      return Half{static_cast<std::uint16_t>((bits & 0x83ffU) | ((bits >> 16U) % 31U) << 10U)};
    });
    const auto brain = random_rows<BFloat16>(random, count, [](std::uint32_t bits) {
      return BFloat16{static_cast<std::uint16_t>((bits & 0x807fU) | (96U + bits % 60U) << 7U)};
    });
    const auto to_int8 = [](std::uint32_t bits) { return static_cast<std::int8_t>(bits & 0xffU); };
    const auto to_bits = [](std::uint32_t bits) {
      return BitByte{static_cast<std::uint8_t>(bits % 7 == 0 ? 0U : bits & 0xffU)};
    };
    const auto whole = random_rows<std::int8_t>(random, count, to_int8);
    const auto whole_queries = random_rows<std::int8_t>(random, kNumQueries * dim, to_int8);
    const auto bits = random_rows<BitByte>(random, count, to_bits);
    const auto bit_queries = random_rows<BitByte>(random, kNumQueries * dim, to_bits);
    check(equals_widened(queries, half, dim), "float16 equals widened", dim);
    check(equals_widened(queries, brain, dim), "bfloat16 equals widened", dim);
    check(equals_widened(queries, whole, dim), "int8 equals widened", dim);
    check(int8_pairs_are_exact(whole_queries, whole, dim), "int8 pairs", dim);
    check(bits_are_exact(bit_queries, bits, dim), "bits", dim);
  }
  return failures;
}
