"""Models with residual structures that other programs have fitted, in numbamm's notation."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
from structures.structure_oracles import REFERENCE, data

import numbamm as mm

ENTRIES = {e["id"]: e for e in json.loads((REFERENCE / "residuals.json").read_text("utf-8"))}

#: Entries with a residual side, and how numbamm writes it: further terms, and arguments.
MODELS = {
    "ortho_ident_reml": ("(1 | Subject)", {"dispersion": "~ Sex"}),
    "ortho_comb_ml": ("(1 | Subject)", {"dispersion": ["~ Sex", "exp(age)"]}),
    "bodyweight_power_reml": ("(1 + Time | Rat)", {"dispersion": "power(Time)"}),
    "dialyzer_power_reml": ("(1 + pressure | Subject)", {"dispersion": "power(pressure)"}),
    "constpower_ml": ("(1 | g)", {"dispersion": "constpower(v)"}),
    "sleep_fixed_reml": ("(1 + Days | Subject)", {"dispersion": "fixed(v)"}),
    "sleep_disp_ml": ("(1 | Subject)", {"dispersion": "~ Days"}),
    "ovary_ar1_reml": ("diag(1 + sin(2 * pi * Time) | Mare)", {"residual": "ar1(obs | Mare)"}),
    "ovary_arma_gls_reml": ("", {"residual": "arma(obs | Mare)"}),
    "ovary_ar2_ml": ("(1 | Mare)", {"residual": "ar2(obs | Mare)"}),
    "bodyweight_car1_ml": ("(1 + Time | Rat)", {"residual": "ou(Time | Rat)"}),
    "ortho_gls_cs_ml": ("", {"residual": "homcs(1 | Subject)"}),
    "ortho_gls_symm_reml": ("", {"residual": "homus(age | Subject)"}),
    "spatial_gls_exp_ml": ("", {"residual": "exp(east, north | 1)"}),
    "spatial_gls_gaus_reml": ("", {"residual": "gau(east, north | 1, nugget=True)"}),
    "pixel_nested_ident_reml": ("(1 + day | Dog) + (1 | Dog:Side)", {"dispersion": "~ Side"}),
    "penicillin_ident_reml": ("(1 | plate) + (1 | sample)", {"dispersion": "~ sample"}),
    "disp_cross_ml": ("(1 + cond | subj) + (1 | item)", {"dispersion": "~ cond + load"}),
    "crossar_ml": ("(1 | subj) + (1 | item)", {"residual": "ar1(time | subj)"}),
    "trial_us_reml": ("", {"residual": "us(visit | id)"}),
    "trial_us_ml": ("", {"residual": "us(visit | id)"}),
    "trial_toeph_reml": ("", {"residual": "toep(visit | id)"}),
    "trial_ar1h_reml": ("", {"residual": "hetar1(visit | id)"}),
    "trial_csh_ml": ("", {"residual": "cs(visit | id)"}),
    "trial_adh_reml": ("", {"residual": "adh(visit | id)"}),
    "trial_us_arm_reml": ("", {"residual": "us(visit | id, by=arm)"}),
    # of random effects with nothing beside them, one row a level and column
    "ortho_toep0_reml": ("", {"residual": "toep(age | Subject)"}),
    "ortho_homtoep0_ml": ("", {"residual": "homtoep(age | Subject)"}),
}


def prepared(entry):
    """The entry's data, with the columns that its R code adds."""
    d, prep = data(entry["dataset"]), entry.get("prep", "")
    if "obs <-" in prep:
        d = d.assign(obs=d.groupby("Mare", observed=True).cumcount() + 1)
    if "v <-" in prep:
        d = d.assign(v=1 + d.Days / 3)
    if "duplicated(site)" in prep:
        d = d[~d.site.duplicated()]
    return d


def arguments(name):
    """Formula, data, and options."""
    entry = ENTRIES[name]
    terms, options = MODELS[name]
    formula = entry["fixed"].replace("^", "**") + (f" + {terms}" if terms else "")
    return formula, prepared(entry), options | {"reml": entry["method"] == "REML"}


@cache
def fitted(name):
    formula, d, options = arguments(name)
    pi = np.pi  # noqa: F841  a formula's
    return mm.lmm(formula, d, **options)
