# One model by lme4 or glmmTMB, several times; a line of JSON. speed.py calls this.
a <- commandArgs(TRUE) # program, csv, formula, family or "", weights or "", nAGQ, factors, fits
d <- read.csv(a[2], check.names = FALSE)
for (f in strsplit(a[7], ",")[[1]]) d[[f]] <- factor(d[[f]], levels = unique(d[[f]]))
w <- if (a[5] == "") NULL else d[[a[5]]]
suppressMessages(suppressWarnings(library(a[1], character.only = TRUE)))
form <- as.formula(a[3]); environment(form) <- environment()
fit <- function() {
  if (a[1] == "glmmTMB") {
    fam <- if (a[4] == "") gaussian() else get(a[4])()
    glmmTMB(form, d, family = fam, weights = w)
  } else if (a[4] == "") {
    lmer(form, d, REML = FALSE, control = lmerControl(calc.derivs = FALSE))
  } else {
    glmer(form, d, family = get(a[4]), weights = w, nAGQ = as.integer(a[6]),
          control = glmerControl(calc.derivs = FALSE))
  }
}
spent <- function() sum(proc.time()[c("user.self", "sys.self")])
begin <- spent()
for (i in seq_len(as.integer(a[8]))) {
  m <- suppressMessages(suppressWarnings(fit()))
  if (spent() - begin > 0.4) break
}
seconds <- (spent() - begin) / i
evals <- if (a[1] == "lme4") m@optinfo$feval else m$fit$evaluations[[1]]
if (is.null(evals)) evals <- NA
if (is.na(logLik(m))) stop("no convergence")
status <- readLines("/proc/self/status")
peak <- as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1024
cat(sprintf('{"objective": %.6f, "evaluations": %s, "seconds": %.6f, "peak": %.0f}\n',
            -2 * as.numeric(logLik(m)), ifelse(is.na(evals), "null", evals), seconds, peak))
