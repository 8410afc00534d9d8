"""`Inferences`: the methods of a fitted model that are functions of `numbamm.inference`.

The stub beside this file declares them, for type checkers and for this module alike. A function
is imported when its method is first looked up, and takes the method's place in the class: from
then on there is nothing between a call and the function.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path


class FunctionToImport:
    """A method that is a function of another module, which is not imported yet.

    Parameters
    ----------
    path : str
        Module and name of the function, ``numbamm.inference.prediction.predict.predict``.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __set_name__(self, owner, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, model, owner=None):
        module, _, name = self.path.rpartition(".")
        function = getattr(import_module(module), name)
        setattr(self.owner, self.name, function)
        return function.__get__(model, owner)


def declared_methods() -> dict[str, str]:
    """Names of the methods and paths of their functions, from the class in the stub."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf8"))
    [body] = [statement.body for statement in stub.body if isinstance(statement, ast.ClassDef)]
    return {line.targets[0].id: ast.unparse(line.value) for line in body}


Inferences = type(
    "Inferences",
    (),
    {
        "__module__": __name__,
        "__doc__": "Methods of models that are the functions of the same name.",
        **{name: FunctionToImport(path) for name, path in declared_methods().items()},
    },
)
