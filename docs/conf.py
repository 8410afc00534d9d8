"""How the site is built: ``python -m sphinx -W --keep-going -j auto docs docs/_build/html``."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sphinx.util.nodes import make_refnode

import numbamm

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# What the pages' kernels read: figures are twice as fine as they are shown.
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
os.environ["OPENBLAS_NUM_THREADS"] = "1"

project = "numbamm"
author = "numbamm developers"
copyright = f"2026, {author}"
version = release = numbamm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "thumbnails",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_extensions", "_templates"]
default_role = "py:obj"  # names in single back-quotes are links where they are names
nitpicky = True
# A name that is explained on no page of its own, such as an argument, is set as code.
nitpick_ignore_regex = [("py:.*", ".*")]

# ---- pages ----------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "inline"  # so that sentences may hold computed numbers
nb_execution_show_tb = True  # a warning, and warnings are errors
nb_execution_timeout = 300
nb_eval_name_regex = r"(?s).*"  # any expression, such as a formatted number
nb_merge_streams = True

# ---- reference ------------------------------------------------------------------------------

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "none"  # numpydoc's Parameters say them
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
add_module_names = False

# ---- look -----------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "numbamm"
html_static_path = ["_static"]
html_css_files = ["numbamm.css"]
html_show_sourcelink = False
html_sidebars = {"changelog": [], "first-steps": []}
html_theme_options = {
    "logo": {"text": "numbamm"},
    "icon_links": [
        {
            "name": "Source",
            "url": "https://github.com/numbamm/numbamm",
            "icon": "fa-brands fa-github",
        }
    ],
    "use_edit_page_button": False,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def _plain_defaults(app, what, name, obj, options, signature, annotation):
    """Defaults that are functions are none that a reader could write."""
    if signature:
        signature = re.sub(r"<function .*?>(?=, |\))|<factory>", "...", signature)
    return signature, annotation


#: Where names are looked up that docstrings of other modules give in short.
PREFIXES = ("numbamm.", "numbamm.LinearMixedModel.", "numbamm.models.plot_methods.")


def _short_name(app, environment, node, content):
    """A link to what a short name stands for, if it is in the reference."""
    known = environment.domains["py"].objects
    for prefix in PREFIXES:
        entry = known.get(prefix + node["reftarget"])
        if node.get("refdomain") == "py" and entry is not None:
            place = entry.docname, entry.node_id
            return make_refnode(app.builder, node["refdoc"], *place, content)
    return None


def _compile_kernels(app):
    """So that no page shows that it had to wait for them, and two do not compile the same."""
    subprocess.run([sys.executable, "-m", "numbamm", "compile"], check=True, capture_output=True)


def setup(app):
    app.connect("builder-inited", _compile_kernels)
    app.connect("missing-reference", _short_name)
    app.connect("autodoc-process-signature", _plain_defaults)
