"""Let no template run that was compiled by another tag, version or environment than this one.

A bytecode cache knows a template by its name and its source, so it would hand out code that was
compiled with another extension for the same ``{% cache %}``, or for synchronous rendering. Every
compiled module therefore carries a stamp. The environment's bytecode cache is wrapped so that
code of each stamp lies under a key of its own; code that comes by another way (a bytecode cache
that was assigned later) is looked at when it is loaded, and compiled anew where it is foreign.
"""

import dis
from collections.abc import Callable, MutableMapping
from itertools import pairwise
from types import CodeType

from jinja2 import BytecodeCache, ChoiceLoader, Environment, PrefixLoader, Template
from jinja2.bccache import Bucket

from jinjacache.errors import ConfigurationError
from jinjacache.fingerprint import fingerprint

COMPILED_FORM = 1
"""Counts the forms of compiled code; raised when `runtime` no longer serves the older ones."""

STAMP = "jinjacache_stamp"


def stamp(environment: Environment) -> str:
    """Return what compiled modules of ``environment`` carry."""
    mode = "async" if environment.is_async else "sync"
    return f"{COMPILED_FORM}-{mode}-{fingerprint(environment).hex()}"


class StampedBytecodeCache(BytecodeCache):
    """Keep the code of each stamp apart in the bytecode cache of the application."""

    def __init__(self, inner: BytecodeCache) -> None:
        self.inner = inner

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        """Return the bucket for code that was compiled under the environment's present stamp."""
        marked = f"{stamp(environment)}/{name}"
        return self.inner.get_bucket(environment, marked, filename, source)

    def set_bucket(self, bucket: Bucket) -> None:
        """Keep the bucket's code."""
        self.inner.set_bucket(bucket)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the bucket's code from the application's bytecode cache."""
        self.inner.load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the bucket's code to the application's bytecode cache."""
        self.inner.dump_bytecode(bucket)

    def clear(self) -> None:
        """Clear the application's bytecode cache."""
        self.inner.clear()


def wrap_bytecode_cache(environment: Environment) -> None:
    """Put the stamp in front of the environment's bytecode cache, if it has one."""
    inner = environment.bytecode_cache
    if inner is not None and not isinstance(inner, StampedBytecodeCache):
        environment.bytecode_cache = StampedBytecodeCache(inner)


class StampedTemplate(Template):
    """Look at the stamp of every template that is loaded."""

    @classmethod
    def from_code(
        cls,
        environment: Environment,
        code: CodeType,
        globals: MutableMapping[str, object],  # noqa: A002 - Jinja's name
        uptodate: Callable[[], bool] | None = None,
    ) -> Template:
        """Make a template from code; from its source instead, where the code is foreign."""
        wrap_bytecode_cache(environment)
        # Code without a name was made from a string just now: no bytecode cache keeps that.
        if stamp(environment) not in code.co_consts and (name := _name_in(code)) is not None:
            code = _compiled_anew(environment, code, name)
        return super().from_code(environment, code, globals, uptodate)

    @classmethod
    def from_module_dict(
        cls,
        environment: Environment,
        module_dict: MutableMapping[str, object],
        globals: MutableMapping[str, object],  # noqa: A002 - Jinja's name
    ) -> Template:
        """Make a template from a compiled module.

        Raises:
            ConfigurationError: it was compiled by another version of jinjacache or without it, or
                for synchronous rendering where the environment is asynchronous, or the reverse.
        """
        if str(module_dict.get(STAMP)).split("-")[:2] != stamp(environment).split("-")[:2]:
            raise ConfigurationError(
                f"template {module_dict['name']!r} was compiled by another version of jinjacache, "
                "without it, or for another enable_async; run compile_templates() of this "
                "environment again"
            )
        return super().from_module_dict(environment, module_dict, globals)


def _compiled_anew(environment: Environment, code: CodeType, name: str) -> CodeType:
    try:
        source, filename = _source(environment, code, name)
    except LookupError as error:
        raise ConfigurationError(
            f"the bytecode cache holds code for template {name!r} that was compiled without this "
            f"cache tag, and its source is not at hand ({error}); give the bytecode cache to the "
            "Environment when it is made, or clear it"
        ) from error
    return environment.compile(source, name, filename)


def _source(environment: Environment, code: CodeType, name: str) -> tuple[str, str | None]:
    loader = environment.loader
    if loader is None or not loader.has_source_access:
        raise LookupError("there is no loader that has it")
    source, filename, _ = loader.get_source(environment, name)
    # A PrefixLoader's inner loader compiles under its own, shorter name, maybe that of another.
    renamed = filename is None and isinstance(loader, PrefixLoader | ChoiceLoader)
    if renamed or (filename or "<template>") != code.co_filename:
        raise LookupError(f"the source under this name may be another one, of {filename!r}")
    return source, filename


def _name_in(code: CodeType) -> str | None:
    """Read the template's name from compiled code without running it; None where it has none."""
    steps = pairwise(dis.get_instructions(code))
    names = [load.argval for load, store in steps if _stores_name(store)]
    return names[0] if names and isinstance(names[0], str) else None


def _stores_name(step: dis.Instruction) -> bool:
    return step.opname == "STORE_NAME" and step.argval == "name"
