/* sample: chooses for each label the cheapest way that is still random, and walks it. */
#include "trainer/sample.h"
#include "trainer/random.h"
#include "trainer/sample_seen.h"

#include "proto/utf8.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    SAMPLE_DRAWS_MAX = 5,
    SAMPLE_PILOT_PAGES = 100,  /* some 2 000 rows of the usual 330 bytes */
    SAMPLE_DRAW_PAGES_MIN = 4, /* a draw of a fraction of a page would mostly draw nothing */
    SAMPLE_SHARE_DIVISOR = 16, /* below 1/16 of its leaf, pages hold too few rows of the profile to be worth reading */
    SAMPLE_PIVOTS_COUNT = 16,
    SAMPLE_PIVOT_WALKS_MAX = 4,
    SAMPLE_PEOPLE_SHARE = 2, /* half of the wanted rows at most */
    SOURCE_PERSON = 3,       /* verdicts.source in trainer/schema */
    PIVOT_BITS = 64 - 4, /* 16 stretches of the 64 leading bits of a hash */
};

static const double draw_margin = 1.1;
static const double hash_space = 18446744073709551616.0; /* 2^64 */

/* One label's draw. */
struct sampler {
    struct store *store;
    struct store_place place;
    const struct sample_taker *taker;
    struct sample_figures *figures;
    /* store_read_hashes, or store_read_people */
    enum status (*read_hashes)(struct store *store, struct store_place place, struct bytes hash, int64_t limit,
                               const struct store_reader *reader);
    struct sample_seen *seen; /* NULL where no row can come twice */
    uint64_t dice;
    int64_t wanted;     /* rows still wanted */
    int64_t ahead;      /* fresh rows that the stream at hand is expected to bring still */
    int64_t bytes_left; /* of text */
    bool full;          /* the bytes are used up: the draw is cut short */
    int64_t read;       /* rows of the stream at hand */
};

/* 31 bits: exact in the double that REPEATABLE takes. */
static int64_t roll_seed(uint64_t *dice)
{
    return (int64_t)(random_next(dice) >> 33);
}

/* A NUL ends a text for many who read it; whoever stored one did not mean it to be read whole. */
static bool is_text(struct bytes text)
{
    return utf8_sound_bytes(text) == text.count && memchr(text.data, '\0', text.count) == NULL;
}

/* What stands for very many would decide by itself: what the bound leaves out is a bias, and less than the noise it saves. */
static double count_texts(double reviewed_share)
{
    return fmin(1 / reviewed_share, TRAIN_STANDS_FOR_MAX);
}

static bool is_sound(const struct sampler *sampler, const struct store_sample *row)
{
    return row->hash.count == TEXT_HASH_BYTES && row->label == sampler->place.label && row->text_bytes > 0 &&
           row->text_bytes <= SAMPLE_TEXT_BYTES_MAX && row->text.count == (uint64_t)row->text_bytes && is_text(row->text) &&
           row->reviewed_share > 0 && row->reviewed_share <= 1;
}

/* Selection sampling (Knuth's algorithm S): each row ahead is taken with the chance that makes the wanted ones come out
 * evenly spread, so that a stream in the order of its pages is not cut off at its end, where the newest rows are. */
static bool is_chosen(struct sampler *sampler)
{
    int64_t ahead = sampler->ahead--;

    return ahead <= sampler->wanted || (int64_t)(random_next(&sampler->dice) % (uint64_t)ahead) < sampler->wanted;
}

static enum status take_row(void *context, const struct store_sample *row)
{
    struct sampler *sampler = context;
    const struct sample sample = {.hash = row->hash, .text = row->text, .label = sampler->place.label,
                                  .by_person = row->source == SOURCE_PERSON, .made_us = row->made_us,
                                  .stands_for = count_texts(row->reviewed_share)};
    enum status status = STATUS_OK;

