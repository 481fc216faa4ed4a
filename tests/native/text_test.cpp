#include "text_test.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "checks.h"
#include "text/automaton.h"
#include "text/char_classes.h"
#include "text/token_counter.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace {

using elanus::test::check;
using elanus::test::check_throws;

using Pieces = std::vector<std::string>;

std::vector<std::uint8_t> exact_bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

// Classes of a few characters: enough to reach every branch of the tokenizer.
elanus::CharClasses some_classes() {
  std::vector<elanus::CharClass> classes(elanus::kNumCodePoints);
  classes[0xE9] = elanus::kWord | elanus::kLetter;
  classes[0x301] = elanus::kMark;
  classes[0x200D] = elanus::kFormat;
  classes[0x2019] = elanus::kLetterJoiner | elanus::kDecimalJoiner;
  classes[0x5D0] = elanus::kWord | elanus::kLetter | elanus::kHebrew;
  classes[0x4E2D] = classes[0x56FD] = elanus::kCjk | elanus::kPlainCjk;
  classes[0x3099] = elanus::kMark;
  classes[0x1F44D] = elanus::kEmoji;
  classes[0x1F3FD] = elanus::kEmoji | elanus::kEmojiModifier;
  classes[0x1F1E6] = elanus::kFlag;
  classes[0xA0] = elanus::kSpace;
  return elanus::CharClasses(classes);
}

Pieces pieces_of(const std::string& text, const elanus::CharClasses* classes, bool words) {
  const std::vector<std::uint8_t> bytes = exact_bytes(text);
  Pieces found;
  const auto emit = [&](const elanus::Piece& piece) {
    found.push_back(text.substr(piece.begin, piece.end - piece.begin));
  };
  const bool whole = words ? elanus::whitespace_pieces(bytes, classes, emit)
                           : elanus::standard_pieces(bytes, classes, emit);
  if (!whole) found.emplace_back("?");
  return found;
}

void test_tokenizers() {
  const elanus::CharClasses classes = some_classes();
  check(pieces_of("_a can't 1.2,x __ e.g.", nullptr, false) ==
            Pieces{"_a", "can't", "1.2", "x", "e.g"},
        "words of ASCII");
  check(pieces_of("ab \xC3\xA9", nullptr, false) == Pieces{"ab", "?"}, "no classes");
  check(pieces_of("don\xE2\x80\x99t e\xCC\x81.b \xE4\xB8\xAD\xE5\x9B\xBD\xE4\xB8\xADz", &classes,
                  false) == Pieces{"don\xE2\x80\x99t", "e\xCC\x81.b", "\xE4\xB8\xAD\xE5\x9B\xBD",
                                   "\xE5\x9B\xBD\xE4\xB8\xAD", "z"},
        "words of Unicode");
  check(pieces_of("a\xC2\xA0-b c", &classes, true) == Pieces{"a", "-b", "c"}, "white space");
  check_throws([] { static_cast<void>(elanus::CharClasses(std::vector<elanus::CharClass>(3))); },
               "a table that is too short");
}

// Each place of texts of any bytes, against a look at one byte after the other.
void test_word_bytes() {
  std::mt19937 random(5);
  for (std::size_t size : {0U, 1U, 63U, 64U, 65U, 200U}) {
    std::string text(size, ' ');
    for (char& c : text) {
      // Mostly long runs, of every byte there is.
      c = random() % 4 == 0 ? static_cast<char>(random() % 256) : "az_09AZ"[random() % 7];
    }
    const std::vector<std::uint8_t> bytes = exact_bytes(text);
    elanus::WordBytes words(bytes);
    for (std::size_t at = 0; at <= size; ++at) {
      const auto is_word = [&](std::size_t i) {
        return bytes[i] < 0x80 && (elanus::kAsciiClasses[bytes[i]] & elanus::kWord) != 0;
      };
      std::size_t begin = at;
      while (begin < size && bytes[begin] < 0x80 && !is_word(begin)) ++begin;
      std::size_t end = at;
      while (end < size && is_word(end)) ++end;
      check(words.next_begin(at) == begin && words.next_end(at) == end, "bytes of words");
    }
  }
}

