"""The fingerprint of an environment: every setting that changes what its templates print.

Two environments share entries only if their fingerprints are equal.
"""

from collections.abc import Mapping
from hashlib import blake2b

from jinja2 import Environment
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from jinjacache.encoding import encode
from jinjacache.looks import looks

_SETTINGS = (
    "autoescape",
    "block_end_string",
    "block_start_string",
    "code_generator_class",
    "comment_end_string",
    "comment_start_string",
    "context_class",
    "finalize",
    "keep_trailing_newline",
    "line_comment_prefix",
    "line_statement_prefix",
    "lstrip_blocks",
    "newline_sequence",
    "newstyle_gettext",
    "sandboxed",
    "template_class",
    "trim_blocks",
    "undefined",
    "variable_end_string",
    "variable_start_string",
)
_TRANSLATIONS = ("gettext", "ngettext", "pgettext", "npgettext")
_SIZE = 20


def fingerprint(environment: Environment) -> bytes:
    """Return 20 bytes that differ wherever two environments may print different text."""
    settings: dict[str, object] = {"class": type(environment)}
    settings |= {name: getattr(environment, name, None) for name in _SETTINGS}
    settings |= _changed("filter", environment.filters, FILTERS)
    settings |= _changed("test", environment.tests, TESTS)
    settings |= _changed("policy", environment.policies, {})
    for name, extension in environment.extensions.items():
        settings[f"extension {name}"] = type(extension)
    for name in _TRANSLATIONS:
        if name in environment.globals:
            settings[f"translation {name}"] = environment.globals[name]
    digest = blake2b(digest_size=_SIZE)
    for name in sorted(settings):
        digest.update(encode(name) + looks(settings[name], name))
    return digest.digest()


def _changed(
    kind: str, values: Mapping[str, object], defaults: Mapping[str, object]
) -> dict[str, object]:
    """Return the ``values`` that are not Jinja's own, and which of its own are gone."""
    changed = {f"{kind} {name}": value for name, value in values.items()}
    own = {f"{kind} {name}": value for name, value in defaults.items()}
    gone = {f"no {name}": True for name in own if name not in changed}
    return gone | {name: new for name, new in changed.items() if new is not own.get(name)}


def loader_identity(environment: Environment) -> bytes:
    """Return 20 bytes that differ wherever two environments may load different templates."""
    return looks(environment.loader, "loader")