    sampler->read++;
    if (!is_sound(sampler, row)) {
        sampler->figures->broken++;
        sampler->ahead--;
        return STATUS_OK;
    }
    /* Once nothing is wanted the rest of the stream is short, and a cancel would cost more. */
    if (sampler->wanted == 0 || (sampler->seen != NULL && sample_seen_has(sampler->seen, row->hash)) ||
        !is_chosen(sampler)) {
        return STATUS_OK;
    }
    if (row->text_bytes > sampler->bytes_left) {
        sampler->full = true;
        return STATUS_FULL;
    }
    if (sampler->seen != NULL) {
        status = sample_seen_add(sampler->seen, row->hash);
        assert(status == STATUS_OK); /* it has room for all that are wanted */
    }
    status = sampler->taker->on_sample(sampler->taker->context, &sample);
    if (status == STATUS_OK) {
        sampler->wanted--;
        sampler->figures->drawn++;
        sampler->figures->people += sample.by_person;
        sampler->bytes_left -= row->text_bytes;
    }
    return status;
}

/* A draw that stopped at its bound of bytes has not failed. */
static enum status end_stream(const struct sampler *sampler, enum status status)
{
    return status == STATUS_FULL && sampler->full ? STATUS_OK : status;
}

static enum status read_hashes(struct sampler *sampler, struct bytes from, int64_t limit)
{
    const struct store_reader reader = {take_row, sampler};

    sampler->read = 0;
    return end_stream(sampler, sampler->read_hashes(sampler->store, sampler->place, from, limit, &reader));
}

static enum status draw_latest(struct sampler *sampler)
{
    const struct store_reader reader = {take_row, sampler};

    sampler->ahead = 0; /* every row is chosen */
    return end_stream(sampler, store_read_latest(sampler->store, sampler->place, sampler->wanted, &reader));
}

static enum status draw_by_index(struct sampler *sampler)
{
    sampler->ahead = sampler->figures->existing - sampler->figures->drawn;
    return read_hashes(sampler, BYTES(""), sampler->figures->existing);
}

/* One TABLESAMPLE: counted first, because only then the choice among its rows can be even. */
static enum status draw_pages_once(struct sampler *sampler)
{
    struct sample_figures *figures = sampler->figures;
    const struct store_reader reader = {take_row, sampler};
    double fresh = 1.0 - (double)figures->drawn / (double)figures->existing;
    double percent = 100.0 * draw_margin * (double)sampler->wanted / ((double)figures->existing * fresh);
    double percent_min = 100.0 * SAMPLE_DRAW_PAGES_MIN / (double)figures->pages;
    struct store_draw draw = {.percent = fmin(100.0, fmax(percent, percent_min)), .seed = roll_seed(&sampler->dice)};
    int64_t rows = 0;
    enum status status;

    figures->draws++;
    status = store_count_draw(sampler->store, sampler->place, draw, &rows);
    if (status != STATUS_OK) {
        return status;
    }
    sampler->ahead = (int64_t)((double)rows * fresh);
    sampler->read = 0;
    return end_stream(sampler, store_read_draw(sampler->store, sampler->place, draw, &reader));
}

static enum status draw_by_pages(struct sampler *sampler)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && sampler->wanted > 0 && !sampler->full && sampler->figures->draws < SAMPLE_DRAWS_MAX) {
        status = draw_pages_once(sampler);
    }
    return status;
}

/* One stretch of the primary key from `pivot` on, going on at its beginning where it ends. */
static enum status walk_stretch(struct sampler *sampler, uint64_t pivot, int64_t rows)
{
    char from[sizeof pivot];
    enum status status;

    for (size_t index = 0; index < sizeof from; index++) {
        from[index] = (char)(unsigned char)(pivot >> (8 * (sizeof from - 1 - index)));
    }
    status = read_hashes(sampler, (struct bytes){from, sizeof from}, rows);
    if (status != STATUS_OK || sampler->full || sampler->read == rows) {
        return status;
    }
    return read_hashes(sampler, BYTES(""), rows - sampler->read);
}

static enum status walk_pivots(struct sampler *sampler)
{
    /* One offset for all: the stretches lie evenly apart and, the rows being more than twice those wanted, do not meet.
     */
    uint64_t offset = random_next(&sampler->dice) & ((UINT64_C(1) << PIVOT_BITS) - 1);
    int64_t wanted = sampler->wanted;
    enum status status = STATUS_OK;

