"""The methods of `model.plot`: ``plot_residuals.py`` has the function `residuals`, and so on.

A function takes a fitted model, computes what is to be seen, and hands it to a picture of
`numbamm.report.plots`. A new file here is a new method; nothing lists them but the stub for type
checkers, `models/plot_methods.pyi`.
"""
