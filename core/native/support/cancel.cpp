#include "support/cancel.h"

#include "support/error.h"

namespace elanus {
namespace {

// Short for whoever presses Ctrl-C, long beside the 5 ms that another thread may keep the GIL.
constexpr std::chrono::milliseconds kBetweenInterruptChecks{50};

thread_local const CancelToken* current_token = nullptr;
thread_local std::size_t interrupt_holds = 0;

}  // namespace

CancelToken::CancelToken(Clock::time_point deadline, InterruptCheck interrupt_check) noexcept
    : deadline_(deadline),
      interrupt_check_(interrupt_check),
      owner_(std::this_thread::get_id()),
      next_interrupt_check_(Clock::now() + kBetweenInterruptChecks) {}

CancelToken::CancelToken(const CancelToken* outer) noexcept
    : CancelToken(outer == nullptr ? Clock::time_point::max() : outer->deadline_) {
  outer_ = outer;
}

void CancelToken::check() const {
  if (is_cancelled()) {
    throw Error(ErrorKind::cancelled, "the search was cancelled");
  }
  const Clock::time_point now = Clock::now();
  if (now >= deadline_)
    throw Error(ErrorKind::timed_out, "the search took longer than its timeout");
  if (interrupt_check_ == nullptr || std::this_thread::get_id() != owner_) return;
  if (now < next_interrupt_check_ || interrupt_holds > 0) return;
  next_interrupt_check_ = now + kBetweenInterruptChecks;
  interrupt_check_();
}

const CancelToken* CancelToken::current() noexcept { return current_token; }

CancelScope::CancelScope(const CancelToken* token) noexcept : outer_(current_token) {
  current_token = token;
}

CancelScope::~CancelScope() { current_token = outer_; }

InterruptHold::InterruptHold() noexcept { ++interrupt_holds; }

InterruptHold::~InterruptHold() { --interrupt_holds; }

}  // namespace elanus
