// The token filters that need no Unicode database, on words of ASCII.
//
// Each does what its Python twin in `token_filters.py` does to a word that holds ASCII only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

namespace elanus {

struct Lowercase {};
struct Possessive {};  // takes 's off the end
struct StopWords {
  std::unordered_set<std::string> words;
};
struct TokenLength {
  std::size_t min;
  std::size_t max;
};

using AsciiFilter = std::variant<Lowercase, Possessive, StopWords, TokenLength>;

class AsciiFilters {
 public:
  AsciiFilters() = default;
  explicit AsciiFilters(std::vector<AsciiFilter> filters) : filters_(std::move(filters)) {}

  // Filters `word` in place, first filter to last; false when one drops it.
  [[nodiscard]] bool apply(std::string& word) const;

 private:
  std::vector<AsciiFilter> filters_;
};

}  // namespace elanus
