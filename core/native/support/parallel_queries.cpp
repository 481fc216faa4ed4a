#include "support/parallel_queries.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "support/cancel.h"
#include "support/threads.h"

namespace elanus {
namespace {

class QueryQueue {
 public:
  QueryQueue(std::size_t num_queries, const std::function<void(std::size_t)>& work)
      : num_queries_(num_queries), work_(work), token_of_others_(CancelToken::current()) {}

  void run_in_other_thread() noexcept {
    const CancelScope scope(&token_of_others_);
    run();
  }

  // Works until no query is left, or one has failed.
  void run() noexcept {
    const CancelToken* const token = CancelToken::current();
    try {
      while (!is_over_.load(std::memory_order_relaxed)) {
        const std::size_t query = next_.fetch_add(1, std::memory_order_relaxed);
        if (query >= num_queries_) return;
        if (token != nullptr) token->check();
        work_(query);
      }
    } catch (...) {
      {
        const std::lock_guard lock(guard_);
        if (failure_ == nullptr) failure_ = std::current_exception();
      }
      is_over_.store(true, std::memory_order_relaxed);
      // Only the thread that began the search runs signal handlers; the others would not know.
      token_of_others_.cancel();
    }
  }

  // Throws what ended the work, once no thread runs any more.
  void finish() {
    if (failure_ != nullptr) std::rethrow_exception(std::move(failure_));
  }

 private:
  std::size_t num_queries_;
  const std::function<void(std::size_t)>& work_;
  CancelToken token_of_others_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> is_over_{false};
  std::mutex guard_;
  std::exception_ptr failure_;
};

}  // namespace

void for_each_query(std::size_t num_queries, std::size_t threads,
                    const std::function<void(std::size_t)>& work) {
  const std::size_t wanted = std::min(threads, num_queries);
  if (wanted <= 1) {
    const CancelToken* const token = CancelToken::current();
    for (std::size_t query = 0; query < num_queries; ++query) {
      if (token != nullptr) token->check();
      work(query);
    }
    return;
  }
  QueryQueue queue(num_queries, work);
  run_in_threads(wanted, [&queue](std::size_t place) {
    if (place == 0) {
      queue.run();
    } else {
      queue.run_in_other_thread();
    }
  });
  queue.finish();
}

}  // namespace elanus
