"""Settings of the documentation site: `make docs` builds it into build/site.

The pages are the Markdown files beside this file; ``reference_pages.py`` writes those of the reference.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import reference_pages  # noqa: E402 (needs the path above)

import tart_nas  # noqa: E402

project = "TART-NAS"
author = "The TART-NAS developers"
copyright = f"2026, {author}"
version = release = tart_nas.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["README.md"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = "TART-NAS"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Notebooks are stored with their outputs, which tests/docs/test_notebooks.py renews: building the site runs nothing.
nb_execution_mode = "off"

autosummary_generate = True
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 80

copybutton_prompt_text = "$ "


def setup(app):
    """Writes the pages of the reference before Sphinx looks for its sources, and resolves references to aliases."""
    reference_pages.write(DOCS / "generated")
    app.connect("missing-reference", reference_pages.resolve_alias)
    app.connect("autodoc-process-signature", reference_pages.shorten_signature)
    app.connect("autodoc-skip-member", reference_pages.skip_foreign_member)
