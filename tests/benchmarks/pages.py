"""The pages that every contender renders, out of cards of 1 KB with eleven expressions each.

The sources are written in what Jinja and Django have in common; ``[[name: variables]]`` and
``[[end]]`` stand where a contender puts its own tag. A page is a loop over rows, so that what one
fragment costs is not lost in what a page costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

Row = tuple[str, str]
"""A user, who is the key of the fragment, and the ready HTML of that fragment."""

PARTS = ("intro", "facts", "price", "votes", "links")


@dataclass(frozen=True, slots=True)
class Item:
    """Hold what one card shows; the texts need escaping, and get the same in all engines."""

    slug: str
    name: str
    brand: str
    price: str
    stock: int
    stars: int
    votes: int
    summary: str


def make_items(count: int) -> tuple[Item, ...]:
    """Make the items of a fragment: one is about 1 KB of HTML, eight are 8 KB."""
    return tuple(
        Item(
            slug=f"mill-{number:02}",
            name=f"Mill & Press {number:02}",
            brand="Bean & Leaf",
            price="129.90",
            stock=10 + number,
            stars=4,
            votes=230 + number,
            summary="Solid & quiet, fits cups < 9 cm; rinse, fill and press.",
        )
        for number in range(count)
    )


_CARD = """\
<article class="card" id="{{ item.slug }}" data-user="{{ user }}">
  <header>
    <h2 class="title"><a href="/products/{{ item.slug }}">{{ item.name }}</a></h2>
    <p class="brand">by {{ item.brand }}</p>
  </header>
  <img src="/static/{{ item.slug }}.webp" width="320" height="240" alt="">
  <p class="summary">{{ item.summary }}</p>
  <dl class="facts">
    <dt>Price</dt><dd class="price">{{ item.price }} €</dd>
    <dt>In stock</dt><dd class="stock">{{ item.stock }} pieces</dd>
    <dt>Rating</dt><dd class="rating">{{ item.stars }} of 5 from {{ item.votes }} votes</dd>
  </dl>
  <form class="order" method="post" action="/basket/add">
    <label>Pieces <input type="number" name="quantity" min="1" max="99" value="1"></label>
    <button class="button primary" type="submit">Add to basket</button>
    <button class="button" type="submit" name="list" value="wishes">Keep for later</button>
  </form>
  <footer class="note">
    <p>Ships within three working days, free of charge from 50 €. Return it within thirty days.</p>
  </footer>
</article>
"""
CARDS = f"{{% for item in items %}}{_CARD}{{% endfor %}}"
_PARTS = (
    "<main>{% for part in parts %}"
    f'[[inner: user part]]<section id="{{{{ part }}}}">{CARDS}</section>[[end]]'
    "{% endfor %}</main>"
)


class Shape(Enum):
    """Name the pages; the value is the body of the loop over the rows."""

    FLAT = f"[[card: user]]{CARDS}[[end]]"
    NESTED = f"[[outer: user]]{_PARTS}[[end]]"
    VERSIONED = f"[[outer: user version]]{_PARTS}[[end]]"


def loop(body: str) -> str:
    """Put the loop over the rows around a body: the same loop for every contender."""
    return f"{{% for user, html in rows %}}{body}{{% endfor %}}"


def make_context(
    rows: Sequence[Row], items: Sequence[Item], *, version: str = "first"
) -> dict[str, object]:
    """Make what a page is rendered with; another version is another key of an outer fragment."""
    return {"rows": rows, "items": items, "parts": PARTS, "version": version}
