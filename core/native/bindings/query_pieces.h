// What do the pieces of a query stand for? Python says so once for each, a table remembers it.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings/strings.h"
#include "support/error.h"
#include "support/types.h"
#include "text/byte_string_map.h"
#include "text/char_classes.h"
#include "text/tokenizer.h"

namespace elanus::bindings {

inline TokenizerKind to_tokenizer(const std::string& name) {
  if (name == "standard") return TokenizerKind::standard;
  if (name == "whitespace") return TokenizerKind::whitespace;
  throw_invalid_argument("tokenizer: expected standard or whitespace, got " + name);
}

// Used with the GIL held. Another thread may run while Python works out a piece that is new, so
// nothing found before is used after that.
template <typename Value>
class QueryPieces {
 public:
  // `work_out(piece)` returns what `Value` is made of, `classes()` what characters beyond ASCII
  // are. About `max_known` pieces are remembered.
  QueryPieces(const std::string& tokenizer, nanobind::callable work_out, nanobind::callable classes,
              std::size_t max_known)
      : tokenizer_(to_tokenizer(tokenizer)),
        work_out_(std::move(work_out)),
        make_classes_(std::move(classes)),
        max_known_(max_known) {}

  // Calls use(const Value&) for each piece of a text, in order.
  template <typename Use>
  void for_each(const nanobind::str& text, const Use& use) {
    const Encoded encoded(text);
    if (known_.size() >= max_known_) {
      known_.clear();
      values_.clear();
    }
    if (!encoded.is_ascii() && classes_ == nullptr) {
      classes_ = nanobind::cast<std::shared_ptr<CharClasses>>(make_classes_());
    }
    const Utf8 bytes = encoded.bytes();
    const auto emit = [&](const Piece& piece) { look_up(bytes, piece, use); };
    const std::shared_ptr<const CharClasses> classes = classes_;
    if (tokenizer_ == TokenizerKind::standard) {
      standard_pieces(bytes, classes.get(), emit);
    } else {
      whitespace_pieces(bytes, classes.get(), emit);
    }
  }

 private:
  static constexpr std::size_t kLongestKnown = 64;

  template <typename Use>
  void look_up(Utf8 text, const Piece& piece, const Use& use) {
    const Utf8 raw = text.subspan(piece.begin, piece.end - piece.begin);
    const ByteStringMap::Key key = known_.key(raw, text.data() + text.size());
    if (const std::int32_t* known = known_.find(key)) {
      use(values_[static_cast<std::size_t>(*known)]);
      return;
    }
    const Value value(work_out_(decoded({reinterpret_cast<const char*>(raw.data()), raw.size()})));
    if (raw.size() <= kLongestKnown && known_.find(key) == nullptr) {
      values_.push_back(value);
      known_.insert(key, static_cast<std::int32_t>(values_.size() - 1));
    }
    use(value);
  }

  TokenizerKind tokenizer_;
  nanobind::callable work_out_;
  nanobind::callable make_classes_;
  std::size_t max_known_;
  std::shared_ptr<const CharClasses> classes_;
  ByteStringMap known_;
  std::vector<Value> values_;
};

// The terms of a piece: one stands for itself, others in their list.
class PieceTerms {
 public:
  explicit PieceTerms(const nanobind::object& terms)
      : terms_(nanobind::len(terms) == 1 ? nanobind::object(terms[0]) : terms) {}

  void append_to(nanobind::list& out) const {
    // Held: an iterator may set off the collection of garbage, whose code lets other threads run,
    // and they may forget this.
    const nanobind::object terms = terms_;
    if (PyUnicode_Check(terms.ptr())) {
      out.append(terms);
      return;
    }
    for (const nanobind::handle term : terms) out.append(term);
  }

 private:
  nanobind::object terms_;
};

// The numbers of the terms of a piece in one dictionary; terms that it lacks have none.
class PieceNumbers {
 public:
  // `numbers`: a list of int, below 0 for terms that are not there.
  explicit PieceNumbers(const nanobind::object& numbers) {
    for (const nanobind::handle number : numbers) {
      const auto found = nanobind::cast<std::int64_t>(number);
      if (found >= 0) numbers_.push_back(static_cast<TermId>(found));
    }
  }

  [[nodiscard]] std::span<const TermId> numbers() const noexcept { return numbers_; }

 private:
  std::vector<TermId> numbers_;
};

using QueryTerms = QueryPieces<PieceTerms>;
using QueryNumbers = QueryPieces<PieceNumbers>;

}  // namespace elanus::bindings
