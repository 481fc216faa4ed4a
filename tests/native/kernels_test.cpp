// Kernels against plain loops, on every CPU variant of this machine, without Python.
//
// Built with sanitizers: every array is an exact heap allocation, so that a load past its end, as
// from a wrong tail of a vector loop, stops the program. Prints a line per failure and exits 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "checks.h"
#include "checksum/block_verifier.h"
#include "checksum/crc32c.h"
#include "checksum/hash64.h"
#include "distance/distance.h"
#include "filters_test.h"
#include "graph_test.h"
#include "keys/key_table.h"
#include "memory_test.h"
#include "patterns_test.h"
#include "quantized/code_kernels.h"
#include "quantized/scan_codes.h"
#include "sparse/growing_postings.h"
#include "sparse/packing.h"
#include "sparse/windowed_search.h"
#include "support/cpu.h"
#include "support/error.h"
#include "text_test.h"
#include "typed_vectors_test.h"

namespace {

using elanus::Metric;

using elanus::test::check;
using elanus::test::check_throws;
using elanus::test::failures;

std::vector<float> random_floats(std::mt19937& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double plain_distance(Metric metric, const float* query, const float* row, std::size_t dim) {
  double sum = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const double difference = static_cast<double>(query[d]) - static_cast<double>(row[d]);
    const double product = static_cast<double>(query[d]) * static_cast<double>(row[d]);
    sum += metric == Metric::l2 ? difference * difference : -product;
  }
  return sum;
}

struct Scan {
  std::vector<std::int64_t> row_ids;
  std::vector<float> distances;
};

Scan scan(const elanus::ScanRequest& request) {
  const std::size_t size = request.queries.num_rows * request.k;
  Scan found{std::vector<std::int64_t>(size), std::vector<float>(size)};
  elanus::scan_topk(request, {found.row_ids, found.distances});
  return found;
}

void test_dense(const std::string& variant, Metric metric, std::size_t dim, std::size_t num_rows,
                std::size_t num_queries) {
  std::mt19937 random(static_cast<unsigned>(dim * 131 + num_rows));
  const std::vector<float> rows = random_floats(random, num_rows * dim);
  const std::vector<float> queries = random_floats(random, num_queries * dim);
  std::vector<std::uint64_t> words(elanus::words_for_bits(num_rows));
  // Padding bits are set on purpose: they must not become rows.
  for (std::uint64_t& word : words) word = (std::uint64_t{random()} << 32) | random();
  const elanus::BitsetView allowed(words, num_rows);
  const std::string what = variant + " dim " + std::to_string(dim) + " rows " +
                           std::to_string(num_rows) + " queries " + std::to_string(num_queries);
  const Scan found = scan(
      {metric, {queries, num_queries, dim}, {{rows, num_rows, dim}, {}}, allowed, num_rows + 1});
  for (std::size_t q = 0; q < num_queries; ++q) {
    const auto* ids = found.row_ids.data() + q * (num_rows + 1);
    const auto* distances = found.distances.data() + q * (num_rows + 1);
    check(std::is_sorted(distances, distances + allowed.count()), what + ": ascending");
    check(ids[allowed.count()] == -1 && std::isinf(distances[allowed.count()]), what + ": padded");
    for (std::size_t i = 0; i < allowed.count(); ++i) {
      check(allowed.test(static_cast<elanus::RowId>(ids[i])), what + ": allowed");
      const double expected =
          plain_distance(metric, queries.data() + q * dim,
                         rows.data() + static_cast<std::size_t>(ids[i]) * dim, dim);
      check(std::abs(expected - distances[i]) <= 1e-5 * static_cast<double>(dim),
            what + ": distance");
    }
  }
}

std::uint32_t plain_crc32c(const std::vector<std::uint8_t>& bytes, std::size_t begin) {
  std::uint32_t state = 0xffffffff;
  for (std::size_t i = begin; i < bytes.size(); ++i) {
    state ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  return ~state;
}

void test_checksum(const std::string& variant) {
  std::mt19937 random(1);
  for (const std::size_t size : {0, 1, 7, 8, 9, 100, 768, 2000, 12288, 12300, 40001}) {
    std::vector<std::uint8_t> bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    for (const std::size_t begin : {std::size_t{0}, std::min<std::size_t>(size, 3)}) {
      const std::span<const std::uint8_t> part = std::span(bytes).subspan(begin);
      check(elanus::crc32c(part, 0) == plain_crc32c(bytes, begin),
            variant + ": crc32c of " + std::to_string(part.size()) + " bytes");
    }
  }
}

void test_variant(const std::string& variant) {
  elanus::set_active_variant(variant);
  for (const Metric metric : {Metric::l2, Metric::ip}) {
    for (const std::size_t dim : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 385}) {
      for (const std::size_t num_rows : {1, 2, 7, 8, 9, 64, 130, 530}) {
        for (const std::size_t num_queries : {1, 2, 3, 4, 6, 9}) {
          test_dense(variant, metric, dim, num_rows, num_queries);
        }
      }
    }
  }
  test_checksum(variant);
  failures += typed_vector_failures(variant);
}

void test_hashing() {
  const std::vector<std::int64_t> offsets = {0, 1, 1, 3};
  const std::vector<std::uint8_t> text = {'a', 'b', 'c'};
  std::vector<std::uint64_t> hashes(3);
  elanus::hash64_strings(offsets, text, hashes);
  check(hashes[0] == 0xd24ec4f1a98c6e5bU && hashes[1] == 0xef46db3751d8e999U, "hash64 values");
  const std::vector<std::int64_t> damaged = {0, 4};
  check_throws([&] { elanus::hash64_strings(damaged, text, std::span(hashes).first(1)); },
               "hash64 of damaged offsets");
}

elanus::SparseHits search(const elanus::GrowingPostings& postings, std::size_t num_rows) {
  const std::vector<elanus::TermId> terms = {1, 2, 900};
  const std::vector<float> weights = {1.0F, 0.5F, 3.0F};
  return postings.search({{terms, weights}, std::nullopt, num_rows}, std::nullopt, 10);
}

// Row r holds term 1 with weight r + 1, and even rows term 2.
void append_rows(elanus::GrowingPostings& postings, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = postings.num_rows();
    const std::vector<std::int64_t> offsets = {0, row % 2 == 0 ? 2 : 1};
    const std::vector<elanus::TermId> terms = {1, 2};
    const std::vector<float> weights = {static_cast<float>(row + 1), 1.0F};
    postings.append({offsets, terms, weights});
  }
}

