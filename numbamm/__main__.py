"""The command line: ``python -m numbamm fit "Reaction ~ Days + (Days | Subject)" sleepstudy``."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numbamm as mm
from numbamm import compilation
from numbamm.errors import DataError, NumbammError, OptionError

_SUFFIXES = {".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq"}


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 1 after one of numbamm's errors, which is printed."""
    if hasattr(sys.stdout, "reconfigure"):  # for characters that the terminal lacks
        sys.stdout.reconfigure(errors="replace")
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except NumbammError as error:
        print(f"numbamm: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="numbamm", description="Mixed-effects models.")
    parser.add_argument("--version", action="version", version=f"numbamm {mm.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="fit a mixed model and print its table")
    fit.add_argument("formula", help='for example "Reaction ~ 1 + Days + (1 + Days | Subject)"')
    fit.add_argument("data", help="a shipped data set, or the path of a CSV or Parquet file")
    fit.add_argument("--family", metavar="NAME", help="for example bernoulli, poisson or gamma")
    fit.add_argument(
        "--link", metavar="NAME", help="for example probit; the family's default if absent"
    )
    fit.add_argument("--fast", action="store_true", help="with --family: optimise over θ alone")
    fit.add_argument("--nagq", type=int, default=1, help="with --family: quadrature nodes")
    fit.add_argument("--reml", action="store_true", help="minimise the REML criterion")
    fit.add_argument("--weights", metavar="COLUMN", help="column of case weights")
    fit.add_argument("--offset", metavar="COLUMN", help="column added to the linear predictor")
    fit.add_argument("--optimizer", metavar="NAME", help='for example "nlopt:LN_NELDERMEAD"')
    fit.add_argument("--verbose", action="store_true", help="print each evaluation")
    fit.add_argument("--json", action="store_true", help="print the results as JSON")
    fit.set_defaults(run=_fit)

    datasets = commands.add_parser("datasets", help="list the shipped data sets")
    datasets.set_defaults(run=lambda arguments: print(mm.datasets.list().to_string()))

    compile_ = commands.add_parser(
        "compile", help="compile every kernel now (40 s on two cores), as when an image is built"
    )
    compile_.add_argument("--clear", action="store_true", help="remove the cached kernels first")
    compile_.set_defaults(run=_compile)

    clear = commands.add_parser("clear", help="remove the cached kernels, as after editing one")
    clear.set_defaults(run=lambda arguments: _clear())

    config = commands.add_parser("config", help="show every option, its value and its origin")
    config.set_defaults(run=lambda arguments: mm.config.show())
    return parser


def _compile(arguments) -> None:
    if arguments.clear:
        _clear()
    compilation.compile_all()


def _clear() -> None:
    for folder in compilation.clear():
        print(f"cleared {folder}")


def _fit(arguments) -> None:
    # Standard output must hold nothing but JSON: what --verbose prints goes to the error stream.
    with redirect_stdout(sys.stderr if arguments.json else sys.stdout):
        model = _model(arguments)
    print(json.dumps(_results(model), indent=1) if arguments.json else model)


def _model(arguments):
    """The fitted model that the arguments ask for."""
    options = {
        "weights": arguments.weights,
        "offset": arguments.offset,
        "optimizer": arguments.optimizer,
        "verbose": arguments.verbose,
    }
    if arguments.family is None:
        if arguments.fast or arguments.link or arguments.nagq != 1:
            raise OptionError("--fast, --link and --nagq need --family")
        return mm.lmm(arguments.formula, _read(arguments.data), reml=arguments.reml, **options)
    if arguments.reml:
        raise OptionError("--reml is for linear models, without --family")
    return mm.glmm(
        arguments.formula,
        _read(arguments.data),
        arguments.family,
        arguments.link,
        fast=arguments.fast,
        nagq=arguments.nagq,
        **options,
    )


def _read(data: str):
    """The data of a file, or the shipped data set of that name."""
    import pandas as pd

    path = Path(data)
    kinds = [suffix.lower() for suffix in path.suffixes]
    if not path.is_file():
        if any(kind in _SUFFIXES for kind in kinds):
            raise DataError(f"there is no file {data}")
        return mm.datasets.load(data)
    try:
        if {".parquet", ".pq"} & set(kinds):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if ".tsv" in kinds else ",")
    except ImportError:
        raise DataError(
            f"{data}: reading Parquet needs pyarrow; pip install 'numbamm[parquet]'"
        ) from None
    except (
        ValueError,
        OSError,
        EOFError,
    ) as error:  # empty, malformed, or of another format than its suffix says
        raise DataError(f"{data} cannot be read: {error}") from error


def _results(model) -> dict:
    """A fitted model's results for JSON: numbers and text, with None for missing numbers."""
    coefficients = {
        name: {"estimate": _number(b), "se": _number(s), "z": _number(z), "p": _number(p)}
        for name, b, s, z, p in zip(
            model.feterm.cnames,
            model.params,
            model.bse,
            model.tvalues,
            model.pvalues,
            strict=True,
        )
    }
    terms = [
        {"group": t.group, "columns": list(t.names), "covariance": t.cov.tolist()}
        for t in model.varcorr.terms
    ]
    optsum = model.optsum
    return {
        "formula": model.formula,
        **_method(model),
        "objective": model.objective,
        "llf": model.llf,
        "aic": _number(model.aic),
        "aicc": _number(model.aicc),
        "bic": _number(model.bic),
        "nobs": model.nobs,
        "rows_dropped": model.frame.nrows - model.nobs,
        "levels": {t.group: t.nlevels for t in model.reterms},
        "coefficients": coefficients,
        "random_effects": terms,
        "sigma": model.sigma,
        "theta": dict(zip(model.theta_names, model.theta.tolist(), strict=True)),
        "singular": model.is_singular(),
        "optimizer": optsum.used,
        "evaluations": optsum.feval,
        "return_code": str(optsum.returnvalue),
    }


def _method(model) -> dict:
    """The options of the fit."""
    if not hasattr(model, "information"):
        return {"reml": model.optsum.reml}
    return {
        "family": model.family,
        "link": model.link,
        "information": model.information,
        "fast": model.is_fast,
        "nagq": model.optsum.nagq,
        "dispersion": model.dispersion,
        "shape": model.shape,
    }


def _number(value) -> float | None:
    """A number for JSON, None if it is NaN."""
    return None if value != value else float(value)


if __name__ == "__main__":
    sys.exit(main())
