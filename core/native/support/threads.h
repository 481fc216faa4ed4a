// How is work shared among threads when the system may not give as many as wanted?
#pragma once

#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace elanus {

// Calls work(place) in this thread, with 0, and in up to `threads - 1` others, with their number;
// fewer run where a limit of the system allows no more. Returns when all have ended, and throws
// what the first that failed has thrown.
template <typename Work>
void run_in_threads(std::size_t threads, const Work& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run = [&](std::size_t place) noexcept {
    try {
      work(place);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  if (threads > 1) others.reserve(threads - 1);
  try {
    while (others.size() + 1 < threads) others.emplace_back(run, others.size() + 1);
  } catch (const std::exception&) {  // no thread, or no memory for one
  }
  run(0);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace elanus
