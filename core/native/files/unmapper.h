// Giving address space back without waiting for what that may set off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace elanus {

// Unmaps memory of `mmap` in a thread of its own.
//
// Whoever drops the last map of a file that was deleted has its blocks freed, and on some file
// systems their discard waited for: seconds for gigabytes. That is nothing for a search to wait
// for.
void unmap_later(std::span<std::uint8_t> bytes) noexcept;

// Returns once everything that was handed over before is unmapped.
void wait_until_unmapped() noexcept;

}  // namespace elanus
