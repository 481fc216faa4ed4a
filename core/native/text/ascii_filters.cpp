#include "text/ascii_filters.h"

namespace elanus {
namespace {

bool filter(const Lowercase& /*lowercase*/, std::string& word) {
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return true;
}

bool filter(const Possessive& /*possessive*/, std::string& word) {
  const std::size_t size = word.size();
  const bool owns =
      size >= 2 && word[size - 2] == '\'' && (word.back() == 's' || word.back() == 'S');
  if (owns) word.resize(size - 2);
  return true;
}

bool filter(const StopWords& stop, std::string& word) { return !stop.words.contains(word); }

bool filter(const TokenLength& length, std::string& word) {
  return word.size() >= length.min && word.size() <= length.max;
}

}  // namespace

bool AsciiFilters::apply(std::string& word) const {
  for (const AsciiFilter& step : filters_) {
    const bool kept = std::visit([&](const auto& one) { return filter(one, word); }, step);
    if (!kept || word.empty()) return false;
  }
  return true;
}

}  // namespace elanus
