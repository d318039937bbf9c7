"""The source digest: what a piece of a template *means*, as 40 hex digits.

A pure function of the syntax tree. Comments, line numbers, the text around the piece and the
numbering of Jinja's internal names do not change it; whatever the piece prints or decides does.
Definitions of the same template that the piece reads by name (macros, imports, ``set``, ``with``,
what a loop goes over) are part of it, so that two templates made from strings never share an entry
by accident. A template that it includes sees all of them, so then all are.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import assert_never, cast, get_args

from jinja2 import nodes

from jinjacache.encoding import encode
from jinjacache.errors import KeyEncodingError
from jinjacache.tag import ALL_BLOCKS, tag_of

Pieces = Sequence[nodes.Node]

_FILES = (nodes.Include, nodes.Import, nodes.FromImport)
Definition = (
    nodes.Assign
    | nodes.AssignBlock
    | nodes.For
    | nodes.FromImport
    | nodes.Import
    | nodes.Macro
    | nodes.With
)
_DEFINITIONS = get_args(Definition)


class Reach:
    """What pieces of one template lead to within it."""

    def __init__(self, template: nodes.Template) -> None:
        definitions = cast("list[Definition]", list(template.find_all(_DEFINITIONS)))
        regions = {id(node): list[nodes.Node]() for node in definitions}
        for region in template.find_all(nodes.ScopedEvalContextModifier):
            for node in region.find_all(_DEFINITIONS):
                regions[id(node)] += region.options  # the same macro escapes here, and not there
        found = [([*regions[id(node)], *_said(node)], _bound_names(node)) for node in definitions]
        self._definitions = [
            (said, bound, set[str]().union(*map(_names_read, said)))
            for said, bound in found
            if bound
        ]

    def of(self, pieces: Pieces) -> list[nodes.Node]:
        """Return the pieces, then the definitions that they read, however indirectly, in order."""
        wanted = set[str]().union(*map(_names_read, pieces))
        reached: set[int] = set()
        grew = True
        while grew:
            grew = False
            for index, (_, bound, read) in enumerate(self._definitions):
                if index not in reached and not wanted.isdisjoint(bound):
                    reached.add(index)
                    wanted |= read
                    grew = True
        return [*pieces, *self._said_by(sorted(reached))]

    def reads(self, pieces: Pieces, name: str) -> bool:
        """Say whether ``name`` is read by the pieces or by what they lead to."""
        return any(name in _names_read(node) for node in self.of(pieces))

    def is_ambiguous(self, pieces: Pieces) -> bool:
        """Say whether a name that the pieces lead to is defined more than once."""
        wanted = set[str]().union(*map(_names_read, self.of(pieces)))
        bound = [name for _, names, _ in self._definitions for name in names & wanted]
        return len(bound) > len(set(bound))

    def depends(self, pieces: Pieces) -> bool:
        """Say whether the pieces include or import other templates, directly or indirectly."""
        return any(_files(node) for node in self.of(pieces))

    def shows_context(self, pieces: Pieces) -> bool:
        """Say whether other templates see all the names that stand where the pieces do."""
        return any(file.with_context for node in self.of(pieces) for file in _files(node))

    def digest(self, pieces: Pieces) -> str:
        """Return the source digest of the pieces with what they lead to, in hex."""
        writer = _Writer()
        writer.statements(pieces)
        definitions: Iterable[nodes.Node]
        if self.shows_context(pieces):
            definitions = self._said_by(range(len(self._definitions)))
        else:
            definitions = self.of(pieces)[len(pieces) :]
        for definition in definitions:
            writer.node(definition)
        return writer.hexdigest()

    def blocks(self, pieces: Pieces, own: str | None) -> tuple[str, ...]:
        """Return the names of the blocks that the pieces print, or `ALL_BLOCKS` among them.

        ``own`` is the block in which they stand: ``super()`` prints it.
        """
        names: set[str] = set()
        for node in self.of(pieces):
            everything = (node, *node.find_all(nodes.Node))
            names.update(block.name for block in everything if isinstance(block, nodes.Block))
            names.update(_through_self(everything))
            if own is not None and "super" in _names_read(node):
                names.add(own)
        return tuple(sorted(names))

    def _said_by(self, definitions: Iterable[int]) -> Iterator[nodes.Node]:
        for index in definitions:
            yield from self._definitions[index][0]


def _through_self(everything: Iterable[nodes.Node]) -> Iterator[str]:
    known: set[int] = set()
    for node in everything:
        match node:
            case nodes.Getattr(node=nodes.Name(name="self") as name, attr=block):
                known.add(id(name))
                yield block
            case nodes.Getitem(node=nodes.Name(name="self") as name, arg=nodes.Const(value=block)):
                known.add(id(name))
                yield str(block)
            case nodes.Name(name="self", ctx="load") if id(node) not in known:
                yield ALL_BLOCKS
            case _:
                pass


def _files(node: nodes.Node) -> list[nodes.Include | nodes.Import | nodes.FromImport]:
    """Return the tags in ``node``, itself among them, that take in another template."""
    return [found for found in (node, *node.find_all(_FILES)) if isinstance(found, _FILES)]


def _names_read(node: nodes.Node) -> set[str]:
    found = (node, *node.find_all(nodes.Name))
    return {name.name for name in found if isinstance(name, nodes.Name) and name.ctx == "load"}


def _said(definition: Definition) -> list[nodes.Node]:
    """Return what a definition says of the names that it binds; a scope's body says nothing."""
    match definition:
        case nodes.With(targets=targets, values=values):
            return [*targets, *values]
        case nodes.For(recursive=True):
            return [definition]  # ``loop(…)`` prints all of it
        case nodes.For(target=target, iter=iterable, test=test):
            return [target, iterable, *([] if test is None else [test])]
        case _:
            return [definition]


