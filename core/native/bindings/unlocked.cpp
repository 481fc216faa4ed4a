#include "bindings/unlocked.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace elanus::bindings {
namespace {

// Longer than what a search does in Python, shorter than what sleeping and waking may cost.
constexpr std::chrono::nanoseconds kPatience = std::chrono::microseconds(30);

// Since when a thread that came out of a kernel holds the GIL, in nanoseconds; 0 when none does.
std::atomic<std::int64_t> held_since{0};
std::atomic<bool> is_somebody_waiting{false};

std::int64_t now() {
  const auto since_epoch = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

void pause_processor() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits while the GIL is with a thread that will give it up soon. One thread waits so: more of
// them would take processors from those that search.
void wait_for_holder() {
#if !defined(Py_GIL_DISABLED)
  const std::int64_t since = held_since.load(std::memory_order_acquire);
  if (since == 0 || is_somebody_waiting.exchange(true, std::memory_order_acquire)) return;
  const std::int64_t until = since + kPatience.count();
  while (held_since.load(std::memory_order_acquire) == since && now() < until) pause_processor();
  is_somebody_waiting.store(false, std::memory_order_release);
#endif
}

}  // namespace

Unlocked::Unlocked(std::size_t operations) {
  if (operations < kLeastOperations) return;
  std::int64_t since = held_since.load(std::memory_order_relaxed);
  released_ = PyEval_SaveThread();
  // Told after the GIL is free, or who waits would find it taken and sleep.
  if (since != 0) held_since.compare_exchange_strong(since, 0, std::memory_order_release);
}

Unlocked::~Unlocked() {
  if (released_ == nullptr) return;
  wait_for_holder();
  PyEval_RestoreThread(released_);
  held_since.store(now(), std::memory_order_release);
}

}  // namespace elanus::bindings
