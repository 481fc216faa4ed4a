"""What does a Python source say about itself?

Docstrings of the module, its classes and functions, read without running the code. The extracted
text is, for each of them, the signature and then the docstring; offsets point into it.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from elanus_demo.passages import Document, Section, UnreadableFileError
from elanus_demo.readers.text import decode

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef

_ENTRY_BREAK = "\n\n\n"

# A parameter list longer than this fills a passage with defaults instead of words.
_LONGEST_SIGNATURE = 400


@dataclass(frozen=True, slots=True)
class _Entry:
    """A documented name: dotted path, the line that says what it is, signature, docstring."""

    path: tuple[str, ...]
    context: str
    signature: str
    docstring: str


def read_python(content: bytes) -> Document:
    """Return the docstrings of a Python file, each under the names of its class and function.

    Raises:
        UnreadableFileError: The file is no valid Python.
    """
    return _document(_entries(_parse(content), "", include_private=True))


def read_module(content: bytes, module: str) -> Document:
    """Return the docstrings of an importable module's public names, under their dotted names.

    Args:
        content: The source.
        module: Dotted name to import it by.

    Raises:
        UnreadableFileError: The file is no valid Python.
    """
    return _document(_entries(_parse(content), module, include_private=False))


def _parse(content: bytes) -> ast.Module:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        with warnings.catch_warnings():
            # Invalid escapes in somebody's strings are not this program's business.
            warnings.simplefilter("ignore")
            return ast.parse(decode(content, encoding))
    except SyntaxError as error:
        where = f" at line {error.lineno}" if error.lineno else ""
        raise UnreadableFileError(f"not valid Python{where}: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise UnreadableFileError("not valid Python: nested too deeply") from None


def _document(entries: Iterator[_Entry]) -> Document:
    parts: list[str] = []
    sections: list[Section] = []
    length = 0
    for entry in entries:
        body = f"{entry.signature}\n\n{entry.docstring}" if entry.signature else entry.docstring
        heading = (".".join(entry.path),) if entry.path else ()
        sections.append(Section(heading, length, length + len(body), context=entry.context))
        parts.append(body)
        length += len(body) + len(_ENTRY_BREAK)
    return Document(_ENTRY_BREAK.join(parts), tuple(sections))


def _entries(tree: ast.Module, module: str, *, include_private: bool) -> Iterator[_Entry]:
    names = tuple(module.split(".")) if module else ()
    docstring = ast.get_docstring(tree)
    if docstring and docstring.strip():
        yield _Entry(names, f"module {module}" if module else "", "", docstring)
    yield from _definitions(tree.body, names, len(names), include_private=include_private)


def _definitions(
    body: list[ast.stmt], above: tuple[str, ...], num_module: int, *, include_private: bool
) -> Iterator[_Entry]:
    for node in _flattened(body):
        if not isinstance(node, _Definition):
            continue
        if not include_private and node.name.startswith("_") and node.name != "__init__":
            continue
        path = (*above, node.name)
        docstring = ast.get_docstring(node)
        if docstring and docstring.strip():
            context = _context(node, path, num_module)
            yield _Entry(path, context, _signature(node, path), docstring)
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, path, num_module, include_private=include_private)


def _flattened(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, those under ``if`` and ``try`` included: platforms and fallbacks."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _flattened(node.body)
            yield from _flattened(node.orelse)
        elif isinstance(node, ast.Try):
            yield from _flattened(node.body)
            for handler in node.handlers:
                yield from _flattened(handler.body)
            yield from _flattened(node.orelse)


def _context(node: _Definition, path: tuple[str, ...], num_module: int) -> str:
    """Return where a name belongs in words, such as ``module datetime, class date, method today``.

    Dotted names are one word to an analyzer; here each part can be found by itself.
    """
    module, names = path[:num_module], path[num_module:]
    parts = [f"module {'.'.join(module)}"] if module else []
    parts += [f"class {name}" for name in names[:-1]]
    kind = "class" if isinstance(node, ast.ClassDef) else "method" if names[:-1] else "function"
    parts.append(f"{kind} {names[-1]}")
    return ", ".join(parts)


def _signature(node: _Definition, path: tuple[str, ...]) -> str:
    name = ".".join(path)
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return _shortened(f"class {name}({bases})" if bases else f"class {name}")
    arguments = (
        ast.unparse(_without_receiver(node.args)) if len(path) > 1 else ast.unparse(node.args)
    )
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return _shortened(f"{prefix}{name}({arguments}){returns}")


def _without_receiver(arguments: ast.arguments) -> ast.arguments:
    """Return the parameters that a caller writes: without a leading ``self`` or ``cls``."""
    receivers = {"self", "cls", "mcls", "metacls"}
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional or positional[0].arg not in receivers:
        return arguments
    num_kept = len(positional) - 1
    return ast.arguments(
        posonlyargs=arguments.posonlyargs[1:],
        args=arguments.args if arguments.posonlyargs else arguments.args[1:],
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg,
        defaults=arguments.defaults[-num_kept:] if num_kept else [],
    )


def _shortened(signature: str) -> str:
    if len(signature) <= _LONGEST_SIGNATURE:
        return signature
    return signature[:_LONGEST_SIGNATURE].rsplit(",", 1)[0] + ", ...)"
