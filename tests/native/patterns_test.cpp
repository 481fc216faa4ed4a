#include "patterns_test.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "checks.h"
#include "support/cpu.h"
#include "text/find_kernels.h"
#include "text/text_pattern.h"
#include "text/texts.h"

namespace {

using elanus::test::check;
using elanus::test::check_throws;

using Bytes = std::vector<std::uint8_t>;

Bytes drawn_bytes(std::mt19937& random, std::size_t size, const std::string& alphabet) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(alphabet[random() % alphabet.size()]);
  }
  return bytes;
}

// A place at a time, as it is said.
std::size_t find_slowly(const Bytes& text, const Bytes& part, const Bytes& folds) {
  for (std::size_t at = 0; at + part.size() <= text.size(); ++at) {
    bool stands = true;
    for (std::size_t j = 0; j < part.size(); ++j) stands &= (text[at + j] | folds[j]) == part[j];
    if (stands) return at;
  }
  return text.size();
}

// Every length of a text up to twice the places that are looked at together, in memory of exactly
// that size, so that a byte that is read beyond it is seen.
void test_find() {
  std::mt19937 random(7);
  for (std::size_t size = 0; size <= 130; ++size) {
    for (const std::size_t part_size : {1U, 2U, 3U, 5U, 40U, 66U}) {
      for (int round = 0; round < 8; ++round) {
        // Of one letter mostly, so that parts stand late, and of both cases.
        const Bytes text = drawn_bytes(random, size, "aaaaaaab");
        Bytes part = drawn_bytes(random, part_size, round < 4 ? "aaaaaaaaaaaaab" : "a");
        if (round == 3) part.back() = 'z';
        Bytes folds(part_size, round % 2 == 0 ? 0x20 : 0);
        Bytes given = text;
        if (round % 2 == 0) {
          for (std::uint8_t& byte : given) {
            byte = static_cast<std::uint8_t>(byte ^ (random() % 2 == 0 ? 0x20U : 0U));
          }
        }
        const std::size_t found = elanus::find_kernel()(given.data(), given.size(), part.data(),
                                                        folds.data(), part.size());
        check(found == find_slowly(given, part, folds), "where a part stands");
      }
    }
  }
}

// What LIKE means, by recursion, for texts of ASCII.
bool matches_slowly(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (std::size_t at = 0; at <= text.size(); ++at) {
      if (matches_slowly(pattern.substr(1), text.substr(at))) return true;
    }
    return false;
  }
  const bool is_one = !text.empty() && (pattern[0] == '_' || pattern[0] == text[0]);
  return is_one && matches_slowly(pattern.substr(1), text.substr(1));
}

Bytes to_pattern(const std::string& pattern) {
  Bytes bytes;
  for (const char c : pattern) {
    bytes.push_back(c == '%'   ? elanus::TextPattern::kAnyText
                    : c == '_' ? elanus::TextPattern::kAnyCharacter
                               : static_cast<std::uint8_t>(c));
  }
  return bytes;
}

std::vector<std::uint8_t> matching(const std::vector<std::string>& all, const std::string& pattern,
                                   bool ignores_case, std::vector<std::int64_t>& undecided) {
  std::vector<std::int64_t> offsets = {0};
  Bytes data;
  for (const std::string& text : all) {
    data.insert(data.end(), text.begin(), text.end());
    offsets.push_back(static_cast<std::int64_t>(data.size()));
  }
  std::vector<std::uint8_t> found(all.size(), 9);
  elanus::TextPattern(to_pattern(pattern), ignores_case)
      .match(elanus::Texts(offsets, data), found, undecided);
  return found;
}

void test_random_patterns() {
  std::mt19937 random(11);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 400; ++i) {
    const Bytes bytes = drawn_bytes(random, random() % 12, "aab");
    texts.emplace_back(bytes.begin(), bytes.end());
  }
  for (int round = 0; round < 300; ++round) {
    const Bytes drawn = drawn_bytes(random, random() % 7, "aab%%_");
    const std::string pattern(drawn.begin(), drawn.end());
    std::vector<std::int64_t> undecided;
    const std::vector<std::uint8_t> found = matching(texts, pattern, round % 2 == 0, undecided);
    check(undecided.empty(), "texts of ASCII are decided");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      check((found[i] == 1) == matches_slowly(pattern, texts[i]), "what matches a pattern");
    }
  }
}

void test_characters_beyond_ascii() {
  std::vector<std::int64_t> undecided;
  // One character is one, of however many bytes; a part that begins in one text ends in no other.
  check(matching({"a\xC3\xA4z", "a\xE2\x84\xAAz", "az", "ab"}, "a_z", false, undecided) ==
            Bytes{1, 1, 0, 0},
        "one character");
  check(matching({"xa", "bx", "ab"}, "%ab%", false, undecided) == Bytes{0, 0, 1}, "no text alone");
  check(undecided.empty(), "where case counts, all is decided");
  // Letters beyond ASCII: where they may match, and where they may become ASCII.
  const std::vector<std::string> texts = {"AK", "a\xC3\x84k", "\xC3\x84", "a\xE2\x84\xAA", ""};
  check(matching(texts, "a%k", true, undecided) == Bytes{1, 0, 0, 0, 0}, "in any case");
  check(undecided == std::vector<std::int64_t>{1, 3}, "texts that are asked otherwise");
}

void test_hostile_offsets() {
  const Bytes data(4);
  for (const std::vector<std::int64_t>& offsets :
       std::vector<std::vector<std::int64_t>>{{}, {0, 5}, {-1, 2}, {0, 3, 2}}) {
    check_throws([&] { static_cast<void>(elanus::Texts(offsets, data)); }, "offsets of texts");
  }
  // Bytes that are no UTF-8 are read to their end, and no further.
  const std::string pieces[] = {"\xC3", "\x80\x80", "a\xF0", "\xFF\xFE"};
  for (const char* pattern : {"%_", "_%_", "a_", "%a_%", "__%a"}) {
    std::vector<std::int64_t> undecided;
    static_cast<void>(matching({std::begin(pieces), std::end(pieces)}, pattern, false, undecided));
    static_cast<void>(matching({std::begin(pieces), std::end(pieces)}, pattern, true, undecided));
  }
}

void test_part_at() {
  const std::vector<std::int64_t> offsets = {0, 0, 2, 2, 2, 5, 6, 6};
  const std::vector<std::size_t> parts = {1, 1, 4, 4, 4, 5};
  for (std::size_t place = 0; place < parts.size(); ++place) {
    for (std::size_t first = 0; first <= parts[place]; ++first) {
      check(elanus::part_at(offsets, first, place) == parts[place], "the part of a place");
    }
  }
  check(elanus::part_at(offsets, 0, 9) == 6, "the last part");
}

}  // namespace

void test_patterns() {
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    elanus::set_active_variant(elanus::variant_name(variant));
    test_find();
    test_random_patterns();
    test_characters_beyond_ascii();
  }
  test_hostile_offsets();
  test_part_at();
}
