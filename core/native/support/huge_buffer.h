// Large arrays on large pages: a walk touches places all over them, and small pages would need an
// address translation for each.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace elanus {

// Memory straight from the system, zero at first.
template <typename T>
class HugeBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit HugeBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    void* mapped =
        mmap(nullptr, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    items_ = static_cast<T*>(mapped);
#if defined(MADV_HUGEPAGE)
    // Advice only: where it is not taken, small pages do.
    static_cast<void>(madvise(mapped, mapped_bytes(), MADV_HUGEPAGE));
#endif
  }
  HugeBuffer(HugeBuffer&& other) noexcept
      : items_(std::exchange(other.items_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  HugeBuffer& operator=(HugeBuffer&&) = delete;
  ~HugeBuffer() {
    if (items_ != nullptr) munmap(items_, mapped_bytes());
  }

  [[nodiscard]] T* data() noexcept { return items_; }
  [[nodiscard]] std::span<T> span() noexcept { return {items_, size_}; }

 private:
  static constexpr std::size_t kPageBytes = std::size_t{2} << 20;

  [[nodiscard]] std::size_t mapped_bytes() const noexcept {
    const std::size_t bytes = size_ * sizeof(T);
    // Whole large pages once there is one to fill.
    return bytes < kPageBytes ? bytes : (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }

  T* items_ = nullptr;
  std::size_t size_;
};

}  // namespace elanus
