/* problem: one sentence and one path about a request that is refused. */
#include "gateway/format/problem.h"

#include <stdio.h>

const char *problem_param(const struct problem *problem)
{
    return problem->path[0] == '\0' ? NULL : problem->path;
}

void problem_set(struct problem *problem, enum error_kind kind, const char *path, const char *sentence)
{
    problem->kind = kind;
    (void)snprintf(problem->path, sizeof problem->path, "%s", path);
    (void)snprintf(problem->sentence, sizeof problem->sentence, "%s%s%s", path, path[0] == '\0' ? "" : " ", sentence);
}
