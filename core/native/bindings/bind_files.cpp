#include <nanobind/stl/tuple.h>

#include <cerrno>
#include <deque>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include "bindings/buffer_view.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "files/file_map.h"
#include "files/file_writes.h"
#include "files/unmapper.h"

namespace elanus::bindings {
namespace {

namespace nb = nanobind;

void make_map(FileMap* place, const nb::bytes& path) {
  const std::string name(path.c_str(), path.size());
  int error = 0;
  {
    const nb::gil_scoped_release unlocked;
    try {
      ::new (static_cast<void*>(place)) FileMap(name);
      return;
    } catch (const std::system_error& failed) {
      error = failed.code().value();
    }
  }
  errno = error;
  PyErr_SetFromErrnoWithFilename(PyExc_OSError, name.c_str());
  throw nb::python_error();
}

int get_buffer(PyObject* self, Py_buffer* buffer, int flags) {
  static std::uint8_t nothing = 0;  // a buffer of no bytes needs an address too
  const std::span<const std::uint8_t> bytes = nb::inst_ptr<FileMap>(self)->bytes();
  // The buffer protocol knows no const; `readonly` says it.
  auto* address = bytes.empty() ? &nothing : const_cast<std::uint8_t*>(bytes.data());
  return PyBuffer_FillInfo(buffer, self, address, static_cast<Py_ssize_t>(bytes.size()), 1, flags);
}

nb::object view_of(nb::handle self) { return nb::steal(PyMemoryView_FromObject(self.ptr())); }

std::tuple<std::size_t, int, int> append_of(int fd, const nb::list& buffers, bool sync) {
  std::deque<BufferView> views;  // a view never moves
  std::vector<ByteSpan> spans;
  std::size_t size = 0;
  for (const nb::handle buffer : buffers) {
    spans.push_back(views.emplace_back(buffer).bytes());
    size += spans.back().size();
  }
  Appended result;
  {
    // A small write ends in the page cache, which takes less than getting the GIL back.
    const Unlocked unlocked(sync ? Unlocked::kLeastOperations : size);
    result = append_to_file(fd, spans, sync);
  }
  return {result.written, result.write_error, result.sync_error};
}

int overwrite_of(int fd, nb::handle content) {
  const BufferView view(content);
  const Unlocked unlocked(view.bytes().size());
  return overwrite_file(fd, view.bytes());
}

}  // namespace

void bind_files(nb::module_& module) {
  module.def(
      "append_file", append_of, nb::arg("fd"), nb::arg("buffers"), nb::arg("sync"),
      nb::sig(
          "def append_file(fd: int, buffers: list[object], sync: bool) -> tuple[int, int, int]"),
      "Write buffers end to end and perhaps sync; return bytes written and the error "
      "numbers of writing and syncing.");
  module.def(
      "wait_until_unmapped",
      [] {
        const nb::gil_scoped_release unlocked;
        wait_until_unmapped();
      },
      "Return once every map that nobody uses any more is gone.");
  module.def("overwrite_file", overwrite_of, nb::arg("fd"), nb::arg("content"),
             nb::sig("def overwrite_file(fd: int, content: object) -> int"),
             "Put bytes at the start of a file; return the error number.");
  nb::enum_<Advice>(module, "Advice", "How the pages of a map will be used.")
      .value("NORMAL", Advice::normal)
      .value("RANDOM", Advice::random)
      .value("SEQUENTIAL", Advice::sequential)
      .value("WILL_NEED", Advice::will_need)
      .value("DONT_NEED", Advice::dont_need);

  PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};
  nb::class_<FileMap>(module, "FileMap", nb::type_slots(slots),
                      "A file in the address space, without a descriptor.")
      .def("__init__", make_map, nb::arg("path"))
      .def("view", view_of, nb::sig("def view(self) -> memoryview"),
           "The bytes, read-only; valid for as long as the view lives.")
      .def(
          "advise",
          [](const FileMap& map, Advice advice, std::size_t start, std::size_t end) {
            const nb::gil_scoped_release unlocked;
            map.advise(advice, start, end);
          },
          nb::arg("advice"), nb::arg("start"), nb::arg("end"),
          "Say how the pages of some bytes will be used.");
}

}  // namespace elanus::bindings
