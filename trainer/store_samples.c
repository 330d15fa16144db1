/* store_samples: the schema's functions for a person's wishes, and two walks over the facts with their texts. */
#include "trainer/store_samples.h"
#include "trainer/store_session.h"
#include "trainer/store_versions.h"

#include <assert.h>

/* Beside what a person says of texts: writes the profile's row anew, as it is, by which moderators see that labels are others
 * (moderator/history_marks). Nothing refers to it, so it comes last, when the facts are locked: whoever locked them in another
 * order, as sample_delete_key might, would wait for us while we wait for it. */
#define TOUCH "with touched as (update profiles set trained_at = trained_at where profile_id = $1"

enum status store_make_profile(struct store *store, struct bytes name, int64_t *out_profile_id)
{
    const struct db_value value = {.type = DB_TEXT, .bytes = name};
    /* Looked up before it is inserted: an insert that meets a conflict still takes a number from the sequence. */
    enum status status = store_find_profile(store, name, out_profile_id);

    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    status = db_run(store->db, "insert into profiles (name) values ($1) on conflict (name) do nothing", &value, 1, NULL);
    return status == STATUS_OK ? store_find_profile(store, name, out_profile_id) : status;
}

enum status store_read_epoch(struct store *store, int64_t *out)
{
    return store_numbers(store, "select epoch from leader", NULL, 0, out, 1);
}

enum status store_put_labels(struct store *store, int64_t profile_id, const struct store_label *labels, size_t count,
                             struct store_put *out)
{
    enum { WON, UNKNOWN, SAME, FOUND };
    int64_t found[FOUND];
    struct bytes hashes[SAMPLE_BATCH_MAX], categories[SAMPLE_BATCH_MAX], texts[SAMPLE_BATCH_MAX];
    int64_t numbers[SAMPLE_BATCH_MAX], sources[SAMPLE_BATCH_MAX], drawn[SAMPLE_BATCH_MAX], labelled[SAMPLE_BATCH_MAX];
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BYTEA_ARRAY, .array = hashes, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = numbers, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = sources, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = drawn, .array_count = count},
        {.type = DB_TEXT_ARRAY, .array = categories, .array_count = count},
        {.type = DB_BYTEA_ARRAY, .array = texts, .array_count = count},
        {.type = DB_BIGINT_ARRAY, .numbers = labelled, .array_count = count},
        {.type = DB_BIGINT, .bigint = SCHEMA_VERSION},
    };
    enum status status;

    assert(count <= SAMPLE_BATCH_MAX);
    for (size_t index = 0; index < count; index++) {
        const struct store_label *label = &labels[index];

        hashes[index] = (struct bytes){(const char *)label->hash, sizeof label->hash};
        numbers[index] = label->label;
        sources[index] = label->source;
        drawn[index] = label->source == STORE_PERSON ? STORE_DRAWN_PERSON : STORE_DRAWN_IMPORT;
        categories[index] = label->category.count > 0 ? label->category : (struct bytes){NULL, 0};
        texts[index] = label->text;
        labelled[index] = label->labelled_us;
    }
    /* The version is looked at with each batch, as a trainer may raise it any time: no row is no such version. What is counted
     * beside sample_put is what there was before it: a statement does not see what a function that it calls writes. Of a text
     * that is there twice the row that wins is compared, as sample_put chooses it. */
    status = store_numbers(
        store,
        TOUCH " and 3 = any ($4)) "
        "select sample_put($1::int, $2, $3, $4, $5, $6, $7, $8), "
        "(select count(distinct h) from unnest($2) h) - met.texts, met.same from schema_version, "
        "(select count(*) as texts, count(*) filter (where v.label = n.l and v.source = n.s "
        "and v.category is not distinct from n.c and (v.has_text or n.t is null) "
        "and v.labelled_at = timestamptz 'epoch' + n.a * interval '1 microsecond') as same "
        "from (select distinct on (u.h) u.* from unnest($2, $3, $4, $6, $7, $8) with ordinality u(h, l, s, c, t, a, o) "
        "order by u.h, u.s desc, u.a desc nulls first, u.o desc) n "
        "join verdicts_of($1::int, $2) v on v.text_hash = n.h) met where version = $9",
        values, sizeof values / sizeof *values, found, FOUND);
    if (status == STATUS_OK) {
        out->added = found[UNKNOWN] < found[WON] ? found[UNKNOWN] : found[WON];
        out->replaced = found[WON] - out->added > found[SAME] ? found[WON] - out->added - found[SAME] : 0;
    }
    return status == STATUS_NOT_FOUND ? STATUS_UNSUPPORTED : status;
}

/* First which facts, then the text of each. */
#define FACTS_BEGIN                                                                                                      \
    "select f.text_hash, f.label, f.source, f.drawn, f.category, (extract(epoch from f.labelled_at) * 1000000)::bigint, "  \
    "s.text is not null, case when octet_length(s.text) <= $2 then s.text end from (select * from verdicts v "            \
    "where v.profile_id = $1 "
#define FACTS_END ") f left join" STORE_TEXT_OF("f") "on true "

static enum status on_row(void *context, const struct db_rows *row)
{
    const struct store_fact_reader *reader = context;
    const struct store_fact fact = {
        .hash = db_bytes(row, 0, 0),
        .label = db_bigint(row, 0, 1),
        .source = db_bigint(row, 0, 2),
        .drawn = db_bigint(row, 0, 3),
        .category = db_bytes(row, 0, 4),
        .labelled_us = db_bigint(row, 0, 5),
        .has_text = db_bigint(row, 0, 6) != 0,
        .text = db_bytes(row, 0, 7),
    };

