import pytest

from tools.checks.markdown import Block, anchors, code_spans, links, parse, slugify

PAGE = """\
# Title with `code`

See [one](a.md#part "A title"), ![image](img.png) and [two](<b.md>).
`[not](a-link.md)` is code.

[ref]: docs/c.md

```python
[neither](d.md)
# Not a heading
```

~~~text
x
~~~

## Part
## Part
<a id="here"></a>
"""


def test_prose_and_blocks_are_separated() -> None:
    assert parse(PAGE).blocks == (
        Block(9, "python", "[neither](d.md)\n# Not a heading\n"),
        Block(14, "text", "x\n"),
    )


def test_a_longer_fence_holds_a_shorter_one() -> None:
    page = parse("````markdown\n```python\nx\n```\n````\n")
    assert page.blocks == (Block(2, "markdown", "```python\nx\n```\n"),)


def test_links_are_found_outside_code_only() -> None:
    assert list(links(parse(PAGE))) == [
        (3, "a.md#part"),
        (3, "img.png"),
        (3, "b.md"),
        (6, "docs/c.md"),
    ]


def test_code_spans_carry_their_line() -> None:
    assert list(code_spans(parse(PAGE))) == [(1, "code"), (4, "[not](a-link.md)")]


def test_anchors_are_numbered_where_headings_repeat() -> None:
    assert anchors(parse(PAGE)) == {"title-with-code", "part", "part-1", "here"}


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("`schema/`: What is a collection?", "schema-what-is-a-collection"),
        ("Hello, World -- twice", "hello-world----twice"),
        ("A [link](x.md) here", "a-link-here"),
        ("snake_case", "snake_case"),
    ],
)
def test_slugs_are_those_of_github(heading: str, slug: str) -> None:
    assert slugify(heading) == slug
