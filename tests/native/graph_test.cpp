#include "graph_test.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "checks.h"
#include "graph/builder.h"
#include "graph/graph.h"
#include "graph/pruning.h"
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
  std::vector<const GraphKernels*> tables;
  const auto add = [&](const GraphKernels& nibbles, const GraphKernels& bytes,
                       const GraphKernels& bits) {
    tables.push_back(kind == CodeKind::nibbles ? &nibbles
                     : kind == CodeKind::bytes ? &bytes
                                               : &bits);
  };
  add(elanus::generic::kNibbleGraph, elanus::generic::kByteGraph, elanus::generic::kBitGraph);
#if defined(__x86_64__)
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    using namespace elanus;
    if (variant == CpuVariant::avx2) add(avx2::kNibbleGraph, avx2::kByteGraph, avx2::kBitGraph);
    if (variant == CpuVariant::avx512) {
      add(avx512::kNibbleGraph, avx512::kByteGraph, avx512::kBitGraph);
    }
  }
  if (elanus::has_avx512_vnni()) {
    using namespace elanus;
    add(avx512vnni::kNibbleGraph, avx512vnni::kByteGraph, avx512vnni::kBitGraph);
  }
#endif
  return tables;
}

// Rows with all that a graph of them needs; every array is exactly as long as it has to be.
struct Coded {
  std::size_t dim;
  std::vector<float> values;
  std::vector<elanus::BitByte> bits;  // of binary vectors, instead
  std::vector<float> mean;
  std::vector<float> steps;
  std::vector<std::uint8_t> codes;
  std::vector<float> terms;
  elanus::Quantizer quantizer;
  std::vector<RowId> entries;

  Coded(CodeKind kind, Metric metric, std::size_t dimensions, bool has_terms) : dim(dimensions) {
    std::mt19937 random(static_cast<unsigned>(dim));
    const float step = kind == CodeKind::nibbles ? 0.3F : 0.05F;
    if (kind == CodeKind::bits) {
      bits.resize(kRows * dim);
      for (elanus::BitByte& byte : bits) byte = {static_cast<std::uint8_t>(random() & random())};
    } else {
      values.resize(kRows * dim);
      std::normal_distribution<float> normal;
      for (float& value : values) value = normal(random);
      mean.resize(dim);
      steps.assign(dim, step);
    }
    quantizer = {kind, metric, mean, steps, has_terms ? 1.0F / step : 0.0F};
    codes.resize(kRows * elanus::code_lines(kind, dim) * elanus::kLineBytes);
    terms.resize(has_terms ? 2 * kRows : 0);
    elanus::encode_rows(quantizer, rows(), 0, kRows, codes, terms);
    // More than the pool of a stream holds at first.
    for (RowId row = 0; row < kRows; row += 13) entries.push_back(row);
  }

