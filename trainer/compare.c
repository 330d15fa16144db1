/* compare: both judges' scores sorted by label once; each row's place among the other label's is then two searches. */
#include "trainer/compare.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { JUDGES = 2, LABELS = 2 };

static int by_number(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double score_of(const struct compare_row *row, int judge)
{
    return judge == 0 ? row->one : row->other;
}

/* How many of the sorted scores are below `score`, or, with `or_equal`, not above it. */
static size_t count_below(const double *sorted, size_t count, double score, int or_equal)
{
    size_t first = 0;

    while (count > 0) {
        size_t half = count / 2;
        double at = sorted[first + half];

        if (at < score || (or_equal && at <= score)) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

/* The share of the other label's scores that are on the right side of this one; equal ones count half. */
static double placement(const double *others, size_t count, double score, int label)
{
    double below = ((double)count_below(others, count, score, 0) + (double)count_below(others, count, score, 1)) / 2;

    return label == 1 ? below / (double)count : 1 - below / (double)count;
}

/* sorted[judge][label], one block of `count` scores a judge. */
struct sides {
    double *sorted[JUDGES][LABELS];
    size_t count[LABELS];
};

static void sort_sides(const struct compare_row *rows, size_t count, double *room, struct sides *out)
{
    for (int judge = 0; judge < JUDGES; judge++) {
        size_t filled[LABELS] = {0};

        out->sorted[judge][0] = room + (size_t)judge * count;
        out->sorted[judge][1] = out->sorted[judge][0] + out->count[0];
        for (size_t at = 0; at < count; at++) {
            int label = rows[at].label;

            out->sorted[judge][label][filled[label]++] = score_of(&rows[at], judge);
        }
        qsort(out->sorted[judge][0], out->count[0], sizeof *room, by_number);
        qsort(out->sorted[judge][1], out->count[1], sizeof *room, by_number);
    }
}

static void measure(const struct compare_row *rows, size_t count, const struct sides *sides, struct compare_figures *out)
{
    double sum[LABELS] = {0}; /* of the differences of placements, and of their squares */
    double squares[LABELS] = {0};
    double area[JUDGES] = {0};
    double variance = 0;

    for (size_t at = 0; at < count; at++) {
        int label = rows[at].label;
        size_t others = sides->count[1 - label];
        double one = placement(sides->sorted[0][1 - label], others, rows[at].one, label);
        double other = placement(sides->sorted[1][1 - label], others, rows[at].other, label);

        sum[label] += one - other;
        squares[label] += (one - other) * (one - other);
        if (label == 1) {
            area[0] += one / (double)sides->count[1];
            area[1] += other / (double)sides->count[1];
        }
    }
    for (int label = 0; label < LABELS; label++) {
        double rows_of = (double)sides->count[label];
        double spread = squares[label] - sum[label] * sum[label] / rows_of;

        variance += fmax(0, spread) / (rows_of - 1) / rows_of;
    }
    *out = (struct compare_figures){.count = count,
                                    .violations = sides->count[1],
                                    .one_auc = area[0],
                                    .other_auc = area[1],
                                    .error = sqrt(variance)};
}

enum status compare_rows(const struct compare_row *rows, size_t count, struct compare_figures *out)
{
    struct sides sides = {0};
    double *room;

    for (size_t at = 0; at < count; at++) {
        assert(rows[at].label == 0 || rows[at].label == 1);
        sides.count[rows[at].label]++;
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
