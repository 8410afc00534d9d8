"""The order of the house: imports point down from room to room, and tests mirror the rooms."""

import ast
import re
from pathlib import Path

import numbamm

PACKAGE = Path(numbamm.__file__).parent

#: The rooms from the ground up, as docs/about/architecture.md shows them: each may import from
#: those before it.
ROOMS = [
    {
        "errors",
        "elsewhere",
        "completion",
        "config",
        "files",
        "memory",
        "options",
        "processors",
        "progress",
        "shortrepr",
    },
    {"blocks", "structures"},
    {"relations"},
    {"design"},
    {"glm"},
    {"formula"},
    {"sources"},
    {"report"},
    {"optimize"},
    {"models"},
    {"inference"},
    {"datasets", "datafiles", "compilation", "sklearn"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}


def files() -> dict[str, Path]:
    """Modules of the package by name, without ``numbamm.``; ``__init__`` by its folder's."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts:
            found[".".join(parts)] = path
    return found


FILES = files()


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports, at its top or when a function is called.

    What only type checkers read is no import.
    """
    found = set()
    for node in _nodes(ast.parse(FILES[module].read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        else:
            continue
        known = [name.removeprefix("numbamm.") for name in names if name.startswith("numbamm.")]
        # Of `from numbamm.room import file` the room itself is no more than the way to the file.
        inner = [name for name in known[:-1] if name in FILES]
        found.update(inner or [name for name in known if name in FILES])
    return found - {module}


def _nodes(tree):
    """The statements of a syntax tree, without blocks ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr):
            continue  # which hold no statements
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _nodes(node)


IMPORTS = {module: imported(module) for module in FILES}


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_file_has_a_room():
    assert {room(module) for module in FILES} <= set(FLOOR)


def test_the_page_on_architecture_shows_every_room():
    page = (PACKAGE.parent / "docs/about/architecture.md").read_text(encoding="utf8")
    missing = {name for name in FLOOR if not re.search(rf"`(numbamm/)?{name}(\.py|/)`", page)}
    assert not missing


def test_imports_point_down():
    up = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if room(module) != room(other) and FLOOR[room(module)] < FLOOR[room(other)]
    ]
    assert not up, "\n".join(up)


def test_models_do_not_ask_which_inference_there_is():
    # The façade declares the methods of models in a stub, which is no import.
    assert not [
        m
        for m, others in IMPORTS.items()
        for o in others
        if (room(m), room(o)) == ("models", "inference")
    ]


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Sets of files that reach each other by imports: strongly connected components (Tarjan)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in imports[module]:
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            first = stack.index(module)
            if len(stack) - first > 1:
                found.append(set(stack[first:]))
            del stack[first:]

    for module in imports:
        if module not in order:
            visit(module)
    return found


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]


def test_no_files_import_each_other_in_a_circle():
    assert not circles(IMPORTS)


#: Folders with a file for each entry of a registry: a further entry must find room.
OF_ENTRIES = {"families", "links", "model_plots", "structures"}


def test_folders_stay_small():
    files = [path.parent for path in FILES.values() if path.name != "__init__.py"]
    small = {folder for folder in files if folder.name not in OF_ENTRIES}
    assert not {folder.name: n for folder in small if (n := files.count(folder)) > 24}


#: Names that stand in several rooms, since each is one concept of them.
SAME_CONCEPT = {
    "gradient": "the exact gradient of the objective, of linear models and of generalized ones",
    "parts": "further parts of a model, besides the predictor of the mean",
    "protocol": "what an extension provides: an optimiser, a way to hold the tail",
    "registry": "what is found by its name: families and links, optimisers, structures, tails",
}


def test_a_file_name_means_one_thing():
    """So that an error, or a sentence, that names a file points at one place."""
    rooms: dict[str, list[str]] = {}
    for module in FILES:
        folder, _, name = module.rpartition(".")
        rooms.setdefault(name, []).append(folder or "numbamm")
    twice = {name: sorted(where) for name, where in rooms.items() if len(where) > 1}
    assert twice.keys() == SAME_CONCEPT.keys(), twice


#: Names by which functions of inference have a model, and what only the model's own room may know.
MODELS = {"model", "twin", "built", "fitted"}
KINDS = {"LinearMixedModel", "GeneralizedLinearMixedModel"}


def test_inference_asks_models_by_public_names():
    """And not which kind of model it has: what a place needs is a property of the model."""
    found = []
    for module, path in FILES.items():
        if room(module) not in ("inference", "report"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                owner = ast.unparse(node.value).removeprefix("self.").removeprefix("_")
                private = owner in MODELS and not node.attr.startswith("__")
            else:
                private = False
            asks = isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
            kind = asks and any(
                isinstance(n, ast.Name) and n.id in KINDS for n in ast.walk(node.args[1])
            )
            if private or kind:
                found.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert not found


# ---- tests mirror the rooms --------------------------------------------------------------------

TESTS = Path(__file__).parent
#: Files without a test of their name, and where they are tested.
TESTED_ELSEWHERE = {
    "blocks.kinds": "names of types",
    "blocks.normal": "a part of the curvature, in information",
    "blocks.residual.forms": "by dense matrices, in correlated_rows",
    "blocks.residual.stratum_products": "by the same rows, in strata",
    "blocks.residual.group_products": "by dense matrices, in correlated_rows and correlations",
    "blocks.search.communication": "parts of trust and lbfgs",
    "blocks.search.escapes": "a part of newton",
    "blocks.search.evaluation": "a part of newton",
    "blocks.known.by_precision": "by dense matrices, in models/test_known_covariances",
    "blocks.known.rotated": "by dense matrices, in models/test_known_covariances",
    "design.related_levels": "by dense matrices, in models/test_known_covariances",
    "relations.arguments": "what it refuses: models/test_known_covariances",
    "relations.given": "what it refuses: models/test_known_covariances",
    "relations.inbreeding": "by the tabular method, in pedigree",
    "relations.innovations": "a part of pedigree and phylogeny",
    "relations.sparse_factor": "a part of relation",
    "blocks.tail.protocol": "by every tail, and by led, which asks it",
    "blocks.tail.sparse_gradient": "a part of sparse_tail",
    "blocks.tail.sparse_schur": "a part of sparse_tail",
    "blocks.tail.sparse_solutions": "a part of sparse_tail",
    "blocks.tail.reduction": "by dense matrices, in schur",
    "blocks.tail.level_blocks": "by dense matrices, in schur",
    "blocks.tail.head_normals": "by dense matrices, in approximation",
    "blocks.tail.iterative_forms": "by the dense tail, in iterative_tail",
    "blocks.tail.iterative_search": "by exact searches, in iterative_tail",
    "glm.tails.led_modes": "by the dense factor, in sparse_modes and iterative_modes",
    "glm.tails.led_pirls": "by the compiled one, in sparse_modes",
    "glm.tails.row_forms": "by the dense factor, in iterative_modes",
    "glm.tails.rows_for_python": "by the dense factor, in iterative_modes",
    "glm.tails.sparse_forms": "by the dense factor, in sparse_modes",
    "models.fitting.monte_carlo": "by fits over many seeds, in approximate_fit",
    "models.fitting.linear_start": "what it chooses from: light_starts, moments, default_start",
    "models.fitstatistics": "a part of the class in mixedmodel",
    "models.generalized_objective": "a part of the class in generalized",
    "models.ordinal.clmm": "the function that builds and fits: see cumulative_model",
    "models.glmm": "the function that builds and fits: see generalized",
    "models.linear_estimates": "by dense matrices and by lme4, in linear and linear_oracles",
    "models.linear_objective": "a part of the class in linear; its gradient: spaces/linear_space",
    "models.lmm": "the function that builds and fits: see linear",
    "models.estimates": "a record",
    "optimize.problem": "a record",
    "optimize.protocol": "declarations, which the registry checks",
    "inference.comparison.fits": "a record; see views and statsmodels_fits, which make it",
    "inference.fixed.estimable": "by its definition, in test_hypotheses",
    "inference.fixed.marginaleffects_model": "by the package that calls it: test_marginaleffects",
    "blocks.search.response_rows": "a part of response_fits; by missing values, in lmm_many",
    "inference.many.fitter": "what lmm_many and lmm_groups fit with, and tested by them",
    "inference.marginal.averages": "the tables of slopes, comparisons and integrated",
    "inference.marginal.counterfactual": "the rows of slopes and comparisons",
    "inference.marginal.all_parameters": "the standard errors of integrated, and score_sandwich",
    "inference.marginal.population": "the means of integrated",
    "inference.diagnostics.residual_tests": "the tests of simulated_residuals",
    "sklearn.base": "test_sklearn",
    "sklearn.classifier": "test_sklearn",
    "sklearn.regressor": "test_sklearn",
    "inference.many.lines": "a record, with the lines of lmm_groups put into it",
    "inference.many.shared_design": "by response_fits, second_derivatives and lmm_many",
    "inference.profiling.surface": "by its two kinds, linear_surface and generalized_surface",
    "models.spaces.generalized_space": "test_space runs over the spaces of all kinds of models",
    "models.streams.streamed_cells": "by the models that it is a part of, in cell_table",
    "models.streams.streamed_modes": "the modes of fit_by_passes, which is compared with memory",
    "sources.working_pass": "a pass of fit_by_passes",
    "sources.crossing": "the last pass of streamed_linear, which is compared with rows in memory",
    "sources.reading": "by every source: see opening, streamed_linear",
    "sources.source": "a base, and declarations",
    "sources.streamed_frame": "by models of it: see streamed_linear, cell_table",
    "sources.survey": "a pass of streamed_linear; its parts: cover, found_levels, statistics",
    "structures.diag": "test_structure runs over all structures",
    "structures.us": "test_structure runs over all structures",
}
#: Folders of records, over all of which one test runs: a new file is tested by being there.
RECORDS = {
    "glm.families": "test_family",
    "glm.links": "test_link",
    "structures": "test_structure",
}


def mirrored(module: str) -> Path:
    *folders, name = module.split(".")
    return TESTS.joinpath(*folders, f"test_{name.strip('_')}.py")


def test_every_file_has_a_test_of_its_name():
    modules = {m for m, path in FILES.items() if path.name != "__init__.py"}
    recorded = {m for m in modules if m.rpartition(".")[0] in RECORDS}
    own = {m for m in modules if mirrored(m).exists()}
    missing = modules - own - recorded - set(TESTED_ELSEWHERE)
    assert not missing, "no test of their name have " + ", ".join(sorted(missing))
    assert set(TESTED_ELSEWHERE) <= modules - own, "these have one, or are no more"


def test_every_folder_of_tests_is_a_room():
    """Beside `fuzz`, which tests the whole, and `optimizers`, the other package's."""
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    rooms = {path.parent.relative_to(PACKAGE).as_posix() for path in FILES.values()}
    assert folders <= rooms | {".", "fuzz", "optimizers"}
