"""One ``cache`` tag in a syntax tree.

In the tree a fragment is a ``With`` node, which is just what it is without a cache: a scope. Every
tool that reads trees (message extraction, `jinja2.meta`, other extensions) so finds what it knows.
The node's ``values`` hold the tag's expressions (key variables, options, and after them the name
``caller`` where the body prints it), and a `Tag` on the node says which is which.
"""

from dataclasses import dataclass

from jinja2 import nodes

SITES = "fragments"
"""The name in a compiled module of the sites of its tags."""

SOURCES_OF_BLOCKS = "sources_of_blocks"
"""The name in a compiled module of its blocks' digests, and of the blocks that they print."""

ALL_BLOCKS = "*"
"""Stands for every block of a page, where a fragment may print any of them."""

_ATTRIBUTE = "jinjacache_tag"


@dataclass(frozen=True, slots=True)
class Tag:
    """What a tag says: its name, its number of key variables, the options after them in order.

    ``literals`` holds the options that were known at compile time, with their values.
    """

    name: str | None
    variables: int
    options: tuple[str, ...]
    literals: dict[str, object]

    @property
    def label(self) -> str:
        """The fragment as messages call it."""
        return f"fragment {self.name!r}" if self.name else "the unnamed fragment"


def mark(tag: Tag, values: list[nodes.Expr], body: list[nodes.Node], lineno: int) -> nodes.With:
    """Return the node of a fragment."""
    node = nodes.With([], values, body, lineno=lineno)
    setattr(node, _ATTRIBUTE, tag)
    return node


def tag_of(node: nodes.Node) -> Tag | None:
    """Return the tag of a fragment's node, or None for any other node."""
    return getattr(node, _ATTRIBUTE, None)


def variables_of(node: nodes.With, tag: Tag) -> list[nodes.Expr]:
    """Return the expressions of the key variables."""
    return node.values[: tag.variables]


def option_of(node: nodes.With, tag: Tag, name: str) -> nodes.Expr | None:
    """Return the expression of an option that is evaluated at run time, or None."""
    if name not in tag.options:
        return None
    return node.values[tag.variables + tag.options.index(name)]


def resolve_caller(node: nodes.With) -> None:
    """Let ``caller`` be resolved where the tag stands: what it prints is part of the key."""
    tag = tag_of(node)
    if tag is not None and caller_of(node, tag) is None:
        node.values.append(nodes.Name("caller", "load", lineno=node.lineno))


def caller_of(node: nodes.With, tag: Tag) -> nodes.Name | None:
    """Return the name ``caller`` that was resolved with the tag, or None."""
    after = node.values[tag.variables + len(tag.options) :]
    return after[0] if after and isinstance(after[0], nodes.Name) else None
