#include "memory_test.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "checks.h"
#include "keys/key_table.h"
#include "sparse/packing.h"
#include "sparse/windowed_search.h"
#include "text/token_counter.h"
#include "text/vocabulary.h"

namespace {

// How often this thread gets memory before it gets none, once; negative: always.
thread_local std::int64_t times_left = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (times_left >= 0 && times_left-- == 0) throw std::bad_alloc();
  void* const memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace {

using elanus::test::check;

// Calls without memory at the first, the second ... place that needs some, with a check behind
// each failure, until a call needs no more.
template <typename Call, typename Check>
void fail_each_time(Call call, Check check_after) {
  for (std::int64_t place = 0;; ++place) {
    times_left = place;
    try {
      call();
      times_left = -1;
      return;
    } catch (const std::bad_alloc&) {
      times_left = -1;
      check_after();
    }
  }
}

struct Strings {
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::uint8_t> data;

  Strings(int first, int last) {
    for (int i = first; i < last; ++i) {
      for (const char letter : "a long key, that " + std::to_string(i)) {
        data.push_back(static_cast<std::uint8_t>(letter));
      }
      offsets.push_back(static_cast<std::int64_t>(data.size()));
    }
  }
  [[nodiscard]] elanus::StringKeyTable::Keys keys() const { return {offsets, data}; }
  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
};

std::vector<std::int64_t> counted(std::size_t count, std::int64_t first) {
  std::vector<std::int64_t> rows(count);
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

void test_key_table() {
  const Strings known(0, 40);
  const Strings both(20, 900);
  elanus::StringKeyTable table;
  std::vector<std::int64_t> older(both.size());
  table.put(known.keys(), 0, std::span(older).first(known.size()));
  std::vector<std::int64_t> rows(known.size());
  std::vector<std::int64_t> new_rows(both.size());
  int failed = 0;
  fail_each_time([&] { table.put(both.keys(), 100, older); },
                 [&] {
                   ++failed;
                   table.find(known.keys(), rows);
                   check(rows == counted(known.size(), 0), "a key keeps its row");
                   table.find(both.keys(), new_rows);
                   check(new_rows[20] == -1 && new_rows.back() == -1, "no new key is there");
                 });
  check(failed > 2, "a batch of keys needs memory at several places");
  table.find(both.keys(), new_rows);
  check(new_rows == counted(both.size(), 100), "then all are there");
  table.find(known.keys(), rows);
  check(rows[0] == 0 && rows[20] == 100, "with those of before");
}

void test_vocabulary() {
  elanus::Vocabulary vocabulary;
  int failed = 0;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const std::string text =
        (i % 2 == 0 ? "short " : "longer than what a slot holds ") + std::to_string(i);
    const std::vector<std::uint8_t> term(text.begin(), text.end());
    elanus::TermId number = 0;
    fail_each_time([&] { number = vocabulary.add(term); },
                   [&] {
                     ++failed;
                     check(vocabulary.size() == i, "no number is lost");
                     check(!vocabulary.find(term).has_value(), "the term is not there");
                   });
    check(number == i && vocabulary.term(number) == text, "then it is");
  }
  check(failed > 10, "terms need memory at several places");
}

// A word that waited for its term when memory ended is asked for again.
void test_token_counter() {
  const auto vocabulary = std::make_shared<elanus::Vocabulary>();
  elanus::TokenCounter counter(
      vocabulary,
      {elanus::TokenizerKind::standard, elanus::AsciiFilters({elanus::Lowercase{}}), true}, 10'000);
  const Strings texts(0, 60);
  int failed = 0;
  bool is_whole = false;
  fail_each_time([&] { is_whole = counter.scan(texts.offsets, texts.data); }, [&] { ++failed; });
  check(is_whole && failed > 10, "a scan needs memory at several places");
  const std::vector<std::string> words = counter.pending_words();
  check(words.size() == 64, "four words of each text, and one of its own");
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::vector<std::uint8_t> word(words[i].begin(), words[i].end());
    counter.resolve_word(i, word);
  }
  const elanus::TokenCounts counts = counter.count();
  check(counts.lengths == std::vector<std::uint32_t>(60, 5), "all words are counted");
}

// Lists of several kinds over two windows. More rows are wanted than a window has blocks, so that
// rows are kept before it is known what they must reach.
struct Postings {
  static constexpr std::size_t kRows = 20'000;
  std::vector<std::int64_t> offsets = {0};
  std::vector<elanus::RowId> rows;
  std::vector<float> weights;
  elanus::PackedTerms terms;
  std::vector<std::uint32_t> starts = {0};

  Postings() {
    for (const std::size_t gap : {1U, 5U, 30U, 700U}) {
      for (std::size_t row = 0; row < kRows; row += gap) {
        rows.push_back(static_cast<elanus::RowId>(row));
        weights.push_back(static_cast<float>(1 + row % 97));
      }
      offsets.push_back(static_cast<std::int64_t>(rows.size()));
    }
    terms = elanus::pack_terms({offsets, rows, weights}, kRows, std::nullopt);
    for (const std::uint32_t size : terms.sizes) starts.push_back(starts.back() + size);
    starts.pop_back();
    terms.bytes.resize(terms.bytes.size() + elanus::packed::kPaddingBytes);
  }

  [[nodiscard]] elanus::SparseHits search() const {
    static const std::vector<elanus::TermId> kTerms = {0, 1, 2, 3};
    static const std::vector<float> kWeights = {1, 0.5F, 2, 3};
    const elanus::PackedPostings packed({terms.entries, starts, terms.bytes}, kRows, std::nullopt);
    return elanus::search_windows({packed, {kTerms, kWeights}, std::nullopt}, {}, 300);
  }
};

// What a search keeps for the next one of its thread is as if it had not been.
void test_windows() {
  const Postings postings;
  const elanus::SparseHits expected = postings.search();
  int failed = 0;
  bool is_whole = false;
  for (std::int64_t place = 0; !is_whole; ++place) {
    // A thread of its own, whose memory is all still to come.
    std::thread([&] {
      times_left = place;
      try {
        static_cast<void>(postings.search());
        is_whole = true;
      } catch (const std::bad_alloc&) {
        ++failed;
      }
      times_left = -1;
      const elanus::SparseHits found = postings.search();
      check(found.row_ids == expected.row_ids && found.distances == expected.distances,
            "the search after one without memory");
    }).join();
  }
  check(failed > 4, "a search needs memory at several places");
}

}  // namespace

void test_memory() {
  test_key_table();
  test_vocabulary();
  test_token_counter();
  test_windows();
}
