#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/query_pieces.h"
#include "bindings/strings.h"
#include "bindings/unlocked.h"
#include "text/char_classes.h"
#include "text/token_counter.h"
#include "text/vocabulary.h"

namespace elanus::bindings {
namespace {

using Numbers = Array1<std::int64_t>;
using Bytes = Array1<std::uint8_t>;
// Name, words, shortest and longest; what a filter does not know is empty.
using FilterSpec = std::tuple<std::string, std::vector<std::string>, std::size_t, std::size_t>;

nb::list decoded_all(const std::vector<std::string>& texts) {
  nb::list made;
  for (const std::string& text : texts) made.append(decoded(std::string_view(text)));
  return made;
}

AsciiFilter to_filter(const FilterSpec& spec) {
  const auto& [name, words, shortest, longest] = spec;
  if (name == "lowercase") return Lowercase{};
  if (name == "possessive") return Possessive{};
  if (name == "stop") return StopWords{{words.begin(), words.end()}};
  if (name == "length") return TokenLength{shortest, longest};
  throw_invalid_argument("filter: expected lowercase, possessive, stop or length, got " + name);
}

std::shared_ptr<TokenCounter> make_counter(std::shared_ptr<Vocabulary> vocabulary,
                                           const std::string& tokenizer,
                                           const std::vector<FilterSpec>& filters,
                                           bool has_more_filters, std::size_t max_known) {
  std::vector<AsciiFilter> native;
  for (const FilterSpec& spec : filters) native.push_back(to_filter(spec));
  AnalyzerChain chain{to_tokenizer(tokenizer), AsciiFilters(std::move(native)), has_more_filters};
  return std::make_shared<TokenCounter>(std::move(vocabulary), std::move(chain), max_known);
}

bool scan(TokenCounter& self, const Numbers& offsets, const Bytes& data) {
  const std::span<const std::int64_t> ends = to_span(offsets);
  const std::size_t size =
      ends.empty() ? 0 : static_cast<std::size_t>(std::max<std::int64_t>(ends.back() - ends[0], 0));
  const Unlocked unlocked(size * 8);
  return self.scan(ends, to_span(data));
}

// The loops over terms are here because Python objects are not known below the bindings.
void resolve_words(TokenCounter& self, const nb::list& terms) {
  constexpr std::size_t kAhead = 16;
  const std::size_t count = terms.size();
  if (count != self.pending_words().size()) {
    throw_invalid_argument("terms: expected one for each word that waits");
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count && !terms[i + kAhead].is_none()) {
      self.prefetch_term(Encoded(terms[i + kAhead]).bytes());
    }
    if (terms[i].is_none()) {
      self.resolve_word(i, std::nullopt);
    } else {
      self.resolve_word(i, Encoded(terms[i]).bytes());
    }
  }
}

void resolve_pieces(TokenCounter& self, const nb::list& terms) {
  if (terms.size() != self.pending_pieces().size()) {
    throw_invalid_argument("terms: expected a list for each piece that waits");
  }
  std::vector<std::string> several;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    several.clear();
    for (const nb::handle term : terms[i]) several.push_back(Encoded(term).string());
    self.resolve_piece(i, several);
  }
}

std::tuple<NewArray1<std::int64_t>, NewArray1<TermId>, NewArray1<float>, NewArray1<std::uint32_t>>
count(TokenCounter& self) {
  TokenCounts counts;
  {
    const Unlocked unlocked(self.num_pieces() * kOperationsPerPosting);
    counts = self.count();
  }
  return {OwnedArray<std::int64_t>(std::move(counts.offsets)).release(),
          OwnedArray<TermId>(std::move(counts.terms)).release(),
          OwnedArray<float>(std::move(counts.counts)).release(),
          OwnedArray<std::uint32_t>(std::move(counts.lengths)).release()};
}

std::tuple<NewArray1<std::int64_t>, NewArray1<std::int64_t>, NewArray1<std::uint8_t>> sorted_terms(
    const Vocabulary& self, const Array1<TermId>& numbers) {
  Vocabulary::Sorted sorted;
  {
    const Unlocked unlocked(numbers.size() * kOperationsPerPosting);
    sorted = self.sorted(to_span(numbers));
  }
  return {OwnedArray<std::int64_t>(std::move(sorted.order)).release(),
          OwnedArray<std::int64_t>(std::move(sorted.terms.offsets)).release(),
          OwnedArray<std::uint8_t>(std::move(sorted.terms.data)).release()};
}