def _bound_names(definition: Definition) -> set[str]:
    match definition:
        case nodes.Macro(name=name):
            return {name}
        case nodes.Import(target=target):
            return {target}
        case nodes.FromImport(names=names):
            return {name if isinstance(name, str) else name[1] for name in names}
        case nodes.With(targets=targets):
            return set[str]().union(*map(_targets, targets))
        case nodes.For(recursive=True):
            return {"loop", *_targets(definition.target)}
        case nodes.Assign() | nodes.AssignBlock() | nodes.For():
            return _targets(definition.target)
        case _:
            assert_never(definition)


def _targets(target: nodes.Node) -> set[str]:
    found = (target, *target.find_all((nodes.Name, nodes.NSRef)))
    return {name.name for name in found if isinstance(name, nodes.Name | nodes.NSRef)}


class _Writer:
    """Write nodes into one hash, each with its kind and its extent."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=20)
        self._internal: dict[str, int] = {}

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def statements(self, body: Iterable[nodes.Node]) -> None:
        """Write a body; how its text was cut into nodes (by comments, empty tags) says nothing."""
        text = ""
        for item in _flat(body):
            if isinstance(item, nodes.TemplateData):
                text += item.data
                continue
            self._text(text)
            text = ""
            self.node(item)
        self._text(text)
        self._hash.update(b";")

    def node(self, node: nodes.Node) -> None:
        """Write one node with all below it; a fragment in it with what its tag says."""
        if isinstance(node, nodes.InternalName):
            self._put(b"#", self._internal.setdefault(node.name, len(self._internal)))
            return
        self._put(b"(", type(node).__name__)
        if (tag := tag_of(node)) is not None:
            self._put(b"@", (tag.name, tag.options, tag.literals))
        for name in node.fields:
            self._put(b".", name)
            self._field(getattr(node, name, None))
        self._hash.update(b")")

    def _field(self, value: object) -> None:
        if isinstance(value, nodes.Node):
            self.node(value)
        elif isinstance(value, list | tuple):
            self._several(cast("Sequence[object]", value))
        else:
            self._put(b"=", value)

    def _several(self, items: Sequence[object]) -> None:
        if any(isinstance(item, nodes.Stmt) for item in items):
            self.statements(cast("Pieces", items))
            return
        self._put(b"[", len(items))
        for item in items:
            self._field(item)

    def _text(self, text: str) -> None:
        if text:
            self._put(b"t", text)

    def _put(self, mark: bytes, value: object) -> None:
        data = _canonical(value)
        self._hash.update(b"%b%b%d:" % (mark, type(value).__name__.encode(), len(data)))
        self._hash.update(data)


def _canonical(value: object) -> bytes:
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    try:
        return encode(value)
    except KeyEncodingError:  # a constant of another extension's making: Jinja compiles its repr
        return repr(value).encode("utf-8", "surrogatepass")


def _flat(body: Iterable[nodes.Node]) -> Iterator[nodes.Node]:
    for node in body:
        if isinstance(node, nodes.Output):
            yield from node.nodes
        else:
            yield node
