/* compare: both judges' scores sorted by label once; each row's place among the other label's is then two searches. */
#include "trainer/compare.h"

#include "trainer/effective.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { JUDGES = 2, LABELS = 2 };

/* A row as one judge sees it, and what it and all of its label that score lower weigh. */
struct place {
    double score;
    double up_to;
};

static int by_score(const void *left, const void *right)
{
    double a = ((const struct place *)left)->score;
    double b = ((const struct place *)right)->score;

    return (a > b) - (a < b);
}

static double score_of(const struct compare_row *row, int judge)
{
    return judge == 0 ? row->one : row->other;
}

/* What the rows weigh whose scores are below `score`, or, with `or_equal`, not above it. */
static double weigh_below(const struct place *sorted, size_t count, double score, bool or_equal)
{
    const struct place *first = sorted;

    while (count > 0) {
        size_t half = count / 2;
        double at = first[half].score;

        if (at < score || (or_equal && at <= score)) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first == sorted ? 0 : first[-1].up_to;
}

/* sorted[judge][label], one block of `count` places a judge. */
struct sides {
    struct place *sorted[JUDGES][LABELS];
    size_t count[LABELS];
    struct effective effective[LABELS];
};

/* The share of the other label's scores that are on the right side of this one; equal ones count half. */
static double placement(const struct sides *sides, int judge, const struct compare_row *row)
{
    int other = 1 - row->label;
    const struct place *sorted = sides->sorted[judge][other];
    double score = score_of(row, judge);
    double below = weigh_below(sorted, sides->count[other], score, false) + weigh_below(sorted, sides->count[other], score, true);
    double share = below / 2 / sides->effective[other].weights;

    return row->label == 1 ? share : 1 - share;
}

static void sort_side(struct place *places, size_t count)
{
    double sum = 0;

    qsort(places, count, sizeof *places, by_score);
    for (size_t at = 0; at < count; at++) {
        sum += places[at].up_to;
        places[at].up_to = sum;
    }
}

static void sort_sides(const struct compare_row *rows, size_t count, struct place *room, struct sides *out)
{
    for (int judge = 0; judge < JUDGES; judge++) {
        size_t filled[LABELS] = {0};

        out->sorted[judge][0] = room + (size_t)judge * count;
        out->sorted[judge][1] = out->sorted[judge][0] + out->count[0];
        for (size_t at = 0; at < count; at++) {
            int label = rows[at].label;

            out->sorted[judge][label][filled[label]++] = (struct place){score_of(&rows[at], judge), rows[at].weight};
        }
        sort_side(out->sorted[judge][0], out->count[0]);
        sort_side(out->sorted[judge][1], out->count[1]);
    }
}

/* Each label's part of the variance is that of its weighted mean of `off`, how much better one judge places a row: the sum of
 * (weight * (off - mean))^2 over the square of the sum of weights, and the usual n / (n - 1). Taken apart, so that the mean need
 * not be known first. */
struct spread {
    double off;
    double squares; /* of the weights, times 1, off and its square */
    double squares_off;
    double squares_off_off;
};

static void add_spread(struct spread *spread, double weight, double off)
{
    spread->off += weight * off;
    spread->squares += weight * weight;
    spread->squares_off += weight * weight * off;
    spread->squares_off_off += weight * weight * off * off;
}

static double variance_of(const struct spread *spread, double weights, size_t count)
{
    double mean = spread->off / weights;
    double sum = spread->squares_off_off - 2 * mean * spread->squares_off + mean * mean * spread->squares;

    return fmax(0, sum) / (weights * weights) * (double)count / (double)(count - 1);
}

static void measure(const struct compare_row *rows, size_t count, const struct sides *sides, struct compare_figures *out)
{
    struct spread spreads[LABELS] = {{0}};
    double area[JUDGES] = {0};
    double variance = 0;

    for (size_t at = 0; at < count; at++) {
        double one = placement(sides, 0, &rows[at]);
        double other = placement(sides, 1, &rows[at]);

        add_spread(&spreads[rows[at].label], rows[at].weight, one - other);
        if (rows[at].label == 1) {
            area[0] += rows[at].weight * one;
            area[1] += rows[at].weight * other;
        }
    }
    for (int label = 0; label < LABELS; label++) {
        variance += variance_of(&spreads[label], sides->effective[label].weights, sides->count[label]);
    }
    *out = (struct compare_figures){
        .count = count,
        .violations = sides->count[1],
        .effective = {effective_count(&sides->effective[0]), effective_count(&sides->effective[1])},
        .one_auc = area[0] / sides->effective[1].weights,
        .other_auc = area[1] / sides->effective[1].weights,
        .error = sqrt(variance),
    };
}

enum status compare_rows(const struct compare_row *rows, size_t count, struct compare_figures *out)
{
    struct sides sides = {0};
    struct place *room;

    for (size_t at = 0; at < count; at++) {
        assert((rows[at].label == 0 || rows[at].label == 1) && rows[at].weight > 0);
        sides.count[rows[at].label]++;
        effective_add(&sides.effective[rows[at].label], rows[at].weight);
    }
    if (sides.count[0] < 2 || sides.count[1] < 2) {
        return STATUS_TOO_FEW;
    }
    room = calloc(count, JUDGES * sizeof *room);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    sort_sides(rows, count, room, &sides);
    measure(rows, count, &sides, out);
    free(room);
    return STATUS_OK;
}
