/* platt: Newton's method on two numbers. */
#include "trainer/platt.h"

#include "trainer/effective.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { STEPS_MAX = 100, HALVINGS_MAX = 20, LABELS = 2 };

#define SLOPE_MIN 1e-3 /* scores that tell nothing, or the wrong thing, lead to the base rate */
#define RIDGE 1e-10    /* keeps the curvature invertible when all scores are equal */
#define TOLERANCE 1e-9

struct problem {
    const struct platt_row *rows;
    size_t count;
    double factor[LABELS]; /* of a row's weight, by label */
    double target[LABELS]; /* short of 0 and 1, as a few rows prove nothing about all */
};

/* ln(1 + exp(x)) without overflow. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double loss(const struct problem *problem, struct platt at)
{
    double sum = 0;

    for (size_t index = 0; index < problem->count; index++) {
        const struct platt_row *row = &problem->rows[index];
        double score = at.slope * row->score + at.offset;

        sum += problem->factor[row->label] * row->weight * (softplus(score) - problem->target[row->label] * score);
    }
    return sum;
}

/* The full Newton step from `at`. */
static struct platt newton_step(const struct problem *problem, struct platt at)
{
    double gradient[2] = {0, 0};
    double curvature[3] = {RIDGE, 0, RIDGE}; /* slope-slope, slope-offset, offset-offset */
    double determinant;

    for (size_t index = 0; index < problem->count; index++) {
        const struct platt_row *row = &problem->rows[index];
        double score = row->score;
        double weight = problem->factor[row->label] * row->weight;
        double probability = 1 / (1 + exp(-(at.slope * score + at.offset)));
        double miss = weight * (probability - problem->target[row->label]);
        double bend = weight * probability * (1 - probability);

        gradient[0] += miss * score;
        gradient[1] += miss;
        curvature[0] += bend * score * score;
        curvature[1] += bend * score;
        curvature[2] += bend;
    }
    determinant = curvature[0] * curvature[2] - curvature[1] * curvature[1];
    return (struct platt){
        -(curvature[2] * gradient[0] - curvature[1] * gradient[1]) / determinant,
        -(curvature[0] * gradient[1] - curvature[1] * gradient[0]) / determinant,
    };
}

/* Halves the step until it helps. False when none does, or it hardly matters any more. */
static bool improve(const struct problem *problem, struct platt *at)
{
    struct platt step = newton_step(problem, *at);
    double before = loss(problem, *at);

    if (!(fabs(step.slope) + fabs(step.offset) > TOLERANCE)) {
        return false;
    }
    for (int halvings = 0; halvings < HALVINGS_MAX; halvings++) {
        struct platt next = {at->slope + step.slope, at->offset + step.offset};

        if (loss(problem, next) < before) {
            *at = next;
            return true;
        }
        step.slope /= 2;
        step.offset /= 2;
    }
    return false;
}

void platt_fit(struct platt *out, const struct platt_row *rows, size_t count, double violation_share)
{
    struct problem problem = {.rows = rows, .count = count, .factor = {1, 1}};
    struct effective effective[LABELS] = {{0, 0}, {0, 0}};
    double sums[LABELS];
    struct platt best;

    for (size_t index = 0; index < count; index++) {
        assert(rows[index].label < LABELS && rows[index].weight > 0);
        effective_add(&effective[rows[index].label], rows[index].weight);
    }
    assert(effective[0].weights > 0 && effective[1].weights > 0);
    if (!isnan(violation_share)) {
        assert(violation_share > 0 && violation_share < 1);
        problem.factor[0] = (1 - violation_share) * (double)count / effective[0].weights;
        problem.factor[1] = violation_share * (double)count / effective[1].weights;
    }
    problem.target[0] = 1 / (effective_count(&effective[0]) + 2);
    problem.target[1] = (effective_count(&effective[1]) + 1) / (effective_count(&effective[1]) + 2);
    sums[0] = effective[0].weights * problem.factor[0];
    sums[1] = effective[1].weights * problem.factor[1];
    best = (struct platt){0, log((sums[1] + 1) / (sums[0] + 1))};
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        if (!improve(&problem, &best)) {
            break;
        }
    }
    if (best.slope < SLOPE_MIN) {
        best = (struct platt){SLOPE_MIN, log(sums[1] / sums[0])};
    }
    *out = best;
}
