#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "support/cancel.h"
#include "text/automaton.h"
#include "text/texts.h"

namespace elanus::bindings {
namespace {

// Number of a state, its answer if it is settled, and whether numbers begin anew.
using Told = std::tuple<std::uint32_t, std::optional<bool>, bool>;

AutomatonState to_state(const nb::object& told) {
  const auto [number, answer, begins_anew] = nb::cast<Told>(told);
  return {number, answer, begins_anew};
}

// The methods of an object of Python, asked with the GIL.
AutomatonTeacher to_teacher(const nb::object& teacher) {
  return {[&teacher] {
            const nb::gil_scoped_acquire locked;
            return to_state(teacher.attr("start")());
          },
          [&teacher](std::uint32_t state, std::uint32_t code_point) {
            const nb::gil_scoped_acquire locked;
            return to_state(teacher.attr("step")(state, code_point));
          },
          [&teacher](std::uint32_t state) {
            const nb::gil_scoped_acquire locked;
            return nb::cast<bool>(teacher.attr("may_end")(state));
          }};
}

// 1 for each text that matches, else 0.
NewArray1<std::uint8_t> match_texts(const Array1<std::int64_t>& offsets,
                                    const Array1<std::uint8_t>& data, const nb::object& teacher) {
  const Texts texts(to_span(offsets), to_span(data));
  std::vector<std::uint8_t> matching(texts.size());
  {
    const nb::gil_scoped_release unlocked;
    Automaton automaton(to_teacher(teacher));
    CancelPoint point;
    for (std::size_t i = 0; i < matching.size(); ++i) {
      matching[i] = automaton.matches(texts[i]) ? 1 : 0;
      point.passed(texts[i].size() + 1);
    }
  }
  return OwnedArray<std::uint8_t>(std::move(matching)).release();
}

}  // namespace

void bind_automaton(nb::module_& module) {
  module.def("match_texts", match_texts, nb::arg("offsets").noconvert(),
             nb::arg("data").noconvert(), nb::arg("teacher"),
             nb::sig("def match_texts(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), "
                     "order='C', device='cpu', writable=False)], data: "
                     "Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', "
                     "device='cpu', writable=False)], teacher: object) -> "
                     "Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', "
                     "device='cpu')]"),
             "Which texts an automaton says yes to.");
}

}  // namespace elanus::bindings
