"""The documentation's site: `make docs` builds it with Sphinx, MyST (Markdown) and the theme Furo."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "typings")]

project = "vae-edge"
author = project
version = release = version_of("vae-edge")
html_title = f"vae-edge {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings", "generated"]
exclude_patterns = ["_ext"]
suppress_warnings = ["myst.header"]  # tables that are included begin at a deeper level

# Markdown
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The API reference. TensorFlow is not imported to document the functions that use it.
autodoc_mock_imports = ["tensorflow", "tensorflow_probability", "tf_keras", "keras", "tf2onnx", "onnx", "matplotlib"]
autodoc_mock_imports += ["ray"]
autodoc_mock_imports += ["vae_edge.train.networks"]  # asks Keras what it runs on
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike", "Float32": "Float32", "Float64": "Float64"}
autodoc_class_signature = "mixed"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False

# The page
smartquotes = False  # -- begins an option
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "native"

# `make linkcheck`
linkcheck_timeout = 20
linkcheck_retries = 2
