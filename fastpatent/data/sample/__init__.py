"""The embedded sample: invented objects, drawn as design patents are, in the layout of DeepPatent.

`generate_sample` draws it; `ensure_sample` draws it on first use. One design goes through the files in this order: `designs`
composes solids from `curves` and `solids`, `scene` lays them out, `camera` and `raster` view them, `lines` and `hatching`
find the strokes, `drawing` inks a sheet, `layout` names and lists it.
"""

from .generate import ensure_sample, generate_sample

__all__ = ["ensure_sample", "generate_sample"]
