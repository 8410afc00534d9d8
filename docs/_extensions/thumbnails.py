"""The directive ``thumbnails``: a card with title and last figure for each page of the gallery."""

from __future__ import annotations

from html import escape
from pathlib import PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective


class Cards(nodes.General, nodes.Element):
    """Where the cards will stand: the pages' figures are known when all pages are read."""


class Thumbnails(SphinxDirective):
    """Cards for the pages of the toctrees of this page."""

    def run(self):
        return [Cards()]


def _last_figure(environment, page: str) -> str:
    """Address of a page's last figure, from a page in the same folder."""
    figures = [
        node["candidates"]["*"] if "*" in node.get("candidates", {}) else node["uri"]
        for node in environment.get_doctree(page).findall(nodes.image)
    ]
    if not figures:
        return ""
    return f"../_images/{environment.images[figures[-1]][1]}"


def _card(environment, page: str) -> str:
    title = escape(environment.titles[page].astext())
    figure = _last_figure(environment, page)
    picture = f'<img src="{escape(figure)}" alt="" loading="lazy">' if figure else ""
    address = f"{PurePosixPath(page).name}.html"
    return f'<a href="{address}">{picture}<span>{title}</span></a>'


def fill(app, doctree, docname) -> None:
    for place in doctree.findall(Cards):
        pages = [
            page
            for tree in app.env.get_doctree(docname).findall(addnodes.toctree)
            for page in tree["includefiles"]
        ]
        cards = "".join(_card(app.env, page) for page in pages)
        place.replace_self(nodes.raw("", f'<div class="gallery">{cards}</div>', format="html"))


def setup(app):
    app.add_node(Cards)
    app.add_directive("thumbnails", Thumbnails)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
