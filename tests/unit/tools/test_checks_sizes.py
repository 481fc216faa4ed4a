from tools.checks.sizes import compare, function_lengths, native_function_lengths


def test_functions_are_measured_with_their_docstring_methods_by_class() -> None:
    text = (
        "def outer():\n"
        '    """Doc."""\n'
        "\n"
        "    def inner():\n"
        "        return 1\n"
        "    return inner\n"
        "class Thing:\n"
        "    @property\n"
        "    def size(self):\n"
        "        return 2\n"
        "if True:\n"
        "    async def later(): pass\n"
    )
    assert function_lengths(text) == {
        "outer": 6,
        "outer.inner": 2,
        "Thing.size": 2,
        "later": 1,
    }


def test_cpp_functions_are_measured_from_their_name_to_their_brace() -> None:
    text = (
        "namespace elanus::avx2 {\n"
        "template <typename T>\n"
        "T sum(std::span<const T> row,\n"
        "      std::size_t n) {\n"
        '  log("}");  // and a { here\n'
        "  for (T x : row) {\n"
        "    if (x) { total += x; }\n"
        "  }\n"
        "  auto f = [](int y) { return y; };\n"
        "}\n"
        "class Pool {\n"
        " public:\n"
        "  explicit Pool(int size) : size_(size) {}\n"
        "  int size() const { return size_; }\n"
        "  int size_ = 0;\n"
        "};\n"
        "}  // namespace elanus::avx2\n"
        "#define NOT_A_FUNCTION(x) \\\n"
        "  { x }\n"
        "int Pool::grow(int by) {\n"
        "  return by;\n"
        "}\n"
    )
    assert native_function_lengths(text) == {"sum": 8, "Pool": 1, "size": 1, "Pool::grow": 3}


def test_only_what_is_too_long_and_not_listed_is_a_problem() -> None:
    lengths = {"a.py": 500, "b.py": 501, "c.py": 900}
    assert compare("file", lengths, 500, {"c.py": "a table"}) == [
        "b.py: 501 lines, a file may have 500"
    ]


def test_an_entry_that_is_no_longer_needed_is_a_problem() -> None:
    assert compare("file", {"a.py": 500}, 500, {"a.py": "a table", "gone.py": "a table"}) == [
        "sizes.toml lists a.py, which is not over 500 lines",
        "sizes.toml lists gone.py, which is not over 500 lines",
    ]