void test_postings() {
  elanus::GrowingPostings postings;
  constexpr std::size_t kNumRows = 20000;
  std::thread writer([&] { append_rows(postings, kNumRows); });
  std::size_t num_rows = 0;
  while (num_rows < kNumRows) {
    num_rows = postings.num_rows();
    const elanus::SparseHits hits = search(postings, num_rows);
    check(hits.row_ids.size() == std::min<std::size_t>(num_rows, 10), "hits of a snapshot");
    check(num_rows < 2 || static_cast<std::size_t>(hits.row_ids[0]) == num_rows - 1,
          "best row of a snapshot");
  }
  writer.join();
  const std::vector<elanus::TermId> terms = postings.terms(1500);
  check(terms == std::vector<elanus::TermId>{1, 2}, "exported terms");
  const elanus::ExportedPostings exported = postings.export_postings(terms, 1500);
  check(exported.offsets == std::vector<std::int64_t>{0, 1500, 2250}, "exported offsets");
  check_throws([&] { static_cast<void>(search(postings, kNumRows + 1)); }, "a snapshot too large");
}

// Lists of every kind, packed; three windows of rows, the last one short.
struct PackedLists {
  static constexpr std::size_t kNumRows = 2 * 16384 + 1000;
  std::vector<std::int64_t> offsets = {0};
  std::vector<elanus::RowId> rows;
  std::vector<float> weights;
  std::vector<std::uint32_t> lengths = std::vector<std::uint32_t>(kNumRows, 100);
  elanus::PackedTerms terms;
  std::vector<std::uint32_t> starts;

