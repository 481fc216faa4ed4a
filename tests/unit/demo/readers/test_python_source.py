"""Docstrings with their signatures, read without running the code."""

import pytest

from elanus_demo.passages import Document, UnreadableFileError
from elanus_demo.readers.python_source import read_module, read_python

SOURCE = b'''\
"""Shapes."""

class Circle(Shape, metaclass=Meta):
    """A round thing."""

    def __init__(self, radius: float = 1.0, *, unit="m") -> None:
        """Make one."""

    @classmethod
    def unit(cls, /, *args, **kwargs):
        """Return the unit circle."""

    def _secret(self):
        """Hidden."""

    def undocumented(self):
        pass

if True:
    async def draw(shape, x=0):
        """Draw it.

            Indented line.
        """
'''


def entries(document: Document) -> list[tuple[str, str, str]]:
    return [
        (".".join(s.heading), s.context, document.text[s.start : s.end]) for s in document.sections
    ]


def test_module_names_are_dotted_and_private_names_left_out() -> None:
    assert entries(read_module(SOURCE, "geo.shapes")) == [
        ("geo.shapes", "module geo.shapes", "Shapes."),
        (
            "geo.shapes.Circle",
            "module geo.shapes, class Circle",
            "class geo.shapes.Circle(Shape)\n\nA round thing.",
        ),
        (
            "geo.shapes.Circle.__init__",
            "module geo.shapes, class Circle, method __init__",
            "geo.shapes.Circle.__init__(radius: float=1.0, *, unit='m') -> None\n\nMake one.",
        ),
        (
            "geo.shapes.Circle.unit",
            "module geo.shapes, class Circle, method unit",
            "geo.shapes.Circle.unit(*args, **kwargs)\n\nReturn the unit circle.",
        ),
        (
            "geo.shapes.draw",
            "module geo.shapes, function draw",
            "async geo.shapes.draw(shape, x=0)\n\nDraw it.\n\nIndented line.",
        ),
    ]


def test_file_of_a_folder_keeps_private_names() -> None:
    document = read_python(SOURCE)
    assert [".".join(s.heading) for s in document.sections] == [
        "",
        "Circle",
        "Circle.__init__",
        "Circle.unit",
        "Circle._secret",
        "draw",
    ]


def test_declared_source_encoding_is_used() -> None:
    document = read_python('# -*- coding: latin-1 -*-\n"""Café."""\n'.encode("latin-1"))
    assert document.text == "Café."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = 1\ndef f(:\n", "not valid Python at line 2: "),
        (b"(" * 100_000, "not valid Python"),
        (b"# coding: nonsense\n", "not valid Python: unknown encoding: nonsense"),
        (b"x = '\x00'", "binary content, not text"),
    ],
)
def test_broken_source_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_python(content)
    assert str(caught.value).startswith(reason)


def test_invalid_escapes_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    read_python(b'"""A \\d digit."""\n')
    assert len(recwarn) == 0
