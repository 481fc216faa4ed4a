// How does a long loop end before it is through?
//
// A kernel makes a `CancelPoint` and tells it how much it did; everything else is here. Whoever
// starts the search holds a `CancelToken` and puts it over its thread with a `CancelScope`.
//
//     CancelPoint point;
//     for (...) { ...; point.passed(rows * dim); }   // throws Error when the search shall end
//
// A kernel that works in threads of its own takes `CancelToken::current()` before it starts them
// and gives it to their points; they must let no exception out of their thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace elanus {

class CancelToken {
 public:
  using Clock = std::chrono::steady_clock;
  // May throw, which ends the search. Called by the thread that made the token.
  using InterruptCheck = void (*)();

  // The search ends at `deadline`. `interrupt_check` is called now and then if it is not null.
  explicit CancelToken(Clock::time_point deadline = Clock::time_point::max(),
                       InterruptCheck interrupt_check = nullptr) noexcept;
  // Ends when `outer` does, which outlives it, or by itself; null: by itself only. For other
  // threads that work for the one of `outer`.
  explicit CancelToken(const CancelToken* outer) noexcept;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  // Ends the search from any thread.
  void cancel() noexcept { is_cancelled_.store(true, std::memory_order_relaxed); }

  // Throws Error (cancelled or timed_out) when the search shall end.
  void check() const;

  // The token over this thread, or null.
  [[nodiscard]] static const CancelToken* current() noexcept;

 private:
  [[nodiscard]] bool is_cancelled() const noexcept {
    return is_cancelled_.load(std::memory_order_relaxed) ||
           (outer_ != nullptr && outer_->is_cancelled());
  }

  std::atomic<bool> is_cancelled_{false};
  const CancelToken* outer_ = nullptr;
  Clock::time_point deadline_;
  InterruptCheck interrupt_check_;
  std::thread::id owner_;
  mutable Clock::time_point next_interrupt_check_;  // read and written by the owner only
};

// Puts a token over this thread while it lives; scopes end in the opposite order.
class CancelScope {
 public:
  explicit CancelScope(const CancelToken* token) noexcept;
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  const CancelToken* outer_;
};

// While it lives, tokens of this thread call no interrupt check: the thread holds a lock that
// somebody may wait for who has what the check needs, as the interpreter's lock.
class InterruptHold {
 public:
  InterruptHold() noexcept;
  ~InterruptHold();
  InterruptHold(const InterruptHold&) = delete;
  InterruptHold& operator=(const InterruptHold&) = delete;
};

// Looks at the token about every millisecond of work; costs a subtraction otherwise.
class CancelPoint {
 public:
  // Floats that a scan reads in about a millisecond.
  static constexpr std::size_t kOperationsBetween = 2U << 20U;

  explicit CancelPoint(const CancelToken* token = CancelToken::current()) noexcept
      : token_(token) {}

  // `operations`: floats that were read, or as much work. Throws Error when the search shall end.
  void passed(std::size_t operations) {
    if (token_ == nullptr) return;
    done_ += operations;
    if (done_ < kOperationsBetween) return;
    done_ = 0;
    token_->check();
  }

 private:
  const CancelToken* token_;
  std::size_t done_ = 0;
};

}  // namespace elanus