  explicit PackedLists(bool is_coded) {
    std::mt19937 random(11);
    for (const std::size_t gap : {1, 3, 8, 40, 260, 9000}) {
      for (std::size_t row = random() % gap; row < kNumRows; row += 1 + random() % (2 * gap - 1)) {
        rows.push_back(static_cast<elanus::RowId>(row));
        weights.push_back(static_cast<float>(1 + random() % 40));
      }
      offsets.push_back(static_cast<std::int64_t>(rows.size()));
    }
    terms = elanus::pack_terms({offsets, rows, weights}, kNumRows, coding(is_coded));
    std::uint32_t start = 0;
    for (const std::uint32_t size : terms.sizes) {
      starts.push_back(start);
      start += size;
    }
    terms.bytes.resize(terms.bytes.size() + elanus::packed::kPaddingBytes);
    terms.bytes.shrink_to_fit();
  }

  [[nodiscard]] std::optional<elanus::SealedCoding> coding(bool is_coded) const {
    if (!is_coded) return std::nullopt;
    return elanus::SealedCoding{elanus::packed::FrequencyCoding(1.2, 0.75, 100), lengths};
  }
};

const std::vector<elanus::TermId> kQueryTerms = {0, 1, 2, 3, 4, 5};
const std::vector<float> kQueryWeights = {0.1F, 0.3F, 1, 2, 3, 4};

elanus::SparseHits search_packed(const PackedLists& lists, bool is_coded) {
  const elanus::PackedPostings postings({lists.terms.entries, lists.starts, lists.terms.bytes},
                                        PackedLists::kNumRows, lists.coding(is_coded));
  std::optional<elanus::Bm25Parameters> bm25;
  if (is_coded) bm25 = elanus::Bm25Parameters{1.2F, 0.75F, 100, lists.lengths};
  return elanus::search_windows({postings, {kQueryTerms, kQueryWeights}, bm25}, {}, 10);
}

void test_packed_postings() {
  for (const bool is_coded : {false, true}) {
    const PackedLists lists(is_coded);
    std::vector<elanus::WeightedPostings> terms;
    for (std::size_t t = 0; t + 1 < lists.offsets.size(); ++t) {
      const auto begin = static_cast<std::size_t>(lists.offsets[t]);
      const auto count = static_cast<std::size_t>(lists.offsets[t + 1]) - begin;
      terms.push_back({{std::span(lists.rows).subspan(begin, count),
                        std::span(lists.weights).subspan(begin, count)},
                       kQueryWeights[t]});
    }
    std::optional<elanus::Bm25Parameters> bm25;
    if (is_coded) bm25 = elanus::Bm25Parameters{1.2F, 0.75F, 100, lists.lengths};
    const auto expected =
        elanus::search_exhaustive({terms, bm25, PackedLists::kNumRows}, std::nullopt, 10);
    const auto got = search_packed(lists, is_coded);
    check(got.row_ids == expected.row_ids && got.distances == expected.distances,
          "packed postings give what plain ones give");
  }
}

// Calls all that reads postings beside a search; damage may be named.
void read_packed(const PackedLists& lists, bool is_coded) {
  const elanus::PackedPostings postings({lists.terms.entries, lists.starts, lists.terms.bytes},
                                        PackedLists::kNumRows, lists.coding(is_coded));
  std::optional<elanus::Bm25Parameters> bm25;
  if (is_coded) bm25 = elanus::Bm25Parameters{1.2F, 0.75F, 100, lists.lengths};
  const std::vector<std::uint64_t> words(elanus::words_for_bits(PackedLists::kNumRows),
                                         0x5555aaaa5555aaaaU);
  const elanus::BitsetView alive(words, PackedLists::kNumRows);
  const std::vector<std::int64_t> rows = {0, 1, 16383, 16384, PackedLists::kNumRows - 1};
  for (const elanus::TermId term : kQueryTerms) {
    try {
      static_cast<void>(postings.unpack(term, term + 1));
    } catch (const elanus::Error&) {
    }
    try {
      std::vector<std::int64_t> found(1);
      elanus::document_frequencies(postings, {&term, 1}, alive, found);
    } catch (const elanus::Error&) {
    }
    try {
      std::vector<float> found(rows.size());
      elanus::distances_to_packed_rows(
          {postings, {{&term, 1}, std::span(kQueryWeights).first(1)}, bm25}, rows, found);
    } catch (const elanus::Error&) {
    }
  }
}

