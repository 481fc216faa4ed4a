#include "support/cancel.h"

#include "support/error.h"

namespace elanus {
namespace {

// Short for whoever presses Ctrl-C, long beside the 5 ms that another thread may keep the GIL.
constexpr std::chrono::milliseconds kBetweenInterruptChecks{50};

thread_local const CancelToken* current_token = nullptr;

}  // namespace

CancelToken::CancelToken(Clock::time_point deadline, InterruptCheck interrupt_check) noexcept
    : deadline_(deadline),
      interrupt_check_(interrupt_check),
      owner_(std::this_thread::get_id()),
      next_interrupt_check_(Clock::now() + kBetweenInterruptChecks) {}

void CancelToken::check() const {
  if (is_cancelled_.load(std::memory_order_relaxed)) {
    throw Error(ErrorKind::cancelled, "the search was cancelled");
  }
  const Clock::time_point now = Clock::now();
  if (now >= deadline_)
    throw Error(ErrorKind::timed_out, "the search took longer than its timeout");
  if (interrupt_check_ == nullptr || std::this_thread::get_id() != owner_) return;
  if (now < next_interrupt_check_) return;
  next_interrupt_check_ = now + kBetweenInterruptChecks;
  interrupt_check_();
}

const CancelToken* CancelToken::current() noexcept { return current_token; }

CancelScope::CancelScope(const CancelToken* token) noexcept : outer_(current_token) {
  current_token = token;
}

CancelScope::~CancelScope() { current_token = outer_; }

}  // namespace elanus