  [[nodiscard]] elanus::AnyRows rows() const {
    if (bits.empty()) return elanus::ScaledRows{{values, kRows, dim}, {}};
    return elanus::ScaledRowsOf<elanus::BitByte>{{bits, kRows, dim}, {}};
  }
  [[nodiscard]] elanus::AnyQuery row(std::size_t i) const {
    if (bits.empty()) return std::span(values).subspan(i * dim, dim);
    return std::span(bits).subspan(i * dim, dim);
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

// Keys of bits are the distances of a scan, in their order and with their ties.
void test_bit_scores(const Coded& coded) {
  const std::vector<RowId> links(kRows * kDegree, elanus::kNoRow);
  const elanus::Graph graph = coded.graph(links);
  std::vector<std::int64_t> found;
  graph.scan(coded.row(7), kRows, std::nullopt, found);
  std::vector<std::int64_t> row_ids(kRows);
  std::vector<float> distances(kRows);
  graph.rank(coded.row(7), found, row_ids, distances);
  for (std::size_t i = 0; i < kRows; ++i) {
    graph.scan(coded.row(7), i + 1, std::nullopt, found);
    std::sort(found.begin(), found.end());
    std::vector<std::int64_t> nearest(row_ids.begin(),
                                      row_ids.begin() + static_cast<std::ptrdiff_t>(i + 1));
    std::sort(nearest.begin(), nearest.end());
    check(found == nearest, "nearest bits of " + std::to_string(coded.dim) + " bytes");
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
  const Coded coded(kind, metric, 70, metric == Metric::l2 || metric == Metric::jaccard);
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

// A row that a damaged file names as often as it can; a thread of its own has no memory yet.
void test_repeated_entries() {
  Coded coded(CodeKind::bytes, Metric::l2, 70, true);
  const std::vector<RowId> links = built(coded, 1);
  coded.entries.assign(elanus::kMaxBatch, 5);
  std::thread([&] {
    const elanus::Graph graph = coded.graph(links);
    std::vector<std::int64_t> found;
    graph.candidates(coded.row(3), {300, 300, 0}, std::nullopt, found);
    check(!found.empty(), "candidates of a walk from one row");
    elanus::GraphStream stream(graph, coded.row(3), std::nullopt, 16, 2.0);
    stream.next(kRows, found);
    check(!found.empty(), "rows of a stream from one row");
  }).join();
}

// Squares overflow or vanish: distances are equal then, but they are numbers.
void test_extreme_floats() {
  for (const float size : {3e38F, 1e25F, 1e-38F, 1e-44F}) {
    Coded coded(CodeKind::bytes, Metric::l2, 70, true);
    for (float& value : coded.values) value = std::clamp(value, -1.0F, 1.0F) * size;
    for (std::size_t i = 0; i < 70 * 40; ++i) coded.values[i] /= size;  // some are as others are
    coded.steps.assign(70, 0.05F * std::min(size, 1e30F));
    coded.quantizer.steps = coded.steps;
    elanus::encode_rows(coded.quantizer, coded.rows(), 0, kRows, coded.codes, coded.terms);
    const elanus::AnyRows rows = coded.rows();
    elanus::PairDistances pairs(coded.quantizer, rows, {});
    pairs.encode(0, kRows);
    std::vector<RowId> others(kRows);
    for (std::size_t i = 0; i < kRows; ++i) others[i] = static_cast<RowId>(i);
    std::vector<float> distances(kRows);
    pairs.measure(50, others, distances.data());
    for (const float distance : distances) check(distance >= 0.0F, "a distance of extreme rows");
    const std::vector<RowId> links = built(coded, 1);
    check(links == built(coded, 3), "threads build the same graph of extreme rows");
    test_walks(coded, links);
  }
}

}  // namespace

// Rows of other types are coded as their widened copies are.
void test_types() {
  constexpr std::size_t kDim = 70;
  std::mt19937 random(3);
  std::vector<std::int8_t> small(kRows * kDim);
  for (std::int8_t& value : small) value = static_cast<std::int8_t>(random());
  const std::vector<float> wide(small.begin(), small.end());
  const std::vector<float> mean(kDim, 1.0F);
  const std::vector<float> steps(kDim, 20.0F);
  const elanus::Quantizer quantizer{CodeKind::nibbles, Metric::l2, mean, steps, 1.0F};
  const auto coded = [&](const elanus::AnyRows& rows) {
    std::pair<std::vector<std::uint8_t>, std::vector<float>> made;
    made.first.resize(kRows * elanus::code_lines(CodeKind::nibbles, kDim) * elanus::kLineBytes);
    made.second.resize(2 * kRows);
    elanus::encode_rows(quantizer, rows, 0, kRows, made.first, made.second);
    return made;
  };
  const elanus::AnyRows typed = elanus::ScaledRowsOf<std::int8_t>{{small, kRows, kDim}, {}};
  check(coded(typed) == coded(elanus::ScaledRows{{wide, kRows, kDim}, {}}), "codes of int8");
  check(typed.take(std::span<const std::int8_t>(small).first(kDim)), "int8 asked with int8");
  check(!typed.take(std::span<const std::int8_t>(small).first(kDim - 1)), "too few dimensions");
  const std::vector<elanus::BitByte> bits(kDim);
  check(!typed.take(std::span(bits)), "int8 asked with bits");
}

void test_graph() {
  for (const CodeKind kind : {CodeKind::nibbles, CodeKind::bytes}) {
    for (const std::size_t dim : {1UL, 64UL, 65UL, 128UL, 384UL, 700UL}) {
      for (const bool has_terms : {false, true}) {
        test_scores(Coded(kind, has_terms ? Metric::l2 : Metric::ip, dim, has_terms));
      }
    }
    for (const Metric metric : {Metric::l2, Metric::ip}) test_builds(kind, metric);
  }
  for (const Metric metric : {Metric::hamming, Metric::jaccard}) {
    for (const std::size_t dim : {1UL, 63UL, 64UL, 65UL, 128UL, 200UL, 384UL}) {
      const Coded coded(CodeKind::bits, metric, dim, metric == Metric::jaccard);
      test_scores(coded);
      test_bit_scores(coded);
    }
    test_builds(CodeKind::bits, metric);
  }
  test_repeated_entries();
  test_extreme_floats();
  test_types();
  test_pools();
}