void test_damaged_postings() {
  std::mt19937 random(12);
  for (const bool is_coded : {false, true}) {
    PackedLists lists(is_coded);
    const PackedLists whole = lists;
    for (int i = 0; i < 400; ++i) {
      lists.terms = whole.terms;
      const std::size_t term = random() % whole.starts.size();
      // Mostly where lengths and directories lie.
      const std::size_t at = std::size_t{whole.starts[term]} * 4 + random() % 64;
      if (i % 4 == 0) {
        lists.terms.entries[term] ^= 1U << (random() % 32);
      } else {
        lists.terms.bytes[i % 2 == 0 ? at : random() % whole.terms.bytes.size()] ^=
            static_cast<std::uint8_t>(1U << (random() % 8));
      }
      try {
        static_cast<void>(search_packed(lists, is_coded));
      } catch (const elanus::Error&) {
      }
      read_packed(lists, is_coded);
    }
  }
}

// Readers look up while a writer adds: what ThreadSanitizer watches.
void test_key_tables() {
  constexpr std::size_t kRows = 5000;
  elanus::IntKeyTable numbers;
  elanus::StringKeyTable words;
  std::vector<std::int64_t> keys(kRows);
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::uint8_t> text;
  for (std::size_t i = 0; i < kRows; ++i) {
    keys[i] = static_cast<std::int64_t>(i % (kRows / 2)) - 7;
    for (const char digit : std::to_string(keys[i]))
      text.push_back(static_cast<std::uint8_t>(digit));
    offsets.push_back(static_cast<std::int64_t>(text.size()));
  }
  const elanus::StringKeyTable::Keys strings{offsets, text};
  std::thread reader([&] {
    std::vector<std::int64_t> rows(kRows);
    for (int i = 0; i < 20; ++i) {
      numbers.find(keys, rows);
      words.find(strings, rows);
    }
  });
  std::vector<std::int64_t> older(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    numbers.put(std::span(keys).subspan(i, 1), i, std::span(older).first(1));
    words.put({std::span(offsets).subspan(i, 2), text}, i, std::span(older).first(1));
  }
  reader.join();
  std::vector<std::int64_t> rows(kRows);
  std::vector<std::int64_t> expected(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    expected[i] = static_cast<std::int64_t>(i % (kRows / 2) + kRows / 2);
  }
  numbers.find(keys, rows);
  check(rows == expected, "newest rows of numbers");
  words.find(strings, rows);
  check(rows == expected, "newest rows of strings");
}

