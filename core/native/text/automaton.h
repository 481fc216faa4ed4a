// In which texts does an automaton come to say yes?
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/utf8.h"

namespace elanus {

// A state as whoever knows the automaton numbers it, from 0 in the order in which they are told.
struct AutomatonState {
  std::uint32_t number = 0;
  // Whether a text matches, if that is settled whatever follows.
  std::optional<bool> answer;
  // Numbers of before mean nothing any more: too many were told.
  bool begins_anew = false;
};

// What is asked when a transition is not known yet.
struct AutomatonTeacher {
  std::function<AutomatonState()> start;
  std::function<AutomatonState(std::uint32_t state, std::uint32_t code_point)> step;
  std::function<bool(std::uint32_t state)> may_end;
};

// Runs a deterministic automaton that is worked out while it runs. One thread at a time.
class Automaton {
 public:
  explicit Automaton(AutomatonTeacher teacher) : teacher_(std::move(teacher)) {}

  // Throws Error (corruption) when the text is no UTF-8, and what the teacher throws.
  [[nodiscard]] bool matches(Utf8 text);

 private:
  static constexpr std::uint32_t kUnknown = 0xffffffffU;
  static constexpr std::size_t kAscii = 128;

  struct State {
    std::optional<bool> answer;
    std::optional<bool> may_end;
    std::uint32_t next[kAscii];
  };

  std::uint32_t learned(const AutomatonState& told);
  [[nodiscard]] std::uint32_t next(std::uint32_t state, std::uint32_t code_point);

  AutomatonTeacher teacher_;
  std::uint32_t start_ = kUnknown;
  std::vector<State> states_;
  // By state and character beyond ASCII.
  std::unordered_map<std::uint64_t, std::uint32_t> others_;
};

}  // namespace elanus