// Characters in more bytes than they need, behind the last one, and cut off, are none.
void test_characters() {
  const auto code_point = [](const std::string& text) {
    return elanus::decode_utf8(exact_bytes(text), 0).code_point;
  };
  check(code_point("\xC2\x80") == 0x80 && code_point("\xE0\xA0\x80") == 0x800 &&
            code_point("\xF0\x90\x80\x80") == 0x10000 && code_point("\xF4\x8F\xBF\xBF") == 0x10FFFF,
        "the first and the last of each size");
  for (const std::string text :
       {"\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    check(code_point(text) >= elanus::kNumCodePoints, "no character");
  }
}

// Any bytes, cut anywhere: nothing is read past the end and every piece lies inside.
void test_hostile_text() {
  const elanus::CharClasses classes = some_classes();
  const Pieces parts = {"a",
                        "1",
                        "_",
                        ".",
                        "'",
                        "\"",
                        " ",
                        "\xC3\xA9",
                        "\xCC\x81",
                        "\xD7\x90",
                        "\xC2",
                        "\xFF",
                        "\x80",
                        "\xE2\x80\x99",
                        "\xE2\x80\x8D",
                        "\xE4\xB8\xAD",
                        "\xE4\xB8",
                        "\xE3\x82\x99",
                        "\xED\xA0\x80",
                        "\xF0\x9F\x91\x8D",
                        "\xF0\x9F\x8F\xBD",
                        "\xF0\x9F\x87\xA6",
                        "\xF0\x9F",
                        "\xF4\x90\x80\x80",
                        "\xC0\x80",
                        "\xE0\x80\x80"};
  std::mt19937 random(5);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    const std::size_t count = random() % 12;
    for (std::size_t i = 0; i < count; ++i) text += parts[random() % parts.size()];
    for (const bool words : {false, true}) {
      std::size_t total = 0;
      for (const std::string& piece : pieces_of(text, &classes, words)) {
        check(!piece.empty(), "a piece is never empty");
        total += piece.size();
      }
      check(total <= 2 * text.size(), "pieces lie inside their text");
    }
  }
}

void test_token_counter() {
  const auto vocabulary = std::make_shared<elanus::Vocabulary>();
  const elanus::AsciiFilters filters({elanus::Possessive{}, elanus::Lowercase{},
                                      elanus::StopWords{{"the"}}, elanus::TokenLength{2, 300}});
  elanus::TokenCounter counter(vocabulary, {elanus::TokenizerKind::standard, filters, false}, 50);
  std::size_t distinct = 0;
  for (int round = 0; round < 40; ++round) {
    const std::string word = "word" + std::to_string(round);
    const std::string text = "The Cat's cat x " + word + " " + std::string(2000, 'y') + "cat";
    const std::vector<std::uint8_t> bytes = exact_bytes(text);
    const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(bytes.size() - 3),
                                               static_cast<std::int64_t>(bytes.size())};
    check(counter.scan(offsets, bytes), "ASCII needs no classes");
    const elanus::TokenCounts counts = counter.count();
    distinct = vocabulary->size();
    check(counts.offsets == std::vector<std::int64_t>{0, 3, 4}, "distinct terms of each text");
    check(counts.lengths == std::vector<std::uint32_t>{4, 1}, "lengths of the texts");
    check(counts.counts == std::vector<float>{2, 1, 1, 1}, "counts of the terms");
    check(vocabulary->term(counts.terms[3]) == "cat", "term of a text");
  }
  check(distinct == 42, "terms of all texts");
  // More words than are sorted by comparing them, against the order in which they were numbered.
  std::string forward;
  std::string backward;
  for (int i = 0; i < 300; ++i) {
    const std::string word = "number" + std::to_string(i) + " ";
    forward += word;
    backward = word + backward;
  }
  for (const std::string& text : {forward, backward, backward + backward}) {
    const std::vector<std::uint8_t> words = exact_bytes(text);
    check(
        counter.scan(std::vector<std::int64_t>{0, static_cast<std::int64_t>(words.size())}, words),
        "ASCII needs no classes");
    const elanus::TokenCounts counts = counter.count();
    check(counts.terms.size() == 300 && std::is_sorted(counts.terms.begin(), counts.terms.end()),
          "terms ascend");
  }
  const std::vector<std::uint8_t> bytes = exact_bytes("ab");
  for (const std::vector<std::int64_t>& offsets :
       {std::vector<std::int64_t>{0, 3}, {1, 0}, {-1, 1}, {}}) {
    check_throws([&] { static_cast<void>(counter.scan(offsets, bytes)); }, "wrong offsets");
  }
}