    return reader->on_fact(reader->context, &fact);
}

static enum status read_facts(struct store *store, const char *sql, const struct db_value *values, size_t value_count,
                              const struct store_fact_reader *reader)
{
    struct store_fact_reader copy = *reader;
    enum status status = store_begin_walk(store);

    if (status == STATUS_OK) {
        status = db_stream(store->db, sql, values, value_count, on_row, &copy);
    }
    return store_end_walk(store, status);
}

/* A null is no text for libpq. */
static struct bytes category_of(const struct store_filter *filter)
{
    return filter->category.count == 0 ? BYTES("") : filter->category;
}

enum status store_list_facts(struct store *store, int64_t profile_id, const struct store_filter *filter,
                             const struct store_fact_reader *reader)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},     {.type = DB_BIGINT, .bigint = SAMPLE_TEXT_BYTES_MAX},
        {.type = DB_BIGINT, .bigint = filter->label},  {.type = DB_BIGINT, .bigint = filter->source},
        {.type = DB_BIGINT, .bigint = filter->limit},  {.type = DB_TEXT, .bytes = category_of(filter)},
    };

    return read_facts(store,
                      FACTS_BEGIN "and ($3 < 0 or v.label = $3) and ($4 < 0 or v.source = $4) and ($6 = '' or v.category = $6) "
                                  "order by v.labelled_at desc limit $5" FACTS_END "order by f.labelled_at desc",
                      values, sizeof values / sizeof *values, reader);
}

enum status store_page_facts(struct store *store, int64_t profile_id, const struct store_filter *filter, struct bytes after,
                             const struct store_fact_reader *reader)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},     {.type = DB_BIGINT, .bigint = SAMPLE_TEXT_BYTES_MAX},
        {.type = DB_BIGINT, .bigint = filter->label},  {.type = DB_BIGINT, .bigint = filter->source},
        {.type = DB_BIGINT, .bigint = filter->limit},  {.type = DB_BYTEA, .bytes = after.count == 0 ? BYTES("") : after},
        {.type = DB_TEXT, .bytes = category_of(filter)},
    };

    return read_facts(store,
                      FACTS_BEGIN "and v.text_hash > $6 and ($3 < 0 or v.label = $3) and ($4 < 0 or v.source = $4) "
                                  "and ($7 = '' or v.category = $7) order by v.text_hash limit $5" FACTS_END
                                  "order by f.text_hash",
                      values, sizeof values / sizeof *values, reader);
}

struct finding {
    const struct store_fact_reader *reader;
    bool found;
};

static enum status on_found(void *context, const struct store_fact *fact)
{
    struct finding *finding = context;

    finding->found = true;
    return finding->reader->on_fact(finding->reader->context, fact);
}

enum status store_find_fact(struct store *store, int64_t profile_id, struct bytes hash, const struct store_fact_reader *reader)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = SAMPLE_TEXT_BYTES_MAX},
        {.type = DB_BYTEA, .bytes = hash},
    };
    struct finding finding = {.reader = reader};
    struct store_fact_reader inner = {on_found, &finding};
    enum status status =
        read_facts(store, FACTS_BEGIN "and v.text_hash >= $3 and v.text_hash <= $3 order by v.text_hash limit 1" FACTS_END,
                   values, 3, &inner);

    return status == STATUS_OK && !finding.found ? STATUS_NOT_FOUND : status;
}

enum status store_relabel(struct store *store, int64_t profile_id, struct bytes hash, int label, struct bytes category)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BYTEA, .bytes = hash},
        {.type = DB_BIGINT, .bigint = label},
        {.type = category.count > 0 ? DB_TEXT : DB_NULL, .bytes = category},
        {.type = DB_BIGINT, .bigint = SCHEMA_VERSION},
    };
    int64_t stored = 0;
    /* With its text, so that it counts as a person's also where the label stays. */
    enum status status = store_numbers(
        store,
        TOUCH ") "
        "select sample_put($1::int, array[$2], array[$3::smallint], array[3::smallint], array[2::smallint], array[$4::text], "
        "array[(select s.text from samples s where s.profile_id = $1 and s.text_hash = $2 and s.label in (0, 1) limit 1)]) "
        "from schema_version, verdicts v where version = $5 and v.profile_id = $1 and v.text_hash = $2",
        values, sizeof values / sizeof *values, &stored, 1);

    return status == STATUS_OK && stored == 0 ? STATUS_CONFLICT : status;
}

enum status store_delete_text(struct store *store, int64_t profile_id, struct bytes hash)
{
    const struct db_value values[] = {{.type = DB_BIGINT, .bigint = profile_id}, {.type = DB_BYTEA, .bytes = hash}};
    int64_t deleted = 0;
    enum status status = store_numbers(store, TOUCH ") select sample_delete($1::int, array[$2])", values, 2, &deleted, 1);

    return status == STATUS_OK && deleted == 0 ? STATUS_NOT_FOUND : status;
}

enum status store_delete_key(struct store *store, struct bytes key_digest, int64_t *out_deleted)
{
    const struct db_value values[] = {{.type = DB_BYTEA, .bytes = key_digest}, {.type = DB_BIGINT, .bigint = SAMPLE_BATCH_MAX}};

    /* It touches the profiles itself, since it knows which: to look for them reads all that the key sent, with each batch. */
    return store_numbers(store, "select sample_delete_key($1, $2::int)", values, 2, out_deleted, 1);
}