    sampler->ahead = 0; /* every row is chosen: the order of hashes is random already */
    for (int64_t index = 0; index < SAMPLE_PIVOTS_COUNT && status == STATUS_OK && !sampler->full; index++) {
        int64_t rows = wanted * (index + 1) / SAMPLE_PIVOTS_COUNT - wanted * index / SAMPLE_PIVOTS_COUNT;

        status = walk_stretch(sampler, offset + ((uint64_t)index << PIVOT_BITS), rows);
    }
    return status;
}

/* Rows that are drawn already, or broken, leave some wanted: then from other pivots. */
static enum status draw_by_pivots(struct sampler *sampler)
{
    enum status status = STATUS_OK;

    for (int walks = 0; walks < SAMPLE_PIVOT_WALKS_MAX && status == STATUS_OK && sampler->wanted > 0 && !sampler->full; walks++) {
        status = walk_pivots(sampler);
    }
    return status;
}

/* One stretch, from anywhere. */
static enum status draw_people(struct sampler *sampler)
{
    enum status status;

    sampler->ahead = 0; /* every row is chosen */
    sampler->read_hashes = store_read_people;
    status = walk_stretch(sampler, random_next(&sampler->dice), sampler->wanted / SAMPLE_PEOPLE_SHARE);
    sampler->read_hashes = store_read_hashes;
    return status;
}

static enum status draw_label(struct sampler *sampler)
{
    enum status status;

    if (sampler->figures->way == SAMPLE_LATEST) {
        return draw_latest(sampler);
    }
    if (sampler->figures->way == SAMPLE_ALL) {
        return draw_by_index(sampler);
    }
    status = sample_seen_open(&sampler->seen, (size_t)sampler->wanted);
    if (status == STATUS_OK) {
        status = draw_people(sampler);
    }
    if (status == STATUS_OK && !sampler->full) {
        status = sampler->figures->way == SAMPLE_PART    ? draw_by_index(sampler)
                 : sampler->figures->way == SAMPLE_PAGES ? draw_by_pages(sampler)
                                                         : draw_by_pivots(sampler);
    }
    sample_seen_close(&sampler->seen);
    return status;
}

enum status sample_draw(struct store *store, const struct sample_request *request,
                        struct sample_figures figures[SAMPLE_LABELS], const struct sample_taker *taker)
{
    enum status status = STATUS_OK;

    for (int label = 0; label < SAMPLE_LABELS && status == STATUS_OK; label++) {
        struct sampler sampler = {
            .store = store,
            .place = {.profile_id = request->profile_id, .label = label},
            .taker = taker,
            .figures = &figures[label],
            .dice = request->seed + (uint64_t)label,
            .read_hashes = store_read_hashes,
            .wanted = figures[label].wanted,
            .bytes_left = request->bytes_max / SAMPLE_LABELS,
        };

        status = draw_label(&sampler);
    }
    return status;
}

/* One label of the measuring. */
struct gauge {
    struct store *store;
    struct store_place place;
    uint64_t seed;
    struct sample_figures *figures;
    double leaf_rows; /* of all profiles in the label's leaf; 0 = not known yet */
};

/* A small draw of the leaf says what its pages hold. */
static enum status measure_leaf(struct gauge *gauge)
{
    struct store_draw pilot = {.percent = 100.0, .seed = roll_seed(&gauge->seed)};
    struct store_leaf leaf;
    enum status status;

    if (gauge->leaf_rows > 0) {
        return STATUS_OK;
    }
    status = store_find_leaf(gauge->store, gauge->place, &leaf);
    if (status != STATUS_OK) {
        return status;
    }
    gauge->figures->pages = leaf.pages;
    if (leaf.pages > SAMPLE_PILOT_PAGES) {
        pilot.percent = 100.0 * SAMPLE_PILOT_PAGES / (double)leaf.pages;
    }
    return store_count_leaf(gauge->store, &leaf, pilot, &gauge->leaf_rows);
}

/* How many rows a label has, from the hash of its row number `many`: keyed hashes are uniform, so that the part of
 * their space that `many` rows fill tells how many fill it all (to 1/sqrt(many)). Never below what was counted, nor
 * above what the leaf holds, should the hashes of an import not be uniform after all. */
static enum status estimate(struct gauge *gauge, int64_t many)
{
    unsigned char hash[TEXT_HASH_BYTES];
    uint64_t bits = 0;
    double rows;
    enum status status = measure_leaf(gauge);

