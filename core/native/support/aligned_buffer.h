// A growable array whose first element lies on a cache line, for vector loads without a split.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace elanus {

inline constexpr std::size_t kCacheLineBytes = 64;

template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;

  // Makes room for at least `size` elements. Elements that were there stay; new ones hold `value`.
  void grow(std::size_t size, T value) {
    if (size <= size_) return;
    const std::size_t room = std::max(size, size_ + size_ / 2);
    Storage larger(
        static_cast<T*>(::operator new(room * sizeof(T), std::align_val_t{kCacheLineBytes})));
    std::copy_n(items_.get(), size_, larger.get());
    std::fill(larger.get() + size_, larger.get() + room, value);
    items_ = std::move(larger);
    size_ = room;
  }

  void fill(T value) noexcept { std::fill_n(items_.get(), size_, value); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<T> span() noexcept { return {items_.get(), size_}; }
  [[nodiscard]] const T* data() const noexcept { return items_.get(); }

 private:
  struct Deleter {
    void operator()(T* items) const noexcept {
      ::operator delete(items, std::align_val_t{kCacheLineBytes});
    }
  };
  using Storage = std::unique_ptr<T, Deleter>;

  Storage items_;
  std::size_t size_ = 0;
};

}  // namespace elanus
