#include "files/unmapper.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace elanus {
namespace {

class Unmapper {
 public:
  void add(std::span<std::uint8_t> bytes) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      if (!has_thread_) start();
      waiting_.push_back(bytes);
      ++num_added_;
    } catch (...) {  // no memory, or no thread: then whoever comes waits
      ::munmap(bytes.data(), bytes.size());
      return;
    }
    changed_.notify_all();
  }

  void wait() noexcept {
    std::unique_lock lock(mutex_);
    const std::size_t wanted = num_added_;
    changed_.wait(lock, [&] { return num_done_ >= wanted; });
  }

 private:
  // Signals are for the threads of the program.
  void start() {
    sigset_t every{};
    sigset_t before{};
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    try {
      std::thread([this] { run(); }).detach();
      has_thread_ = true;
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !waiting_.empty(); });
      const std::vector<std::span<std::uint8_t>> taken = std::exchange(waiting_, {});
      lock.unlock();
      for (const std::span<std::uint8_t> bytes : taken) ::munmap(bytes.data(), bytes.size());
      lock.lock();
      num_done_ += taken.size();
      changed_.notify_all();
    }
  }

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<std::span<std::uint8_t>> waiting_;
  std::size_t num_added_ = 0;
  std::size_t num_done_ = 0;
  bool has_thread_ = false;
};

// Never destroyed: the thread may outlive whatever ends the program.
std::atomic<Unmapper*> current{nullptr};

// A forked child has neither the thread nor a mutex that anybody will give back.
void begin_anew() noexcept { current.store(new (std::nothrow) Unmapper); }

Unmapper* unmapper() noexcept {
  static const bool ready = [] {
    begin_anew();
    pthread_atfork(nullptr, nullptr, begin_anew);
    return true;
  }();
  return ready ? current.load() : nullptr;
}

}  // namespace

void unmap_later(std::span<std::uint8_t> bytes) noexcept {
  if (Unmapper* const found = unmapper()) {
    found->add(bytes);
  } else {
    ::munmap(bytes.data(), bytes.size());
  }
}

void wait_until_unmapped() noexcept {
  if (Unmapper* const found = unmapper()) found->wait();
}

}  // namespace elanus
