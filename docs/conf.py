"""Settings of the site: `sphinx-build docs build/site`; `.ci/site` builds and checks all of it."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(DOCS / "_ext")]
os.environ.pop("MPLBACKEND", None)  # pages that compute show their figures by the backend of notebooks, and no other

import fastbp  # noqa: E402

project = "fastbp"
author = "fastbp developers"
project_copyright = "the fastbp developers"
version = release = fastbp.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # ours, in _ext
    "command_pages",
    "docstrings",
    "mathml",
    "reference_pages",
    "repository_links",
]
root_doc = "index"
exclude_patterns = ["_build", "**/.ipynb_checkpoints", "gallery/*.ipynb", "gallery/*.py", "gallery/*.json"]
nitpicky = True
nitpick_ignore_regex = [("py:obj", r"\w+")]  # numpydoc makes links of a class's attributes, shown or not
suppress_warnings = ["config.cache", "myst-nb.lexer"]  # the lexer of a page that is not executed is not known

# --------------------------------------------------------------------------------------------- pages that compute

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_cache_path = os.environ.get("FASTBP_SITE_CACHE", str(ROOT / "build" / "site-cache"))
nb_output_stderr = "error"  # a warning in a page that teaches is an error
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r".*\.rst",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 10**9,  # no times: they are of the machine that built the page
    "write_computation_times": False,
    "remove_config_comments": True,
    "capture_repr": (),  # what is to be read is printed
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "reset_modules": ("matplotlib", "gallery_style.reset"),
}

# -------------------------------------------------------------------------------------------------- the reference

autodoc_typehints = "none"  # the types are in the docstrings, in words
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 90

# ------------------------------------------------------------------------------------------------------- the look

html_title = f"fastbp {version}"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["fastbp.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "install": [], "changelog": [], "citing": []}
html_theme_options = {
    "logo": {"text": f"fastbp {version}"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
