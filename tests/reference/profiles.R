# Profile intervals of generalized models by lme4, as profiles.json has them.
#
#   Rscript profiles.R <folder of numbamm's data sets> [model ...] > profiles.json
#
# lme4 optimises with a noise that its own stopping rule makes, and shifts the limits of badly
# scaled coefficients by a percent, hence the tight tolerances and the age in decades.
suppressMessages({library(lme4); library(jsonlite)})

models <- list(
  cbpp = list("cbpp", "cbind(incidence, size - incidence) ~ period + (1 | herd)", binomial(), 1),
  cbpp_9 = list("cbpp", "cbind(incidence, size - incidence) ~ period + (1 | herd)", binomial(), 9),
  cbpp_probit = list("cbpp", "cbind(incidence, size - incidence) ~ period + (1 | herd)",
                     binomial("probit"), 1),
  salamanders = list("Salamanders", "count ~ mined + (1 | site)", poisson(), 1),
  contraception = list("Contraception", "use ~ I(age/10) + I((age/10)^2) + urban + (1 + urban | district)",
                       binomial(), 1)
)
control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10,
                        optCtrl = list(rhoend = 1e-8, maxfun = 1e5))

profiled <- function(name) {
  model <- models[[name]]
  frame <- read.csv(file.path(folder, paste0(model[[1]], ".csv")))
  for (column in intersect(c("herd", "period", "district", "site"), names(frame)))
    frame[[column]] <- factor(frame[[column]])
  if (!is.null(frame$mined)) frame$mined <- factor(frame$mined, c("yes", "no"))
  if (is.character(frame$use)) frame$use <- factor(frame$use)
  seconds <- system.time({
    fit <- glmer(as.formula(model[[2]]), frame, model[[3]], nAGQ = model[[4]], control = control)
    limits <- confint(profile(fit, signames = FALSE))
  })[["elapsed"]]
  list(dataset = model[[1]], formula = model[[2]], family = model[[3]]$family,
       link = model[[3]]$link, nAGQ = model[[4]], lme4 = as.character(packageVersion("lme4")),
       seconds = seconds, deviance = -2 * as.numeric(logLik(fit)),
       rows = rownames(limits), lower = unname(limits[, 1]), upper = unname(limits[, 2]))
}

arguments <- commandArgs(TRUE)
folder <- arguments[1]
chosen <- if (length(arguments) > 1) arguments[-1] else names(models)
cat(toJSON(sapply(chosen, profiled, simplify = FALSE), digits = 12, auto_unbox = TRUE, pretty = TRUE), "\n")