// Many threads check the same blocks: all of them find the damaged one.
void test_block_verifier() {
  std::mt19937 random(3);
  std::vector<std::uint8_t> bytes(100'001);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  constexpr std::size_t kBlock = 1000;
  std::vector<std::uint8_t> checksums;
  for (std::size_t start = 0; start < bytes.size(); start += kBlock) {
    const std::size_t size = std::min(kBlock, bytes.size() - start);
    const std::uint32_t sum = elanus::crc32c(std::span(bytes).subspan(start, size), 0);
    for (int shift = 0; shift < 32; shift += 8) {
      checksums.push_back(static_cast<std::uint8_t>(sum >> shift));
    }
  }
  bytes[70'500] ^= 1;
  elanus::BlockVerifier verifier(bytes, checksums, kBlock);
  std::vector<std::optional<std::size_t>> found(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back(
        [&, i] { found[i] = verifier.verify_range(i * kBlock / 2, bytes.size()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::optional<std::size_t>& block : found) {
    check(block == std::optional<std::size_t>(70), "the damaged block is found by every thread");
  }
  const elanus::RowLayout layout{1, 400, 250};
  const std::vector<std::int64_t> whole = {0, 10, 249};
  const std::vector<std::int64_t> damaged = {0, 176};
  check(!verifier.verify_rows(layout, whole).has_value(), "whole rows are whole");
  check(verifier.are_verified(layout, whole), "verified rows are remembered");
  check(verifier.verify_rows(layout, damaged) == std::optional<std::size_t>(70),
        "the block of a damaged row is found");
  check(!verifier.are_verified(layout, damaged), "a damaged block stays unverified");
}

std::vector<const elanus::CodeKernels*> runnable_code_kernels() {
  std::vector<const elanus::CodeKernels*> tables = {&elanus::generic::kCodeKernels};
#if defined(__x86_64__)
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    if (variant == elanus::CpuVariant::avx2) tables.push_back(&elanus::avx2::kCodeKernels);
    if (variant == elanus::CpuVariant::avx512) tables.push_back(&elanus::avx512::kCodeKernels);
  }
  if (elanus::has_avx512_vnni()) tables.push_back(&elanus::avx512_vnni::kCodeKernels);
#endif
  return tables;
}

// Integers: every variant, AVX-512 with and without VNNI among them, gives the same.
void test_code_products() {
  std::mt19937 random(4);
  constexpr std::size_t kRows = 21;
  for (const std::size_t stride : {64UL, 128UL, 384UL}) {
    for (const std::size_t num_queries : {1UL, 4UL, 7UL}) {
      std::vector<std::uint8_t> codes(kRows * stride);
      std::vector<std::int8_t> queries(num_queries * stride);
      // The largest products, too: sums of them must not saturate.
      for (auto& code : codes) code = random() % 3 == 0 ? 255 : static_cast<std::uint8_t>(random());
      for (auto& code : queries) {
        code = static_cast<std::int8_t>(random() % 3 == 0 ? 127
                                                          : static_cast<int>(random() % 255) - 127);
      }
      const std::vector<std::int16_t> widened(queries.begin(), queries.end());
      std::vector<elanus::RowId> rows(kRows);
      for (std::size_t i = 0; i < kRows; ++i) rows[i] = static_cast<elanus::RowId>(kRows - 1 - i);
      std::vector<std::int32_t> expected(num_queries * kRows);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        for (std::size_t d = 0; d < stride; ++d) {
          expected[i] += queries[i / kRows * stride + d] * codes[rows[i % kRows] * stride + d];
        }
      }
      for (const elanus::CodeKernels* kernels : runnable_code_kernels()) {
        std::vector<std::int32_t> out(expected.size());
        kernels->products({queries.data(), widened.data(), num_queries, codes.data(), stride,
                           rows.data(), kRows, out.data()});
        check(out == expected, std::string("code products of ") + kernels->name);
      }
    }
  }
}

// Both passes over exact allocations, against a scan of the floats.
void test_scan_codes() {
  std::mt19937 random(5);
  constexpr std::size_t kRows = 2'100;
  constexpr std::size_t kDim = 67;
  constexpr std::size_t kWanted = 9;
  const std::size_t stride = elanus::code_stride(kDim);
  const std::vector<float> values = random_floats(random, kRows * kDim);
  const std::vector<float> queries = random_floats(random, 5 * kDim);
  const std::vector<float> centre = random_floats(random, kDim);
  std::vector<std::uint8_t> codes(kRows * stride);
  std::vector<float> scales(kRows), errors(kRows), norms(kRows);
  const elanus::ScaledRows rows{{values, kRows, kDim}, {}};
  elanus::encode_rows(rows, centre, {codes, scales, errors, norms});
  for (const Metric metric : {Metric::l2, Metric::ip}) {
    const elanus::ScanCodes opened({codes, scales, errors, norms, centre}, metric);
    const elanus::CodeScan scan{{queries, 5, kDim}, std::nullopt, kWanted, {0, kRows}};
    std::vector<std::int64_t> got(5 * kWanted), expected(5 * kWanted);
    std::vector<float> got_distances(5 * kWanted), distances(5 * kWanted);
    const std::vector<elanus::Survivors> survivors = elanus::scan_codes(opened, scan);
    elanus::rescore(opened, scan, survivors, rows, {got, got_distances});
    elanus::scan_topk({metric, scan.queries, rows, std::nullopt, kWanted}, {expected, distances});
    check(got == expected && got_distances == distances, "a scan of codes is exact");
  }
  check_throws(
      [&] {
        elanus::ScanCodes({std::span(codes).first(codes.size() - 1), scales, errors, norms, centre},
                          Metric::l2);
      },
      "codes that are too short");
}

}  // namespace

int main() {
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    elanus::set_active_variant(elanus::variant_name(variant));
    test_variant(std::string(elanus::variant_name(variant)));
    test_packed_postings();
    test_damaged_postings();
    std::printf("ran %s\n", std::string(elanus::variant_name(variant)).c_str());
  }
  test_code_products();
  test_scan_codes();
  test_hashing();
  test_block_verifier();
  test_key_tables();
  test_postings();
  test_filters();
  test_patterns();
  test_text();
  test_graph();
  test_memory();
  std::printf("%d failures\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
