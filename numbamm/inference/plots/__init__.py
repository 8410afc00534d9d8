"""The methods of `model.plot`: a file each, with the function of that name.

A function takes a fitted model, computes what is to be seen, and hands it to a picture of
`numbamm.report.plots`. A new file here is a new method; nothing lists them but the stub for type
checkers, `models/plots.pyi`.
"""
