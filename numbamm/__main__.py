"""The command line: ``python -m numbamm fit "Reaction ~ Days + (Days | Subject)" sleepstudy``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from inspect import Parameter, signature
from pathlib import Path

import numpy as np

import numbamm as mm
from numbamm import compilation
from numbamm.datafiles import read
from numbamm.errors import NumbammError, OptionError
from numbamm.inference.fixed.ddf import valid_name
from numbamm.models.plot_methods import NAMES, Plots
from numbamm.options import one_of
from numbamm.report.result import Summary

#: Kinds of parameters that a call must give, if they have no defaults.
NEEDED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
#: Exit status of a program whose output nobody reads any more, and after Ctrl-C: those of shells.
CLOSED_PIPE, INTERRUPTED = 141, 130


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 1 after one of numbamm's errors, which is printed."""
    if hasattr(sys.stdout, "reconfigure"):  # for characters that the terminal lacks
        sys.stdout.reconfigure(errors="replace")
    try:
        arguments = _parser().parse_args(argv)
        arguments.run(arguments)
        sys.stdout.flush()
    except NumbammError as error:
        print(f"numbamm: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as of `| head`
        # Python flushes once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except KeyboardInterrupt:
        print("numbamm: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="numbamm", description="Mixed-effects models.")
    parser.add_argument("--version", action="version", version=f"numbamm {mm.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="fit a mixed model and print its table")
    fit.add_argument("formula", help='for example "Reaction ~ 1 + Days + (1 + Days | Subject)"')
    fit.add_argument(
        "data",
        help="a shipped data set; the path of a CSV, Parquet or Excel file; - for standard input",
    )
    fit.add_argument("--sheet", metavar="NAME", help="sheet of an Excel file; the first if absent")
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
    fit.add_argument(
        "--ddf", metavar="NAME", help="satterthwaite or kenward-roger; Wald's z tests if absent"
    )
    fit.add_argument("--verbose", action="store_true", help="print each evaluation")
    fit.add_argument("--json", action="store_true", help="print the results as JSON")
    fit.add_argument(
        "--output",
        metavar="FILE",
        action="append",
        default=[],
        help=f"write the table to a file: {', '.join(FORMS)}; may be given several times",
    )
    fit.add_argument(
        "--plot",
        metavar="[NAME=]FILE",
        action="append",
        default=[],
        help="draw a plot to a file, such as residuals.png or ranef=effects.pdf, whose NAME is a "
        "method of model.plot; may be given several times",
    )
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
    ddf = None if arguments.ddf is None else valid_name(arguments.ddf)
    forms = [(Path(name), _form(name)) for name in arguments.output]
    plots = [_plot(text) for text in arguments.plot]
    with redirect_stdout(sys.stderr if arguments.json else sys.stdout):
        model = _model(arguments)
    summary = model.summary(ddf=ddf)
    for path, form in forms:
        form(summary, path)
    for name, path in plots:
        _draw(model, name, path)
    print(json.dumps(_results(model, ddf), indent=1) if arguments.json else summary)


def _text_of(make: Callable[[Summary], str]) -> Callable[[Summary, Path], None]:
    """The function that writes what another makes of a table."""

    def write(summary, path: Path) -> None:
        try:
            path.write_text(make(summary).rstrip("\n") + "\n", encoding="utf8")
        except OSError as error:
            raise OptionError(f"--output {path} cannot be written: {error}") from error

    return write


def _plot(text: str) -> tuple[str, Path]:
    """The name and the file of a plot; it will be drawn without a window."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError('--plot needs matplotlib: pip install "numbamm[plot]"') from error
    name, given, file = text.partition("=")
    if not given:
        name, file = "residuals", text
    name, path = one_of("--plot: the plot", name, NAMES), Path(file)
    parameters = [*signature(getattr(Plots, name)).parameters.values()][1:]
    if needed := [p.name for p in parameters if p.default is p.empty and p.kind in NEEDED]:
        raise OptionError(f"--plot {name} needs {', '.join(needed)}: draw it from Python")
    formats = Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        raise OptionError(f"--plot {text}: the file must end in one of .{', .'.join(formats)}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"--plot {text}: there is no folder {path.parent}")
    matplotlib.use("agg")
    return name, path


def _draw(model, name: str, path: Path) -> None:
    """Draw one plot of a model to a file."""
    import matplotlib.pyplot as plt

    getattr(model.plot, name)()
    try:
        plt.gcf().savefig(path, dpi=150, bbox_inches="tight")
    except OSError as error:
        raise OptionError(f"--plot {path} cannot be written: {error}") from error
    plt.close("all")


#: A page that holds a table, for browsers.
PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>numbamm</title></head>\n'
)
PAGE += "<body>\n{}\n</body></html>"

#: How tables are written, by the suffixes of files.
FORMS: dict[str, Callable[[Summary, Path], None]] = {
    ".txt": _text_of(str),
    ".md": _text_of(lambda summary: summary.to_markdown()),
    ".tex": _text_of(lambda summary: summary.to_latex()),
    ".html": _text_of(lambda summary: PAGE.format(summary.to_html())),
    ".csv": _text_of(lambda summary: summary.to_frame().to_csv(index=False)),
    ".docx": lambda summary, path: summary.to_word(path),
}


def _form(name: str) -> Callable[[Summary, Path], None]:
    """The function that writes a table to a file of this name."""
    path = Path(name)
    if path.suffix.lower() not in FORMS:
        raise OptionError(f"--output {name}: the file must end in one of {', '.join(FORMS)}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"--output {name}: there is no folder {path.parent}")
    return FORMS[path.suffix.lower()]


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
        data = read(arguments.data, arguments.sheet)
        return mm.lmm(arguments.formula, data, reml=arguments.reml, **options)
    if arguments.reml:
        raise OptionError("--reml is for linear models, without --family")
    return mm.glmm(
        arguments.formula,
        read(arguments.data, arguments.sheet),
        arguments.family,
        arguments.link,
        fast=arguments.fast,
        nagq=arguments.nagq,
        **options,
    )


def _results(model, ddf: str | None) -> dict:
    """A fitted model's results for JSON: numbers and text, with None for missing numbers."""
    table = model.coef_table(ddf=ddf).frame
    finite = bool(np.isfinite(table["df"]).any())
    coefficients = {
        name: {
            "estimate": _number(row.estimate),
            "se": _number(row.se),
            **({"df": _number(row.df), "t": _number(row.statistic)} if finite else {}),
            **({} if finite else {"z": _number(row.statistic)}),
            "p": _number(row.pvalue),
        }
        for name, row in zip(table.index, table.itertuples(), strict=True)
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