nb::list query_tokens(QueryTerms& self, const nb::str& text) {
  nb::list terms;
  self.for_each(text, [&](const PieceTerms& piece) { piece.append_to(terms); });
  return terms;
}

void bind_query_terms(nb::module_& module) {
  nb::class_<QueryTerms>(module, "QueryTerms", "Terms of short texts, remembered by piece.")
      .def(nb::init<const std::string&, nb::callable, nb::callable, std::size_t>(),
           nb::arg("tokenizer"), nb::arg("analyze"), nb::arg("classes"), nb::arg("max_known"),
           nb::sig("def __init__(self, tokenizer: str, analyze: object, classes: object, "
                   "max_known: int) -> None"))
      .def("tokens", query_tokens, nb::arg("text"),
           nb::sig("def tokens(self, text: str) -> list[str]"), "The terms of a text, in order.");
  nb::class_<QueryNumbers>(module, "QueryNumbers",
                           "Numbers of the terms of short texts in a dictionary.")
      .def(nb::init<const std::string&, nb::callable, nb::callable, std::size_t>(),
           nb::arg("tokenizer"), nb::arg("find"), nb::arg("classes"), nb::arg("max_known"),
           nb::sig("def __init__(self, tokenizer: str, find: object, classes: object, "
                   "max_known: int) -> None"));
}

void bind_vocabulary(nb::module_& module) {
  nb::class_<Vocabulary>(module, "Vocabulary", "Terms numbered in order of first appearance.")
      .def(nb::init<>())
      .def("__len__", &Vocabulary::size)
      .def_prop_ro("size_bytes", &Vocabulary::size_bytes)
      .def(
          "add",
          [](Vocabulary& self, const nb::str& term) { return self.add(Encoded(term).bytes()); },
          nb::arg("term"), "The number of a term; gives it the next one if it is new.")
      .def(
          "find",
          [](const Vocabulary& self, const nb::str& term) {
            const auto number = self.find(Encoded(term).bytes());
            return number.has_value() ? static_cast<std::int64_t>(*number) : std::int64_t{-1};
          },
          nb::arg("term"), "The number of a term, or -1.")
      .def(
          "term", [](const Vocabulary& self, TermId number) { return decoded(self.term(number)); },
          nb::arg("number"), "The term with this number.")
      .def("sorted", sorted_terms, nb::arg("numbers").noconvert(),
           "Places in `numbers` by ascending term, and offsets and bytes of the terms so sorted.");
}

void bind_counter(nb::module_& module) {
  nb::class_<TokenCounter>(module, "TokenCounter", "Counts of the terms of texts.")
      .def(nb::new_(&make_counter), nb::arg("vocabulary"), nb::arg("tokenizer"), nb::arg("filters"),
           nb::arg("has_more_filters"), nb::arg("max_known"))
      .def_prop_ro("size_bytes", &TokenCounter::size_bytes)
      .def("set_classes", &TokenCounter::set_classes, nb::arg("classes"),
           "Say what characters beyond ASCII are.")
      .def("scan", scan, nb::arg("offsets").noconvert(), nb::arg("data").noconvert(),
           "Cut texts into pieces; False when characters beyond ASCII have no classes yet.")
      .def(
          "pending_words",
          [](const TokenCounter& self) { return decoded_all(self.pending_words()); },
          nb::sig("def pending_words(self) -> list[str]"), "Words that wait for more filters.")
      .def(
          "pending_pieces",
          [](const TokenCounter& self) { return decoded_all(self.pending_pieces()); },
          nb::sig("def pending_pieces(self) -> list[str]"), "Pieces that wait to be analyzed.")
      .def("resolve_words", resolve_words, nb::arg("terms"),
           nb::sig("def resolve_words(self, terms: list[str | None]) -> None"),
           "Give each pending word its term.")
      .def("resolve_pieces", resolve_pieces, nb::arg("terms"),
           nb::sig("def resolve_pieces(self, terms: list[list[str]]) -> None"),
           "Give each pending piece its terms.")
      .def("count", count, "Offsets, terms, counts and lengths of the texts scanned last.")
      .def("forget", &TokenCounter::forget, "Forget all pieces.");
}

}  // namespace

void bind_text(nb::module_& module) {
  nb::class_<CharClasses>(module, "CharClasses", "What each character is to a tokenizer.")
      .def(nb::new_([](const Array1<CharClass>& classes) {
             return std::make_shared<CharClasses>(to_span(classes));
           }),
           nb::arg("classes").noconvert());
  bind_vocabulary(module);
  bind_counter(module);
  bind_query_terms(module);
}

}  // namespace elanus::bindings