    if (status == STATUS_OK) {
        status = store_hash_at(gauge->store, gauge->place, many - 1, hash);
    }
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK; /* some were deleted since they were counted: about so many there are */
    }
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t index = 0; index < sizeof bits; index++) {
        bits = bits << 8 | hash[index];
    }
    rows = (double)many * hash_space / ((double)bits + 1);
    gauge->figures->existing = llround(fmax((double)many, fmin(rows, gauge->leaf_rows)));
    return STATUS_OK;
}

/* Counted, or, where there are more than twice those that may be wanted, estimated. */
static enum status measure_rows(struct gauge *gauge, int64_t wanted_max)
{
    int64_t many = 2 * wanted_max + 1;
    enum status status = store_count(gauge->store, gauge->place, many, &gauge->figures->existing);

    return status == STATUS_OK && gauge->figures->existing == many ? estimate(gauge, many) : status;
}

/* More rows than twice those wanted: are its leaf's pages worth reading? */
static enum status choose_way(struct gauge *gauge)
{
    struct sample_figures *figures = gauge->figures;
    enum status status;

    if (figures->existing <= 2 * figures->wanted) {
        figures->way = figures->existing <= figures->wanted ? SAMPLE_ALL : SAMPLE_PART;
        return STATUS_OK;
    }
    status = measure_leaf(gauge);
    figures->way = (double)figures->existing * SAMPLE_SHARE_DIVISOR < gauge->leaf_rows ? SAMPLE_PIVOTS : SAMPLE_PAGES;
    return status;
}

/* At least the minimum, as far as there are so many. */
static int64_t at_least(int64_t wanted, int64_t existing)
{
    int64_t least = existing < SAMPLE_LABEL_ROWS_MIN ? existing : SAMPLE_LABEL_ROWS_MIN;

    return wanted < least ? least : wanted;
}

static enum status measure_latest(struct store *store, const struct sample_request *request,
                                  struct sample_figures out[SAMPLE_LABELS])
{
    int64_t count[SAMPLE_LABELS] = {0};
    enum status status = store_count_latest(store, request->profile_id, request->rows_max, count);

    for (int label = 0; label < SAMPLE_LABELS && status == STATUS_OK; label++) {
        const struct store_place place = {.profile_id = request->profile_id, .label = label};

        out[label] = (struct sample_figures){.way = SAMPLE_LATEST};
        status = store_count(store, place, SAMPLE_LABEL_ROWS_MIN, &out[label].existing);
        out[label].wanted = at_least(count[label], out[label].existing);
        out[label].existing = count[label] > 0 ? count[label] : out[label].existing;
    }
    return status;
}

enum status sample_measure(struct store *store, const struct sample_request *request,
                           struct sample_figures out[SAMPLE_LABELS])
{
    int64_t wanted_max = request->sampling == SAMPLING_RANDOM ? request->rows_max : request->rows_max / SAMPLE_LABELS;
    struct gauge gauges[SAMPLE_LABELS];
    double all = 0;
    enum status status = STATUS_OK;

    assert(request->rows_max >= 0 && request->bytes_max >= 0);
    if (request->sampling == SAMPLING_LATEST) {
        return measure_latest(store, request, out);
    }
    for (int label = 0; label < SAMPLE_LABELS && status == STATUS_OK; label++) {
        out[label] = (struct sample_figures){.wanted = wanted_max};
        gauges[label] = (struct gauge){
            .store = store, .place = {request->profile_id, label}, .seed = request->seed, .figures = &out[label]};
        status = measure_rows(&gauges[label], wanted_max);
        all += (double)out[label].existing;
    }
    for (int label = 0; label < SAMPLE_LABELS && status == STATUS_OK; label++) {
        if (request->sampling == SAMPLING_RANDOM && all > (double)request->rows_max) {
            out[label].wanted =
                at_least(llround((double)request->rows_max * (double)out[label].existing / all), out[label].existing);
        }
        status = choose_way(&gauges[label]);
    }
    return status;
}

const char *sample_way_name(enum sample_way way)
{
    static const char *const names[] = {"latest", "all", "part", "pages", "pivots"};

    assert(way >= 0 && (size_t)way < sizeof names / sizeof names[0]);
    return names[way];
}
