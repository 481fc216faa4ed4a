// Which CPU variant of the kernels runs.
//
// The best variant that processor and operating system support is taken at first use;
// `ELANUS_CPU=<name>` in the environment forces one. Every kernel with variants keeps a table with
// one row per variant and looks the active one up here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace elanus {

enum class CpuVariant { generic, avx2, avx512, neon };

[[nodiscard]] std::string_view variant_name(CpuVariant variant) noexcept;

// The variants that this machine can run, slowest first; `generic` is always there.
[[nodiscard]] std::vector<CpuVariant> available_variants();

// Throws Error when ELANUS_CPU names a variant that does not exist or cannot run here.
[[nodiscard]] CpuVariant active_variant();

// Takes the named variant from now on, in all threads.
// Throws Error when it does not exist or cannot run here.
void set_active_variant(std::string_view name);

// True when the AVX-512 variant may use VNNI: products of bytes added up in one instruction.
[[nodiscard]] bool has_avx512_vnni() noexcept;

// True when a processor that runs the avx512 variant counts the bits of a register
// (AVX512_VPOPCNTDQ); false on other processors.
[[nodiscard]] bool has_avx512_popcount() noexcept;

// True when the processor can spread bytes over the set bits of a mask, besides what the avx512
// variant needs; false on other processors.
[[nodiscard]] bool has_avx512_vbmi2() noexcept;

// True when the processor has the CRC32 instructions of ARMv8; false on other processors.
[[nodiscard]] bool has_armv8_crc32() noexcept;

}  // namespace elanus
