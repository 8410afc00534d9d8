# Models by glmmTMB and ordinal, one a line of JSON from speed_families.py; a line of JSON for each.
suppressMessages(suppressWarnings({library(jsonlite); library(glmmTMB); library(ordinal)}))
family_of <- function(task) {
  name <- switch(task$family, t = "t_family", beta = "beta_family", task$family)
  get(name)(link = task$link)
}
by_glmmTMB <- function(task, d) {
  one <- function(text) if (is.null(text)) NULL else as.formula(text)
  a <- list(as.formula(task$formula), d, family = family_of(task),
            ziformula = if (is.null(task$zi)) ~0 else one(task$zi),
            dispformula = if (is.null(task$dispersion)) ~1 else one(task$dispersion))
  if (!is.null(task$df)) {
    shape <- if (packageVersion("glmmTMB") < "1.1.8") "thetaf" else "psi"
    a$start <- setNames(list(log(task$df)), shape)
    a$map <- setNames(list(factor(NA)), shape)
  }
  do.call(glmmTMB, a)
}
by_ordinal <- function(task, d) {
  d[[task$response]] <- factor(d[[task$response]], levels = task$categories, ordered = TRUE)
  a <- list(as.formula(task$formula), data = d, link = task$link, threshold = task$threshold)
  if (task$random) return(do.call(clmm, c(a, list(nAGQ = task$nagq))))
  if (!is.null(task$nominal)) a$nominal <- as.formula(task$nominal)
  if (!is.null(task$scale)) a$scale <- as.formula(task$scale)
  do.call(clm, a)
}
lines <- file("stdin", "r")
while (length(line <- readLines(lines, 1)) > 0) {
  task <- fromJSON(line)
  d <- read.csv(task$csv, check.names = FALSE)
  for (f in names(task$levels)) d[[f]] <- factor(d[[f]], levels = task$levels[[f]])
  fit <- if (is.null(task$threshold)) by_glmmTMB else by_ordinal
  said <- tryCatch({
    t <- system.time(m <- suppressMessages(suppressWarnings(fit(task, d))))
    list(objective = -2 * as.numeric(logLik(m)), seconds = t[["user.self"]] + t[["sys.self"]])
  }, error = function(e) list(error = conditionMessage(e)))
  cat(toJSON(said, auto_unbox = TRUE, digits = 10, na = "null"), "\n", sep = "")
  flush(stdout())
}
