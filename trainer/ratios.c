/* ratios: counted in whole steps by label, so that a fold can be left out and brought back. */
#include "trainer/ratios.h"

#include <math.h>
#include <stdlib.h>

#define SHARE_STEPS 4294967296u
enum { ASKED_FIRST = 1, ASKED_LAST = 2 }; /* folds; the first one of all is to calibrate by */

#define THINNED 0.005 /* of the squared norms */

void ratios_count(struct tally *tallies, const struct rows *rows, const struct row *row, int sign)
{
    struct row_part parts[ROW_PARTS_MAX];
    size_t count = rows_parts(rows, row, parts);
    uint64_t share = row->read == 0 ? 0 : (uint64_t)(int64_t)sign * (SHARE_STEPS / row->read);
    uint32_t weight = (uint32_t)(sign * row->weight_steps);
    unsigned label = row->label;

    for (size_t part = 0; part < count; part++) {
        const struct row_part features = parts[part];
        struct tally *first = tallies + features.first;

        for (uint32_t at = 0; at < features.count; at++) {
            struct tally *tally = &first[features.rest[at]];

            tally->seen[label] += weight;
            tally->share += share;
        }
    }
}

static double count_of(const struct tally *tally, int label)
{
    return 1 + (double)tally->seen[label] / ROW_WEIGHT_STEPS;
}

static bool is_seen(const struct tally *tally)
{
    return tally->seen[0] + tally->seen[1] > 0;
}

double ratios_shift(const struct tally *tallies, size_t width)
{
    double total[2] = {0, 0};

    for (size_t place = 0; place < width; place++) {
        for (int label = 0; label < 2 && is_seen(&tallies[place]); label++) {
            total[label] += count_of(&tallies[place], label);
        }
    }
    return total[0] > 0 ? log(total[0] / total[1]) : 0;
}

double ratios_square(const struct tally *tally, double shift)
{
    double ratio = is_seen(tally) ? shift + log(count_of(tally, 1) / count_of(tally, 0)) : 0;

    return ratio * ratio;
}

double ratios_share(const struct tally *tally)
{
    return (double)tally->share / SHARE_STEPS;
}

static bool is_changed(const struct rows *rows)
{
    bool is_changed = false;

    for (size_t number = 0; number < rows_count(rows) && !is_changed; number++) {
        is_changed = rows_at(rows, number)->is_old;
    }
    return is_changed;
}

/* Squares of ratios are told apart by eighths of octaves: they lie between 2^-40, as good as 0, and 2^24. */
enum { STEPS_AN_OCTAVE = 8, OCTAVE_MIN = -40, OCTAVE_MAX = 24, STEPS = (OCTAVE_MAX - OCTAVE_MIN) * STEPS_AN_OCTAVE };

static int step_of(double square)
{
    double octave = fmin(OCTAVE_MAX, fmax(OCTAVE_MIN, log2(square)));

    return (int)fmin(STEPS - 1, (octave - OCTAVE_MIN) * STEPS_AN_OCTAVE);
}

/* The first step whose features stay. */
static int find_least(const struct tally *tallies, size_t width, double shift, struct turn *turn)
{
    double norms[STEPS] = {0};
    double sum = 0, left = 0;
    int step = 0;

    for (size_t place = 0; place < width; place++) {
        double square = ratios_square(&tallies[place], shift);
        double norm = square * ratios_share(&tallies[place]);

        norms[step_of(square)] += norm;
        sum += norm;
        turn_passes(turn, place);
    }
    while (sum > 0 && step < STEPS && left + norms[step] <= THINNED * sum) {
        left += norms[step++];
    }
    return step;
}

static void count_asked(struct tally *tallies, const struct rows *rows, struct turn *turn)
{
    for (size_t number = 0; number < rows_count(rows) && turn_goes_on(turn); number++) {
        const struct row *row = rows_at(rows, number);

        if (row->fold >= ASKED_FIRST && row->fold <= ASKED_LAST) {
            ratios_count(tallies, rows, row, 1);
        }
    }
}

/* What was not seen stays: nothing is known of it. */
static void choose(const struct tally *tallies, const struct rows *rows, struct turn *turn, uint32_t *holders)
{
    double shift = ratios_shift(tallies, rows_width(rows));
    int least = is_changed(rows) ? 0 : find_least(tallies, rows_width(rows), shift, turn);

    for (uint32_t place = 0; place < rows_width(rows); place++) {
        const struct tally *tally = &tallies[place];
        bool leaves = is_seen(tally) && step_of(ratios_square(tally, shift)) < least;

        holders[rows_feature_at(rows, place)] = leaves ? 0 : tally->seen[0] + tally->seen[1] + 1;
        turn_passes(turn, place);
    }
}

enum status ratios_thin_out(struct rows *rows, struct turn *turn)
{
    struct tally *tallies;
    uint32_t *holders;
    enum status status = STATUS_NO_MEMORY;

    if (rows_count(rows) < TRAIN_THINNED_ROWS_MIN) {
        return STATUS_OK;
    }
    tallies = calloc(rows_width(rows), sizeof *tallies);
    holders = calloc((size_t)1 << rows_table_bits(rows), sizeof *holders);
    if (tallies != NULL && holders != NULL) {
        count_asked(tallies, rows, turn);
        choose(tallies, rows, turn, holders);
        status = rows_keep(rows, holders, turn);
    }
    free(tallies);
    free(holders);
    return status;
}
