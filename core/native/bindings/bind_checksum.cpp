#include "bindings/arrays.h"
#include "bindings/buffer_view.h"
#include "bindings/file_verifier.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "checksum/crc32c.h"
#include "checksum/hash64.h"

namespace elanus::bindings {
namespace {

std::uint32_t crc32c_of(nb::handle data, std::uint32_t seed) {
  const BufferView view(data);
  const Unlocked unlocked(view.bytes().size());
  return crc32c(view.bytes(), seed);
}

NewArray1<std::uint64_t> hash64_strings_of(const Array1<std::int64_t>& offsets,
                                           const Array1<std::uint8_t>& data) {
  const std::size_t count = offsets.size() == 0 ? 0 : offsets.size() - 1;
  OwnedArray<std::uint64_t> hashes(count);
  {
    const Unlocked unlocked(data.size());
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
  nb::class_<FileVerifier>(module, "BlockVerifier",
                           "Checks the blocks of a file against their checksums, each once.")
      .def(nb::init<nb::handle, nb::handle, std::size_t>(), nb::arg("data"), nb::arg("checksums"),
           nb::arg("block_bytes"),
           nb::sig("def __init__(self, data: object, checksums: object, block_bytes: int) -> None"))
      .def("is_verified", &FileVerifier::is_verified, nb::arg("start"), nb::arg("end"),
           "Whether the blocks of some bytes were checked before.")
      .def("verify_range", &FileVerifier::verify_range, nb::arg("start"), nb::arg("end"),
           "Check the blocks of some bytes; return the first damaged one, or -1.")
      .def("verify_rows", &FileVerifier::verify_rows, nb::arg("offset"), nb::arg("row_bytes"),
           nb::arg("num_rows"), nb::arg("rows").noconvert(),
           "Check the blocks of some rows of one width; return a damaged one, or -1.")
      .def("verify_spans", &FileVerifier::verify_spans, nb::arg("base"),
           nb::arg("offsets").noconvert(), nb::arg("rows").noconvert(),
           "Check the blocks of some rows of any width; return a damaged one, or -1.");
}

}  // namespace elanus::bindings
