// JSON as Python objects: what json.loads makes of it, or nothing.
#pragma once

#include <nanobind/nanobind.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace elanus::bindings {

namespace nb = nanobind;

// Reads values as they are stored, one after the other, and remembers their keys. What is rare
// (numbers beyond 18 digits, lone surrogates, deep nesting, anything that is no JSON) is left to
// Python, which has the messages too.
class JsonValues {
 public:
  // Returns an invalid object for what is left to Python.
  nb::object read(std::span<const std::uint8_t> text) {
    at_ = reinterpret_cast<const char*>(text.data());
    end_ = at_ + text.size();
    nb::object found = value(0);
    skip_spaces();
    return at_ == end_ ? found : nb::object();
  }

 private:
  static constexpr int kDeepest = 64;
  static constexpr std::size_t kMostKeys = 32;
  static constexpr std::ptrdiff_t kMostDigits = 18;

  void skip_spaces() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }

  bool take(char wanted) {
    skip_spaces();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    const auto left = static_cast<std::size_t>(end_ - at_);
    if (left < word.size() || std::string_view(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  nb::object value(int depth) {
    skip_spaces();
    if (at_ == end_ || depth > kDeepest) return {};
    switch (*at_) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"': {
        std::string_view text;
        if (!string(text)) return {};
        return decoded(text);
      }
      case 't':
        return take_word("true") ? nb::borrow(Py_True) : nb::object();
      case 'f':
        return take_word("false") ? nb::borrow(Py_False) : nb::object();
      case 'n':
        return take_word("null") ? nb::none() : nb::object();
      default:
        return number();
    }
  }

  nb::object object(int depth) {
    ++at_;
    nb::object made = nb::steal(PyDict_New());
    if (!made.is_valid()) throw nb::python_error();
    if (take('}')) return made;
    do {
      skip_spaces();
      std::string_view name;
      if (at_ == end_ || *at_ != '"' || !string(name)) return {};
      const nb::object key = key_of(name);
      if (!key.is_valid() || !take(':')) return {};
      const nb::object item = value(depth + 1);
      if (!item.is_valid()) return {};
      if (PyDict_SetItem(made.ptr(), key.ptr(), item.ptr()) != 0) throw nb::python_error();
    } while (take(','));
    return take('}') ? made : nb::object();
  }

  nb::object array(int depth) {
    ++at_;
    nb::object made = nb::steal(PyList_New(0));
    if (!made.is_valid()) throw nb::python_error();
    if (take(']')) return made;
    do {
      const nb::object item = value(depth + 1);
      if (!item.is_valid()) return {};
      if (PyList_Append(made.ptr(), item.ptr()) != 0) throw nb::python_error();
    } while (take(','));
    return take(']') ? made : nb::object();
  }

  // The bytes between quotes, without escapes; false for control characters and bad escapes.
  bool string(std::string_view& out) {
    const char* const first = ++at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) {
      ++at_;
    }
    if (at_ == end_) return false;
    if (*at_ == '"') {
      out = {first, static_cast<std::size_t>(at_++ - first)};
      return true;
    }
    unescaped_.assign(first, at_);
    while (at_ != end_ && *at_ != '"') {
      if (static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ != '\\') {
        unescaped_.push_back(*at_++);
      } else if (!escape()) {
        return false;
      }
    }
    if (at_ == end_) return false;
    ++at_;
    out = unescaped_;
    return true;
  }

  bool escape() {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (end_ - at_ < 2) return false;
    if (at_[1] == 'u') return unicode_escape();
    const std::size_t place = kNames.find(at_[1]);
    if (place == std::string_view::npos) return false;
    unescaped_.push_back(kMeant[place]);
    at_ += 2;
    return true;
  }

  bool four_digits(std::uint32_t& out) {
    if (end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u') return false;
    const auto [last, error] = std::from_chars(at_ + 2, at_ + 6, out, 16);
    if (error != std::errc() || last != at_ + 6) return false;
    at_ += 6;
    return true;
  }

  bool unicode_escape() {
    std::uint32_t code = 0;
    if (!four_digits(code)) return false;
    if (code >= 0xDC00 && code < 0xE000) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      std::uint32_t low = 0;
      if (!four_digits(low) || low < 0xDC00 || low >= 0xE000) return false;
      code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
    }
    append_utf8(code);
    return true;
  }

  void append_utf8(std::uint32_t code) {
    const auto push = [this](std::uint32_t byte) { unescaped_.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      push(code);
    } else if (code < 0x800) {
      push(0xC0U | (code >> 6U));
      push(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
      push(0xE0U | (code >> 12U));
      push(0x80U | ((code >> 6U) & 0x3FU));
      push(0x80U | (code & 0x3FU));
    } else {
      push(0xF0U | (code >> 18U));
      push(0x80U | ((code >> 12U) & 0x3FU));
      push(0x80U | ((code >> 6U) & 0x3FU));
      push(0x80U | (code & 0x3FU));
    }
  }

  nb::object number() {
    const char* const first = at_;
    if (at_ != end_ && *at_ == '-') ++at_;
    const char* const digits = at_;
    skip_digits();
    const std::ptrdiff_t count = at_ - digits;
    if (count == 0 || (count > 1 && *digits == '0')) return {};
    bool is_whole = true;
    if (at_ != end_ && *at_ == '.') {
      const char* const fraction = ++at_;
      skip_digits();
      if (at_ == fraction) return {};
      is_whole = false;
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      const char* const exponent = at_;
      skip_digits();
      if (at_ == exponent) return {};
      is_whole = false;
    }
    if (is_whole) {
      std::int64_t found = 0;
      if (count > kMostDigits) return {};
      std::from_chars(first, at_, found);
      return nb::steal(PyLong_FromLongLong(found));
    }
    double found = 0.0;
    const auto [last, error] = std::from_chars(first, at_, found);
    if (error != std::errc() || last != at_) return {};
    return nb::steal(PyFloat_FromDouble(found));
  }

  void skip_digits() {
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
  }

  static nb::object decoded(std::string_view text) {
    PyObject* const made =
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
    if (made == nullptr) PyErr_Clear();
    return nb::steal(made);
  }

  // The same few keys stand in every row.
  nb::object key_of(std::string_view name) {
    for (const auto& [known, key] : keys_) {
      if (known == name) return key;
    }
    nb::object key = decoded(name);
    if (key.is_valid() && keys_.size() < kMostKeys) keys_.emplace_back(name, key);
    return key;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::string unescaped_;
  std::vector<std::pair<std::string, nb::object>> keys_;
};

}  // namespace elanus::bindings
