#include "support/cpu.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "support/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace elanus {
namespace {

constexpr std::array kNames = {"generic", "avx2", "avx512", "neon"};

#if defined(__x86_64__)

struct Registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) noexcept {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

// Register state that the operating system saves on a context switch (XCR0).
std::uint64_t saved_state() noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

// Bit numbers: Intel 64 and IA-32 Architectures Software Developer's Manual, CPUID and XCR0.
constexpr bool all_set(std::uint64_t value, std::uint64_t bits) noexcept {
  return (value & bits) == bits;
}

constexpr std::uint64_t bit(unsigned position) noexcept { return std::uint64_t{1} << position; }

struct X86Features {
  bool avx2 = false;    // AVX2, FMA and F16C, with YMM registers saved
  bool avx512 = false;  // AVX-512 F, BW, DQ and VL as well, with ZMM and mask registers saved
  bool vnni = false;    // AVX-512 VNNI as well
  bool avx512_vbmi2 = false;
};

X86Features x86_features() noexcept {
  const Registers basic = cpuid(1, 0);
  constexpr std::uint64_t kFmaSse42OsxsaveAvxF16c = bit(12) | bit(20) | bit(27) | bit(28) | bit(29);
  if (!all_set(basic.c, kFmaSse42OsxsaveAvxF16c)) return {};
  const std::uint64_t state = saved_state();
  const Registers extended = cpuid(7, 0);
  X86Features features;
  features.avx2 = all_set(state, bit(1) | bit(2)) && all_set(extended.b, bit(5));
  features.avx512 = features.avx2 && all_set(state, bit(5) | bit(6) | bit(7)) &&
                    all_set(extended.b, bit(16) | bit(17) | bit(30) | bit(31));
  features.vnni = features.avx512 && all_set(extended.c, bit(11));
  features.avx512_vbmi2 = features.avx512 && all_set(extended.c, bit(6));
  return features;
}

#endif

std::string joined_names(const std::vector<CpuVariant>& variants) {
  std::string text;
  for (const CpuVariant variant : variants) {
    if (!text.empty()) text += ", ";
    text += variant_name(variant);
  }
  return text;
}

CpuVariant parse_variant(std::string_view name, std::string_view origin) {
  const std::vector<CpuVariant> available = available_variants();
  const auto found = std::find_if(available.begin(), available.end(), [name](CpuVariant variant) {
    return variant_name(variant) == name;
  });
  if (found != available.end()) return *found;
  const bool exists = std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  throw_invalid_argument(std::string(origin) + ": CPU variant '" + std::string(name) + "' " +
                         (exists ? "cannot run on this machine" : "does not exist") +
                         "; available here: " + joined_names(available));
}

CpuVariant initial_variant() {
  const char* forced = std::getenv("ELANUS_CPU");
  if (forced != nullptr && *forced != '\0') return parse_variant(forced, "ELANUS_CPU");
  return available_variants().back();
}

std::atomic<CpuVariant>& active() {
  static std::atomic<CpuVariant> variant{initial_variant()};
  return variant;
}

}  // namespace

std::string_view variant_name(CpuVariant variant) noexcept {
  return kNames[static_cast<std::size_t>(variant)];
}

std::vector<CpuVariant> available_variants() {
  std::vector<CpuVariant> variants = {CpuVariant::generic};
#if defined(__x86_64__)
  const X86Features features = x86_features();
  if (features.avx2) variants.push_back(CpuVariant::avx2);
  if (features.avx512) variants.push_back(CpuVariant::avx512);
#elif defined(__aarch64__)
  variants.push_back(CpuVariant::neon);
#endif
  return variants;
}

CpuVariant active_variant() { return active().load(std::memory_order_relaxed); }

void set_active_variant(std::string_view name) {
  active().store(parse_variant(name, "set_active_variant"), std::memory_order_relaxed);
}

bool has_avx512_vnni() noexcept {
#if defined(__x86_64__)
  static const bool has = x86_features().vnni;
  return has;
#else
  return false;
#endif
}

bool has_avx512_popcount() noexcept {
#if defined(__x86_64__)
  static const bool has = x86_features().avx512 && all_set(cpuid(7, 0).c, bit(14));
  return has;
#else
  return false;
#endif
}

bool has_avx512_vbmi2() noexcept {
#if defined(__x86_64__)
  static const bool has = x86_features().avx512_vbmi2;
  return has;
#else
  return false;
#endif
}

bool has_armv8_crc32() noexcept {
#if defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  return true;
#else
  return false;
#endif
}

}  // namespace elanus
