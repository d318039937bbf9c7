"""The ``cache`` tag: how it is read, and what it brings to an environment."""

import difflib
from typing import NoReturn

from jinja2 import Environment, Template, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator
from jinja2.ext import Extension
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.parser import Parser

from jinjacache.bytecode import StampedTemplate, wrap_bytecode_cache
from jinjacache.cache import Cache
from jinjacache.compiler import FragmentCodeGenerator
from jinjacache.composing import compose
from jinjacache.durations import seconds
from jinjacache.errors import ConfigurationError, InvalidDuration
from jinjacache.tag import Tag, mark

OPTIONS = ("timeout", "using", "when")
_END = ("name:endcache",)
_LONGEST_NAME = 200


class CacheExtension(Extension):
    """Bring the ``cache`` tag to an environment.

    Without an installed cache it keeps fragments in ``Cache("memory://", timeout=300)``;
    ``environment.fragment_cache`` is where that can be read or replaced.
    """

    tags = {"cache"}  # noqa: RUF012 - Jinja's way

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        generator: type[CodeGenerator] = environment.code_generator_class
        if issubclass(generator, NativeCodeGenerator):
            raise ConfigurationError(
                "a NativeEnvironment renders Python values and a fragment is text: "
                "use an Environment for templates with a cache tag"
            )
        environment.code_generator_class = compose(FragmentCodeGenerator, generator)
        template: type[Template] = environment.template_class
        environment.template_class = compose(StampedTemplate, template)
        if getattr(environment, "fragment_cache", None) is None:
            environment.extend(fragment_cache=Cache())
        wrap_bytecode_cache(environment)

    def bind(self, environment: Environment) -> "CacheExtension":
        """Return the extension for an overlay, whose bytecode cache may be another one."""
        wrap_bytecode_cache(environment)
        return super().bind(environment)

    def parse(self, parser: Parser) -> nodes.Node:
        """Read ``{% cache ["name"][, variable…][, option=……] %} … {% endcache [name] %}``."""
        lineno = next(parser.stream).lineno
        return _TagReader(parser, lineno).read()


class _TagReader:
    """Read one tag, and say at its own line what is wrong with it."""

    def __init__(self, parser: Parser, lineno: int) -> None:
        self._parser = parser
        self._stream = parser.stream
        self._lineno = lineno
        self._name: str | None = None
        self._variables: list[nodes.Expr] = []
        self._options: dict[str, nodes.Expr] = {}
        self._literals: dict[str, object] = {}

    def read(self) -> nodes.With:
        self._arguments()
        body = self._body()
        tag = Tag(self._name, len(self._variables), tuple(self._options), self._literals)
        self._refuse_blocks(body, tag)
        self._refuse_jumps(body, tag)
        values = [*self._variables, *self._options.values()]
        return mark(tag, values, body, self._lineno)

    def _arguments(self) -> None:
        first = True
        while self._stream.current.type != "block_end":
            if not first and not self._stream.skip_if("comma"):
                self._fail(
                    f"a comma is missing before {self._stream.current.value!r}: "
                    "arguments of 'cache' are separated by commas"
                )
            ahead = self._stream.look()
            if self._stream.current.type == "name" and ahead.type == "assign":
                self._option()
            elif self._options or self._literals:
                self._fail("key variables stand before the options: move it to the front")
            elif first:
                self._read_name()
            else:
                self._variables.append(self._parser.parse_expression())
            first = False

    def _read_name(self) -> None:
        name = self._parser.parse_expression()
        value = name.value if isinstance(name, nodes.Const) else None
        if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_NAME:
            self._fail(
                f"a fragment's name is a string literal of 1 to {_LONGEST_NAME} characters, so "
                'that lint and statistics know it: write {% cache "name", variable %}, with what '
                "varies as key variables after it"
            )
        self._name = value

    def _option(self) -> None:
        name = self._stream.expect("name").value
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self._fail(f"'cache' has no option {name!r} (it has {', '.join(OPTIONS)}){hint}")
        if name in self._options or name in self._literals:
            self._fail(f"option {name!r} is given twice: keep one")
        self._stream.expect("assign")
        expression = self._parser.parse_expression()
        try:
            value = expression.as_const(nodes.EvalContext(self._parser.environment))
        except nodes.Impossible:
            if name == "using":
                self._fail("'using' takes the alias of an installed cache as a string literal")
            self._options[name] = expression
        else:
            self._literal(name, value, expression)

    def _literal(self, name: str, value: object, expression: nodes.Expr) -> None:
        if name == "when":
            self._options[name] = expression
            return
        if name == "using" and not (isinstance(value, str) and value):
            self._fail("'using' takes the alias of an installed cache as a string literal")
        if name == "timeout":
            try:
                seconds(value)
            except InvalidDuration as error:
                self._fail(str(error))
        self._literals[name] = value

    def _body(self) -> list[nodes.Node]:
        self._stream.expect("block_end")
        body = self._parser.subparse(_END)
        if self._stream.current.type == "eof":
            self._fail("this fragment does not end: add {% endcache %}")
        end = next(self._stream)
        if self._stream.current.type in ("name", "string"):
            repeated = next(self._stream).value
            if repeated != self._name:
                self._parser.fail(
                    f"'endcache' names {repeated!r}, but the fragment that ends here is "
                    f"{self._name!r} (line {self._lineno})",
                    end.lineno,
                )
        return body

    def _refuse_blocks(self, body: list[nodes.Node], tag: Tag) -> None:
        for node in body:
            found = node if isinstance(node, nodes.Block) else node.find(nodes.Block)
            if found is not None:
                self._parser.fail(
                    f"block {found.name!r} stands inside {tag.label}: what one page puts into it "
                    "would be shown on the others; put the fragment inside the block",
                    found.lineno,
                )

    def _refuse_jumps(self, body: list[nodes.Node], tag: Tag) -> None:
        for node in body:
            if isinstance(node, nodes.Break | nodes.Continue):
                jump = type(node).__name__.lower()
                self._parser.fail(
                    f"'{jump}' would leave {tag.label}: a loop around 'cache' cannot be left from "
                    f"inside of it; put the condition around the tag, or the whole loop inside",
                    node.lineno,
                )
            inside = node.else_ if isinstance(node, nodes.For) else list(node.iter_child_nodes())
            self._refuse_jumps(inside, tag)

    def _fail(self, message: str) -> NoReturn:
        raise TemplateSyntaxError(message, self._lineno, self._parser.name, self._parser.filename)
