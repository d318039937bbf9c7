"""Lower fragments to the code that `jinjacache.runtime` describes.

A code generator of our own, and not nodes of Jinja's, because a fragment is a scope with a
buffer in which everything else stays what it is: no closure, no macro and no call stands between
a page and its body, and no filter or global has to be registered that a template could reach.
"""

from collections.abc import Iterator
from hashlib import blake2b
from io import StringIO

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, MacroRef, find_undeclared
from jinja2.nodes import EvalContext

from jinjacache.analysis.digest import Reach
from jinjacache.bytecode import STAMP, stamp
from jinjacache.tag import (
    SITES,
    SOURCES_OF_BLOCKS,
    Tag,
    caller_of,
    option_of,
    resolve_caller,
    tag_of,
    variables_of,
)

# As `CodeGenerator.visit_Include` of Jinja 3.1 writes it, without context and synchronous.
_INCLUDE_PAST_THE_BUFFER = "yield from template._get_default_module()._body_stream"


class FragmentCodeGenerator(CodeGenerator):
    """Generate the code of templates with fragments in them."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """Write the module; at its end what its functions need for their fragments."""
        self._reach = Reach(node)
        self._sites: list[str] = []
        self._imports: set[str] = set()
        self._resolve_callers(node)
        super().visit_Template(node, frame)
        self.writeline(f"{STAMP} = {stamp(self.environment)!r}", extra=1)
        if self._imports:
            self.writeline(f"from jinjacache.sources import {', '.join(sorted(self._imports))}")
        if self._sites:
            self.writeline(f"from jinjacache.runtime import {self._site_class}")
            for number, site in enumerate(self._sites, 1):
                self.writeline(f"fragment_{number} = {site}")
            names = "".join(f"fragment_{number}, " for number in range(1, len(self._sites) + 1))
            self.writeline(f"{SITES} = ({names})")
        if self.blocks:
            escaping = EvalContext(self.environment, self.name).autoescape
            sources = {
                name: (
                    f"{self._reach.digest(block.body)}{'+' if escaping else '-'}",
                    self._reach.blocks(block.body, None),
                )
                for name, block in self.blocks.items()
            }
            self.writeline(f"{SOURCES_OF_BLOCKS} = {sources!r}")

    def visit_With(self, node: nodes.With, frame: Frame) -> None:
        """Write a fragment; where nothing is printed anyway, it is the scope that it looks like."""
        tag = tag_of(node)
        if (
            tag is None
            or id(node) in self._beyond
            or (frame.require_output_check and self.has_known_extends)
        ):
            super().visit_With(node, frame)
            return
        if frame.require_output_check:
            self.writeline("if parent_template is None:")
            self.indent()
        answer = self.temporary_identifier()
        self._recall(node, tag, answer, frame)
        self._body(node, answer, frame)
        self.simple_write(answer, frame)
        if frame.require_output_check:
            self.outdent()
            self.writeline("else:")
            self.indent()
            super().visit_With(node, frame)
            self.outdent()

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:
        """Write a macro; that of a call block carries the digest of its source."""
        node = macro_ref.node
        if not isinstance(node, nodes.CallBlock):
            super().macro_def(macro_ref, frame)
            return
        pieces = [*node.args, *node.defaults, *node.body]
        self.write(f"{self._imported('stamped')}(")
        super().macro_def(macro_ref, frame)
        self.write(f", {self._reach.digest(pieces)!r}, {bool(frame.eval_ctx.autoescape)}")
        self.write(", context.eval_ctx.autoescape")
        outside = None if frame.parent is None else frame.parent.symbols.find_ref("caller")
        if outside is not None and self._reach.reads(pieces, "caller"):
            self.write(f", {self._imported('caller_source')}({outside})")
        if blocks := self._reach.blocks(pieces, frame.block):
            self.write(f", {self._imported('blocks_source')}(context, {blocks!r})")
        self.write(")")

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:
        """Write an include; without context, Jinja lets its text go past the buffer around it."""
        stream, self.stream = self.stream, StringIO()
        super().visit_Include(node, frame)
        written, self.stream = self.stream.getvalue(), stream
        if frame.buffer is not None:
            module = _INCLUDE_PAST_THE_BUFFER.removeprefix("yield from ")
            into_the_buffer = f"{frame.buffer}.extend({module})"
            written = written.replace(_INCLUDE_PAST_THE_BUFFER, into_the_buffer)
        self.stream.write(written)

    def _resolve_callers(self, template: nodes.Template) -> None:
        """Let ``caller`` be resolved with the tag of each fragment that may print it."""
        for found in _fragments(template):
            if self._reach.reads(found.body, "caller"):
                resolve_caller(found)
        macros: list[nodes.Macro | nodes.CallBlock] = [*template.find_all(nodes.Macro)]
        macros += template.find_all(nodes.CallBlock)
        # In a macro inside a macro, ``caller`` is the inner one's; another name for the outer one's
        # says nothing of its source, so what prints it goes without the cache.
        self._beyond = {
            id(found)
            for macro in macros
            for inner in (*macro.find_all(nodes.Macro), *macro.find_all(nodes.CallBlock))
            for found in _fragments(inner)
            if self._reach.reads(found.body, "caller")
            and not find_undeclared(found.body, ("caller",))
        }
        for macro in macros:
            if find_undeclared(macro.body, ("caller",)):
                for found in _fragments(macro):
                    if self._reach.shows_context(found.body):
                        resolve_caller(found)

    @property
    def _site_class(self) -> str:
        return self.choose_async("AsyncSite", "Site")

    def _recall(self, node: nodes.With, tag: Tag, answer: str, frame: Frame) -> None:
        """Write the look-up; ``when`` is evaluated first, then the key, then the timeout."""
        caller, blocks = caller_of(node, tag), self._reach.blocks(node.body, frame.block)
        elsewhere = caller is not None or bool(blocks)
        site = self._site(node, tag, frame, elsewhere=elsewhere)
        self.writeline(f"{answer} = {site}.recall(context, ", node)
        several = tag.variables + elsewhere > 1
        self.write("(" if several else "")
        for number, variable in enumerate(variables_of(node, tag)):
            self.write(", " if number else "")
            self.visit(variable, frame)
        self.write(", " if several and elsewhere else "")
        self._elsewhere(caller, blocks, frame)
        self.write(")" if several else "" if tag.variables or elsewhere else "None")
        if (timeout := option_of(node, tag, "timeout")) is not None:
            self.write(", ")
            self._awaited(timeout, frame)
        self.write(")")
        if (when := option_of(node, tag, "when")) is not None:
            self.write(f" if {site}.wanted(")
            self._awaited(when, frame)
            self.write(f") else {site}.uncached()")

    def _site(self, node: nodes.With, tag: Tag, frame: Frame, *, elsewhere: bool) -> str:
        """Take up one more site and return its name in the module."""
        escaped = None if frame.eval_ctx.volatile else bool(frame.eval_ctx.autoescape)
        digest = self._reach.digest(node.body)
        if self._reach.is_ambiguous(node.body):
            # Which of several definitions is meant, only the place of the tag can tell.
            place = f"{digest}/{len(self._sites)}"
            digest = blake2b(place.encode(), digest_size=20).hexdigest()
        arguments = [repr(self.name), repr(tag.name), repr(node.lineno), repr(digest)]
        arguments += [f"escaped={escaped}", f"variables={tag.variables}"]
        arguments += [f"{option}={value!r}" for option, value in tag.literals.items()]
        arguments += ["elsewhere=True"] if elsewhere else []
        arguments += ["computes_timeout=True"] if "timeout" in tag.options else []
        arguments += ["depends=True"] if self._reach.depends(node.body) else []
        self._sites.append(f"{self._site_class}({', '.join(arguments)})")
        return f"fragment_{len(self._sites)}"

    def _elsewhere(self, caller: nodes.Name | None, blocks: tuple[str, ...], frame: Frame) -> None:
        """Write one more key variable: the source of what the body prints from elsewhere."""
        both = caller is not None and bool(blocks)
        self.write(f"{self._imported('joined')}(" if both else "")
        if caller is not None:
            self.write(f"{self._imported('caller_source')}(")
            self.visit(caller, frame)
            self.write(")")
        self.write(", " if both else "")
        if blocks:
            self.write(f"{self._imported('blocks_source')}(context, {blocks!r})")
        self.write(")" if both else "")

    def _body(self, node: nodes.With, answer: str, frame: Frame) -> None:
        """Write the body as the scope that it is, into a buffer, for the case of a miss."""
        body_frame = frame.inner()
        body_frame.symbols.analyze_node(node)
        body_frame.require_output_check = False
        body_frame.buffer = self.temporary_identifier()
        if self.environment.is_async:
            self.writeline(f"if {answer}.__class__ is not str:")
            self.indent()
            self.writeline(f"{answer} = await {answer}")
            self.outdent()
        self.writeline(f"if {answer}.__class__ is not str:")
        self.indent()
        self.writeline(f"{self.choose_async()}with {answer} as {body_frame.buffer}:")
        self.indent()
        self.enter_frame(body_frame)
        self.blockvisit(node.body, body_frame)
        self.leave_frame(body_frame)
        self.outdent()
        self.writeline(f"{answer} = {answer}.text")
        self.outdent()

    def _awaited(self, expression: nodes.Expr, frame: Frame) -> None:
        self.write(self.choose_async("(await auto_await("))
        self.visit(expression, frame)
        self.write(self.choose_async("))"))

    def _imported(self, function: str) -> str:
        self._imports.add(function)
        return function


def _fragments(node: nodes.Node) -> Iterator[nodes.With]:
    return (found for found in node.find_all(nodes.With) if tag_of(found) is not None)
