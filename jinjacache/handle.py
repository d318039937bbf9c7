"""A handle on one fragment, for Python code that runs before its template, or without it."""

from collections.abc import Mapping

from jinja2 import Environment, Template
from jinja2.runtime import Context

from jinjacache.binding import Binding, Keeper
from jinjacache.freshness import Verdict, judge
from jinjacache.keys import Key
from jinjacache.recording import NO_MODES, SCOPE, Recording
from jinjacache.runtime import Site
from jinjacache.tag import SITES


class FragmentHandle:
    """One fragment of one template; its keys are exactly those that a render computes.

    ``variables`` are the tag's key variables, in their order. ``context`` is what ambient
    variables (``Cache(vary=…)``) that take the template's context read. Every method may raise
    `CacheKeyError`, as the render would.
    """

    def __init__(self, cache: Keeper, environment: Environment, template: str, name: str) -> None:
        self._cache = cache
        self._environment = environment
        self._template = template
        self._name = name
        self._bound: tuple[Site, Binding] | None = None
        self._look_up()

    def key(self, *variables: object, context: Mapping[str, object] | None = None) -> str:
        """Return the key that the fragment has in a backend."""
        key, _ = self._key(variables, context)
        return key.on_the_wire()

    def is_cached(self, *variables: object, context: Mapping[str, object] | None = None) -> bool:
        """Say whether a render would find the fragment now, so that a view can skip its queries.

        A timeout that the tag computes is not known here: the one that the entry was stored with
        counts. It may expire before the render: the template must then still get at its data.
        A failing backend says no, and so does a cache that is disabled, off, bypassed or refreshed.
        """
        key, binding = self._key(variables, context)
        scope = SCOPE.get()
        mode = self._cache.mode(NO_MODES if scope is None else scope.modes)
        if mode is not None:
            return False
        recording = Recording(key, binding.timeout, binding.journal, binding.clock)
        binding.store.fetch(recording)
        entry = recording.entry
        if entry is None:
            return False
        verdict = judge(entry.made_at, entry.timeout, binding.clock(), binding.timeout)
        return verdict is Verdict.FRESH

    def delete(self, *variables: object, context: Mapping[str, object] | None = None) -> bool:
        """Remove the fragment's entry, and say whether there was one.

        Raises:
            BackendError: the backend could not be reached; the entry may still be served.
        """
        key, binding = self._key(variables, context)
        return binding.store.delete(key)

    def _key(
        self, variables: tuple[object, ...], given: Mapping[str, object] | None
    ) -> tuple[Key, Binding]:
        template, site, binding = self._look_up()
        if len(variables) != site.variables:
            raise TypeError(
                f"{site.place} has {site.variables} key variables, {len(variables)} were given"
            )
        return site.key(binding, self._context(template, site, given), variables), binding

    def _context(
        self, template: Template, site: Site, given: Mapping[str, object] | None
    ) -> Context:
        context = template.new_context(dict(given or {}))
        context.eval_ctx.autoescape = bool(site.escaped)
        return context

    def _look_up(self) -> tuple[Template, Site, Binding]:
        """Find the site anew: the template may have been edited and loaded again."""
        template = self._environment.get_template(self._template)
        sites: tuple[Site, ...] = template.root_render_func.__globals__.get(SITES, ())
        site = self._only([site for site in sites if site.name == self._name], sites)
        if self._bound is None or self._bound[0] is not site:
            self._bound = site, self._cache.bind(site, self._environment)
        return template, site, self._bound[1]

    def _only(self, found: list[Site], sites: tuple[Site, ...]) -> Site:
        what = f"fragment {self._name!r} of {self._template!r}"
        if not found:
            known = ", ".join(repr(site.name) for site in sites if site.name) or "none with a name"
            raise LookupError(f"there is no {what}; the template has {known}")
        if len(found) > 1:
            places = " and ".join(f"line {site.lineno}" for site in found)
            raise LookupError(f"{what} stands at {places}: give each a name of its own")
        site = found[0]
        if site.installed(self._environment) is not self._cache:
            raise LookupError(f"{what} is kept by another cache (using={site.using!r})")
        if site.escaped is None or site.elsewhere:
            raise LookupError(
                f"{what} has no key outside of a render: it depends on an autoescape mode, a "
                "caller or a block that only the render knows"
            )
        return site