// Readers look terms up while a writer adds: what ThreadSanitizer watches.
void test_vocabulary() {
  elanus::Vocabulary vocabulary;
  constexpr std::uint32_t kNumTerms = 20000;
  const auto term = [](std::uint32_t i) {
    return exact_bytes(std::string(i % 30, 'x') + std::to_string(i));
  };
  std::thread writer([&] {
    for (std::uint32_t i = 0; i < kNumTerms; ++i) {
      check(vocabulary.add(term(i)) == i, "number of a new term");
    }
  });
  while (vocabulary.size() < kNumTerms) {
    const auto last = static_cast<std::uint32_t>(vocabulary.size());
    if (last > 0) check(vocabulary.find(term(last - 1)) == last - 1, "a term that was added");
  }
  writer.join();
  check(vocabulary.add(term(7)) == 7, "number of a known term");
  check(!vocabulary.find(exact_bytes("nobody")).has_value(), "a term nobody added");
  const std::vector<elanus::TermId> numbers = {12, 3, 11};  // "xxx...12", "xxx3", "xxx...11"
  const elanus::Vocabulary::Sorted sorted = vocabulary.sorted(numbers);
  check(sorted.order == std::vector<std::int64_t>{1, 2, 0}, "terms in order");
  check(sorted.terms.offsets == std::vector<std::int64_t>{0, 4, 17, 31}, "bytes of sorted terms");
  const std::vector<elanus::TermId> wrong = {kNumTerms};
  check_throws([&] { static_cast<void>(vocabulary.sorted(wrong)); }, "a number without a term");
}

// Texts that hold "ab", or "é" in front of an "x"; states are forgotten all the time.
class SmallTeacher {
 public:
  explicit SmallTeacher(std::size_t most) : most_(most) {}

  elanus::AutomatonState told(int meaning, bool begins_anew = false) {
    if (begins_anew) meanings_.clear();
    for (std::size_t i = 0; i < meanings_.size(); ++i) {
      if (meanings_[i] == meaning) return {static_cast<std::uint32_t>(i), answer(meaning), false};
    }
    meanings_.push_back(meaning);
    return {static_cast<std::uint32_t>(meanings_.size() - 1), answer(meaning), begins_anew};
  }

  // 0: nothing yet, 1: behind "a", 2: behind "é", 3: found.
  elanus::AutomatonState step(std::uint32_t state, std::uint32_t code_point) {
    const int before = meanings_.at(state);
    ++num_steps_;
    const bool is_found =
        before == 3 || (before == 1 && code_point == 'b') || (before == 2 && code_point == 'x');
    const int after = is_found ? 3 : code_point == 'a' ? 1 : code_point == 0xE9 ? 2 : 0;
    return told(after, meanings_.size() > most_);
  }

  [[nodiscard]] std::size_t num_steps() const { return num_steps_; }

 private:
  static std::optional<bool> answer(int meaning) {
    return meaning == 3 ? std::optional(true) : std::nullopt;
  }

  std::size_t most_;
  std::vector<int> meanings_;
  std::size_t num_steps_ = 0;
};

void test_automaton() {
  for (const std::size_t most : {0, 1, 100}) {
    SmallTeacher teacher(most);
    elanus::Automaton automaton({[&] { return teacher.told(0); },
                                 [&](std::uint32_t state, std::uint32_t code_point) {
                                   return teacher.step(state, code_point);
                                 },
                                 [](std::uint32_t) { return false; }});
    for (int round = 0; round < 3; ++round) {
      for (const auto& [text, expected] : {std::pair<std::string, bool>{"xxab", true},
                                           {"", false},
                                           {"a\xC3\xA9xb", true},
                                           {"axb\xC3\xA9", false},
                                           {"\xC3\xA9\xE6\x97\xA5x", false},
                                           {"aab", true}}) {
        check(automaton.matches(exact_bytes(text)) == expected, "what an automaton says");
      }
    }
    check(most < 100 || teacher.num_steps() < 20, "transitions are asked for once");
    check_throws([&] { static_cast<void>(automaton.matches(exact_bytes("x\xC3"))); }, "no UTF-8");
  }
}

}  // namespace

void test_text() {
  test_automaton();
  test_word_bytes();
  test_tokenizers();
  test_characters();
  test_hostile_text();
  test_token_counter();
  test_vocabulary();
}
