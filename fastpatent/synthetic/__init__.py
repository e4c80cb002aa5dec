"""The built-in sample data set: invented objects, drawn in the style of design patents, in the layout of DeepPatent.

`generate.generate_sample` draws it; `generate.ensure_sample` draws it on first use. The steps for one design: `designs`
composes solids from `curves` and `solids`, `scene` packs them into arrays, `camera` and `raster` render a view, `lines` and
`hatching` find the strokes, `drawing` draws a sheet, `deeppatent_lists` gives file names and lists.
"""
