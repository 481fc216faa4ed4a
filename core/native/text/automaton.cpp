#include "text/automaton.h"

#include <algorithm>
#include <iterator>

#include "support/error.h"

namespace elanus {

bool Automaton::matches(Utf8 text) {
  if (start_ == kUnknown) start_ = learned(teacher_.start());
  std::uint32_t state = start_;
  for (std::size_t at = 0; at < text.size();) {
    if (states_[state].answer.has_value()) return *states_[state].answer;
    std::uint32_t code_point = text[at];
    if (code_point < kAscii) {
      ++at;
      const std::uint32_t known = states_[state].next[code_point];
      state = known != kUnknown ? known : next(state, code_point);
      continue;
    }
    const DecodedChar decoded = decode_utf8(text, at);
    if (decoded.code_point >= kNumCodePoints) throw_corruption("a text is not UTF-8");
    at += decoded.size;
    state = next(state, decoded.code_point);
  }
  State& last = states_[state];
  if (!last.may_end.has_value()) {
    last.may_end = last.answer.has_value() ? *last.answer : teacher_.may_end(state);
  }
  return *last.may_end;
}

std::uint32_t Automaton::learned(const AutomatonState& told) {
  if (told.number < states_.size()) return told.number;
  if (told.number != states_.size()) throw_invalid_argument("state: expected the next number");
  State state{told.answer, std::nullopt, {}};
  std::fill(std::begin(state.next), std::end(state.next), kUnknown);
  states_.push_back(state);
  return told.number;
}

std::uint32_t Automaton::next(std::uint32_t state, std::uint32_t code_point) {
  const std::uint64_t key = (std::uint64_t{state} << 32U) | code_point;
  if (code_point >= kAscii) {
    const auto found = others_.find(key);
    if (found != others_.end()) return found->second;
  }
  const AutomatonState told = teacher_.step(state, code_point);
  if (told.begins_anew) {
    states_.clear();
    others_.clear();
    start_ = kUnknown;
    return learned(told);
  }
  const std::uint32_t following = learned(told);
  if (code_point >= kAscii) {
    others_.emplace(key, following);
  } else {
    states_[state].next[code_point] = following;
  }
  return following;
}

}  // namespace elanus
