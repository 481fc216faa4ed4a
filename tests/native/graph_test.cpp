#include "graph_test.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checks.h"
#include "graph/builder.h"
#include "graph/graph.h"
#include "graph/stream.h"
#include "support/cpu.h"

namespace {

using elanus::CodeKind;
using elanus::GraphKernels;
using elanus::Metric;
using elanus::RowId;
using elanus::test::check;

constexpr std::size_t kRows = 300;
constexpr std::size_t kDegree = 16;

// Every table that this machine can run, AVX-512 with and without VNNI among them.
std::vector<const GraphKernels*> runnable(CodeKind kind) {
  const bool nibbles = kind == CodeKind::nibbles;
  std::vector<const GraphKernels*> tables = {nibbles ? &elanus::generic::kNibbleGraph
                                                     : &elanus::generic::kByteGraph};
#if defined(__x86_64__)
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    if (variant == elanus::CpuVariant::avx2) {
      tables.push_back(nibbles ? &elanus::avx2::kNibbleGraph : &elanus::avx2::kByteGraph);
    }
    if (variant == elanus::CpuVariant::avx512) {
      tables.push_back(nibbles ? &elanus::avx512::kNibbleGraph : &elanus::avx512::kByteGraph);
    }
  }
  if (elanus::has_avx512_vnni()) {
    tables.push_back(nibbles ? &elanus::avx512vnni::kNibbleGraph : &elanus::avx512vnni::kByteGraph);
  }
#endif
  return tables;
}

// Rows with all that a graph of them needs; every array is exactly as long as it has to be.
struct Coded {
  std::size_t dim;
  std::vector<float> values;
  std::vector<float> mean;
  std::vector<float> steps;
  std::vector<std::uint8_t> codes;
  std::vector<float> terms;
  elanus::Quantizer quantizer;
  std::vector<RowId> entries;

  Coded(CodeKind kind, Metric metric, std::size_t dimensions, bool has_terms)
      : dim(dimensions), values(kRows * dim), mean(dim), steps(dim) {
    std::mt19937 random(static_cast<unsigned>(dim));
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    const float step = kind == CodeKind::nibbles ? 0.3F : 0.05F;
    std::fill(steps.begin(), steps.end(), step);
    quantizer = {kind, metric, mean, steps, has_terms ? 1.0F / step : 0.0F};
    codes.resize(kRows * elanus::code_lines(kind, dim) * elanus::kLineBytes);
    terms.resize(has_terms ? 2 * kRows : 0);
    elanus::encode_rows(quantizer, rows(), 0, kRows, codes, terms);
    // More than the pool of a stream holds at first.
    for (RowId row = 0; row < kRows; row += 13) entries.push_back(row);
  }

  [[nodiscard]] elanus::ScaledRows rows() const { return {{values, kRows, dim}, {}}; }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * dim, dim);
  }
  [[nodiscard]] elanus::Graph graph(std::span<const RowId> links) const {
    return elanus::Graph({quantizer, rows(), codes, terms, links, entries});
  }
};

void test_scores(const Coded& coded) {
  const CodeKind kind = coded.quantizer.kind;
  elanus::PreparedQuery query;
  query.prepare(coded.quantizer, coded.row(7));
  const elanus::CodedRows rows{coded.codes.data(), elanus::code_lines(kind, coded.dim),
                               coded.terms.empty() ? nullptr : coded.terms.data()};
  std::vector<RowId> ids(kRows - 1);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<RowId>(kRows - 1 - i);
  std::optional<std::vector<std::uint32_t>> expected;
  for (const GraphKernels* kernels : runnable(kind)) {
    std::vector<std::uint32_t> scores(ids.size());
    kernels->score_rows(rows, query.get(), ids.data(), ids.size(), scores.data());
    if (!expected) expected = scores;
    check(scores == *expected, "scores of " + std::to_string(coded.dim) + " dimensions");
  }
}

void test_pools() {
  std::mt19937 random(1);
  for (const std::size_t capacity : {8UL, 24UL, 248UL}) {
    for (const GraphKernels* kernels : runnable(CodeKind::nibbles)) {
      std::vector<std::uint64_t> pool(capacity, elanus::kNoKey);
      std::vector<std::uint64_t> keys;
      for (std::size_t i = 0; i < 3 * capacity; ++i) {
        keys.push_back((std::uint64_t{random()} << 32U) | (2 * i));
        kernels->insert(pool.data(), capacity, keys.back());
      }
      std::sort(keys.begin(), keys.end());
      keys.resize(capacity);
      check(pool == keys, "a pool holds the smallest keys");
    }
  }
}

std::vector<RowId> built(const Coded& coded, std::size_t threads) {
  elanus::GraphBuilder builder(coded.quantizer, coded.rows(), coded.codes, coded.terms, {},
                               coded.entries, {kDegree, 48, threads});
  std::vector<RowId> order(kRows);
  for (std::size_t i = 0; i < kRows; ++i) order[i] = static_cast<RowId>(i);
  builder.insert(order);
  std::vector<RowId> links(kRows * kDegree);
  builder.seal(links);
  return links;
}

// A walk of all rows, by steps, finds each allowed row once, whatever the links are.
void test_walks(const Coded& coded, std::span<const RowId> links) {
  const elanus::Graph graph = coded.graph(links);
  std::vector<std::uint64_t> words(elanus::words_for_bits(kRows), 0x5555555555555555ULL);
  for (const bool is_filtered : {false, true}) {
    std::optional<elanus::BitsetView> allowed;
    if (is_filtered) allowed.emplace(words, kRows);
    std::vector<std::int64_t> found;
    graph.candidates(coded.row(3), {32, 20, 0}, allowed, found);
    check(found.size() <= 20, "candidates of a walk");
    elanus::GraphStream stream(graph, coded.row(3), allowed, 16, 2.0);
    std::vector<std::int64_t> every;
    for (int i = 0; i < 8; ++i) {
      stream.next(60, found);
      every.insert(every.end(), found.begin(), found.end());
    }
    std::sort(every.begin(), every.end());
    const bool is_once = std::adjacent_find(every.begin(), every.end()) == every.end();
    check(is_once && every.size() == (is_filtered ? kRows / 2 : kRows), "rows of a stream");
  }
}

void test_builds(CodeKind kind, Metric metric) {
  const Coded coded(kind, metric, 70, metric == Metric::l2);
  const std::vector<RowId> links = built(coded, 1);
  check(links == built(coded, 3), "threads build the same graph");
  test_walks(coded, links);
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    std::vector<RowId> damaged(links.size());
    for (RowId& link : damaged) {
      link = random() % 3 == 0 ? static_cast<RowId>(random()) : static_cast<RowId>(random() % 20);
    }
    test_walks(coded, damaged);
  }
}

}  // namespace

void test_graph() {
  for (const CodeKind kind : {CodeKind::nibbles, CodeKind::bytes}) {
    for (const std::size_t dim : {1UL, 64UL, 65UL, 128UL, 384UL, 700UL}) {
      for (const bool has_terms : {false, true}) {
        test_scores(Coded(kind, has_terms ? Metric::l2 : Metric::ip, dim, has_terms));
      }
    }
    for (const Metric metric : {Metric::l2, Metric::ip}) test_builds(kind, metric);
  }
  test_pools();
}
