#include "bindings/arrays.h"
#include "bindings/module.h"
#include "checksum/crc32c.h"
#include "checksum/hash64.h"

namespace elanus::bindings {
namespace {

// Below this many bytes the sum is done before another thread could use the GIL.
constexpr std::size_t kReleaseGilBytes = 64 * 1024;

// A contiguous view of any object with a buffer; the object stays pinned while the view lives.
class BufferView {
 public:
  explicit BufferView(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_SIMPLE) != 0) throw nb::python_error();
  }
  ~BufferView() { PyBuffer_Release(&buffer_); }
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;

  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept {
    return {static_cast<const std::uint8_t*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
  }

 private:
  Py_buffer buffer_{};
};

std::uint32_t crc32c_of(nb::handle data, std::uint32_t seed) {
  const BufferView view(data);
  if (view.bytes().size() < kReleaseGilBytes) return crc32c(view.bytes(), seed);
  const nb::gil_scoped_release unlocked;
  return crc32c(view.bytes(), seed);
}

NewArray1<std::uint64_t> hash64_strings_of(const Array1<std::int64_t>& offsets,
                                           const Array1<std::uint8_t>& data) {
  const std::size_t count = offsets.size() == 0 ? 0 : offsets.size() - 1;
  OwnedArray<std::uint64_t> hashes(count);
  {
    const nb::gil_scoped_release unlocked;
    hash64_strings(to_span(offsets), to_span(data), hashes.span());
  }
  return hashes.release();
}

}  // namespace

void bind_checksum(nb::module_& module) {
  module.def("crc32c", crc32c_of, nb::arg("data"), nb::arg("seed") = 0,
             nb::sig("def crc32c(data: object, seed: int = 0) -> int"),
             "CRC32C (Castagnoli) of a bytes-like object.");
  module.def("hash64_strings", hash64_strings_of, nb::arg("offsets").noconvert(),
             nb::arg("data").noconvert(), "XXH64 of each string of a column.");
}

}  // namespace elanus::bindings
