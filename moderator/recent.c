/* recent: tables of sets, a few entries each, under locks that many sets share. */
#include "moderator/recent.h"

#include "moderator/recent_names.h"
#include "proto/limits.h"
#include "proto/secret_print.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum result { HIT, MISS, EXPIRED, EVICTED, RESULTS };

enum { CACHE_LINE_BYTES = 64 };

struct name {
    unsigned char bytes[TABLE_HASH_BYTES];
};

struct entry {
    struct name name;
    uint64_t until_ms; /* 0: empty */
    uint64_t used;     /* the higher, the later; among those of its lock */
    struct recent_finding finding;
};

/* A set's marks stand side by side, so that a look touches two or three cache lines and not one an entry. */
struct table {
    uint64_t entries; /* as the profile says */
    size_t set_count;
    size_t ways;     /* entries of a set */
    uint64_t *marks; /* of each entry: a part of its name; behind the entries */
    struct entry all[];
};

struct lock {
    alignas(CACHE_LINE_BYTES) pthread_mutex_t mutex;
    uint64_t used_last;
};

struct recent {
    struct live *live;
    struct recent_names *names;
    struct secret_print_key text_key;
    unsigned char name_key[SECRET_TABLE_KEY_BYTES];
    struct series *results[RECENT_KINDS][RESULTS];
    struct series *entries;
    struct series *bytes;
    struct series *labels_changed;
    struct lock locks[RECENT_LOCKS];
    _Atomic uint64_t labels_versions[PROFILES_MAX];
    _Atomic(const uint64_t *) marks[PROFILES_MAX]; /* of the tables: to be fetched without a lock, never read */
    _Atomic size_t set_counts[PROFILES_MAX]; /* of the tables: which lock a set has; 0 = there is no table */
    struct table *tables[PROFILES_MAX];      /* by number; read under any lock, changed under all */
};

uint64_t recent_table_bytes(uint64_t entries)
{
    return entries == 0 ? 0 : sizeof(struct table) + entries * (sizeof(struct entry) + sizeof(uint64_t));
}

static void find_series(struct recent *recent, struct metrics *metrics)
{
    static const char *const kinds[RECENT_KINDS] = {[RECENT_JUDGED] = "judged", [RECENT_REVIEWED] = "reviewed"};
    static const char *const results[RESULTS] = {
        [HIT] = "hit", [MISS] = "miss", [EXPIRED] = "expired", [EVICTED] = "evicted"};

    for (size_t kind = 0; kind < RECENT_KINDS; kind++) {
        for (size_t result = 0; result < RESULTS; result++) {
            const struct metric_label labels[] = {{"kind", kinds[kind]}, {"result", results[result]}};

            recent->results[kind][result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_recent_total",
                                                           "Texts looked for among those that are known", labels, 2);
        }
    }
    recent->entries = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_recent_entries",
                                     "What is known of texts of late", NULL, 0);
    recent->bytes = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_recent_bytes",
                                   "Memory that is set aside for it", NULL, 0);
    recent->labels_changed = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_labels_changed_total",
                                            "Times that what reviews found was forgotten for what people may have said since",
                                            NULL, 0);
}

enum status recent_open(struct recent **out, struct live *live, struct metrics *metrics)
{
    struct recent *recent = aligned_alloc(CACHE_LINE_BYTES, sizeof *recent); /* a multiple of its alignment */
    enum status status;

    assert(out != NULL);
    if (recent == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(recent, 0, sizeof *recent);
    status = recent_names_open(&recent->names);
    if (status != STATUS_OK) {
        free(recent);
        return status;
    }
    recent->live = live;
    secret_print_key_make(&recent->text_key);
    secret_random(recent->name_key, sizeof recent->name_key);
    for (size_t index = 0; index < RECENT_LOCKS; index++) {
        (void)pthread_mutex_init(&recent->locks[index].mutex, NULL); /* on Linux it cannot fail without attributes */
    }
    find_series(recent, metrics);
    *out = recent;
    return STATUS_OK;
}

void recent_close(struct recent **recent)
{
    assert(recent != NULL);
    if (*recent == NULL) {
        return;
    }
    for (size_t number = 0; number < PROFILES_MAX; number++) {
        free((*recent)->tables[number]);
    }
    for (size_t index = 0; index < RECENT_LOCKS; index++) {
        (void)pthread_mutex_destroy(&(*recent)->locks[index].mutex);
    }
    recent_names_close(&(*recent)->names);
    free(*recent);
    *recent = NULL;
}

/* Sets are as large as they must be to hold `entries`, but for a rest of less than one a set. */
static struct table *make_table(uint64_t entries)
{
    struct table *table = calloc(1, recent_table_bytes(entries));

    if (table != NULL) {
        table->entries = entries;
        table->set_count = entries < RECENT_WAYS ? 1 : (size_t)entries / RECENT_WAYS;
        table->ways = (size_t)entries / table->set_count;
        table->marks = (uint64_t *)(table->all + entries);
    }
    return table;
}

static size_t count_entries(const struct table *table)
{
    size_t count = 0;

    for (size_t index = 0; index < table->set_count * table->ways; index++) {
        count += table->all[index].until_ms != 0;
    }
    return count;
}

/* Nobody uses what is returned any more. */
static struct table *exchange(struct recent *recent, size_t number, struct table *table)
{
    struct table *before;

    for (size_t index = 0; index < RECENT_LOCKS; index++) {
        (void)pthread_mutex_lock(&recent->locks[index].mutex);
    }
    before = recent->tables[number];
    recent->tables[number] = table;
    atomic_store_explicit(&recent->marks[number], table == NULL ? NULL : table->marks, memory_order_relaxed);
    atomic_store_explicit(&recent->set_counts[number], table == NULL ? 0 : table->set_count, memory_order_relaxed);
    for (size_t index = RECENT_LOCKS; index > 0; index--) {
        (void)pthread_mutex_unlock(&recent->locks[index - 1].mutex);
    }
    return before;
}

static enum status fit_one(struct recent *recent, size_t number, uint64_t entries)
{
    struct table *table = recent->tables[number]; /* this thread alone changes it */

    if ((table == NULL ? 0 : table->entries) == entries) {
        return STATUS_OK;
    }
    if (table != NULL) {
        table = exchange(recent, number, NULL); /* freed first: a process never holds both */
        series_add(recent->entries, -(int64_t)count_entries(table));
        series_add(recent->bytes, -(int64_t)recent_table_bytes(table->entries));
        free(table);
    }
    if (entries == 0) {
        return STATUS_OK;
    }
    table = make_table(entries);
    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    series_add(recent->bytes, (int64_t)recent_table_bytes(entries));
    (void)exchange(recent, number, table);
    return STATUS_OK;
}

enum status recent_fit(struct recent *recent, const struct settings *settings)
{
    uint64_t wanted[PROFILES_MAX] = {0};
    enum status first = STATUS_OK;

    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];
        size_t number;

        if (live_number(recent->live, profile->name, &number) == STATUS_OK) { /* else no judge takes the profile either */
            wanted[number] = profile->cache.entries;
        }
    }
    for (size_t number = 0; number < PROFILES_MAX; number++) {
        enum status status = fit_one(recent, number, wanted[number]);

        first = first == STATUS_OK ? status : first;
    }
    return first;
}

uint64_t recent_labels_version(const struct recent *recent, size_t profile)
{
    return recent == NULL ? 0 : atomic_load_explicit(&recent->labels_versions[profile], memory_order_acquire);
}

/* Released: who sees the new version also sees that the database is there to be asked (history_lookup). */
void recent_labels_changed(struct recent *recent, const char *name)
{
    size_t number;

    if (live_number(recent->live, name, &number) == STATUS_OK) { /* else nothing is known of its texts */
        (void)atomic_fetch_add_explicit(&recent->labels_versions[number], 1, memory_order_acq_rel);
        series_add(recent->labels_changed, 1);
    }
}

enum status recent_basis_of(const struct recent *recent, const struct rules *rules, size_t index, enum recent_kind kind,
                            struct recent_basis *out)
{
    const struct profile_settings *profile = &rules_settings(rules)->profiles[index];
    struct recent_basis basis = {.kind = kind, .ttl_ms = profile->cache.entries == 0 ? 0 : profile->cache.ttl_ms};
    enum status status = live_number(recent->live, profile->name, &basis.profile);

    if (status == STATUS_OK) {
        memcpy(basis.digest,
               kind == RECENT_JUDGED ? keywords_digest(rules_keywords(rules)[index]) : rules_review_digest(rules, index),
               sizeof basis.digest);
        *out = basis;
    }
    return status;
}

struct print recent_print_of(const struct recent *recent, struct bytes text)
{
    struct print print;

    secret_print(print.bytes, &recent->text_key, text);
    return print;
}

bool recent_print_named(const struct recent *recent, struct bytes name, struct bytes text, struct print *out)
{
    struct print named;

    if (name.count == 0) {
        *out = recent_print_of(recent, text);
        return true;
    }
    assert(name.count == sizeof named.bytes);
    memcpy(named.bytes, name.data, sizeof named.bytes);
    if (text.count == 0) {
        return recent_names_find(recent->names, &named, out);
    }
    *out = recent_print_of(recent, text);
    recent_names_keep(recent->names, &named, out);
    return true;
}

static void settle_ground(const struct recent *recent, struct recent_basis *basis)
{
    struct {
        uint64_t model_version;
        uint64_t labels_version;
        uint64_t kind;
        unsigned char digest[SHA256_BYTES];
    } whole = {.model_version = basis->model_version, .labels_version = basis->labels_version, .kind = basis->kind};

    _Static_assert(sizeof whole == 3 * sizeof(uint64_t) + SHA256_BYTES, "no byte of it is padding");
    memcpy(whole.digest, basis->digest, sizeof whole.digest);
    secret_table_hash(basis->ground, recent->name_key, (struct bytes){(const char *)&whole, sizeof whole});
    basis->ground_version = basis->model_version;
    basis->ground_labels_version = basis->labels_version;
    basis->has_ground = true;
}

/* Both are hashes by keys that nobody knows: that two pairs give one name is as rare as that two texts give one print. */
static struct name name_of(const struct recent *recent, struct recent_basis *basis, const struct print *print)
{
    struct name name;

    if (!basis->has_ground || basis->ground_version != basis->model_version ||
        basis->ground_labels_version != basis->labels_version) {
        settle_ground(recent, basis);
    }
    for (size_t index = 0; index < sizeof name.bytes; index++) {
        name.bytes[index] = print->bytes[index] ^ basis->ground[index];
    }
    return name;
}

void recent_expect_name(const struct recent *recent, struct bytes name)
{
    struct print named;

    if (name.count == sizeof named.bytes) {
        memcpy(named.bytes, name.data, sizeof named.bytes);
        recent_names_expect(recent->names, &named);
    }
}

void recent_expect(const struct recent *recent, struct recent_basis *basis, const struct print *print)
{
    const uint64_t *marks = atomic_load_explicit(&recent->marks[basis->profile], memory_order_relaxed);
    size_t set_count = atomic_load_explicit(&recent->set_counts[basis->profile], memory_order_relaxed);
    struct name name = name_of(recent, basis, print);
    uint64_t half;

    if (marks != NULL && set_count > 0) {
        memcpy(&half, name.bytes, sizeof half);
        marks += half % set_count * RECENT_WAYS; /* there, or near where sets have some more; nothing is read */
        __builtin_prefetch(marks);
        __builtin_prefetch(marks + RECENT_WAYS / 2);
    }
}

/* A set with its lock held, until end_look. */
struct look {
    struct lock *lock;
    struct table *table;
    size_t first; /* entry of the set */
    uint64_t mark; /* of the name */
    struct entry *found; /* NULL: none has the name */
};

/* False where the profile has no table, or is just being given another one. */
static bool begin_look(struct recent *recent, size_t number, const struct name *name, struct look *out)
{
    size_t set_count = atomic_load_explicit(&recent->set_counts[number], memory_order_relaxed);
    struct look look = {0};
    struct table *table;
    uint64_t halves[2];
    size_t set;

    _Static_assert(sizeof halves == sizeof *name, "one for the set, one for the mark");
    if (set_count == 0) {
        return false;
    }
    memcpy(halves, name->bytes, sizeof halves);
    set = halves[0] % set_count;
    look.mark = halves[1];
    look.lock = &recent->locks[set % RECENT_LOCKS];
    (void)pthread_mutex_lock(&look.lock->mutex);
    table = look.table = recent->tables[number];
    if (table == NULL || table->set_count != set_count) {
        (void)pthread_mutex_unlock(&look.lock->mutex);
        return false;
    }
    look.first = set * table->ways;
    for (size_t index = look.first; look.found == NULL && index < look.first + table->ways; index++) {
        struct entry *entry = &table->all[index];

        if (table->marks[index] == look.mark && entry->until_ms != 0 && memcmp(&entry->name, name, sizeof *name) == 0) {
            look.found = entry;
        }
    }
    *out = look;
    return true;
}

static void end_look(struct look *look)
{
    (void)pthread_mutex_unlock(&look->lock->mutex);
}

bool recent_find(struct recent *recent, struct recent_basis *basis, const struct print *print, uint64_t now_ms,
                 struct recent_finding *out)
{
    struct name name = name_of(recent, basis, print);
    enum result result = MISS;
    struct look look;

    if (!begin_look(recent, basis->profile, &name, &look)) {
        return false;
    }
    if (look.found != NULL && now_ms >= look.found->until_ms) {
        look.found->until_ms = 0;
        series_add(recent->entries, -1);
        result = EXPIRED;
    } else if (look.found != NULL) {
        look.found->used = ++look.lock->used_last;
        *out = look.found->finding;
        result = HIT;
    }
    end_look(&look);
    series_add(recent->results[basis->kind][result], 1);
    return result == HIT;
}

/* What can best be spared: an empty entry, one that is too old, the one not used for longest. */
static struct entry *choose(const struct look *look, uint64_t now_ms)
{
    struct entry *chosen = NULL;

    for (size_t index = look->first; index < look->first + look->table->ways; index++) {
        struct entry *entry = &look->table->all[index];

        if (now_ms >= entry->until_ms) {
            return entry;
        }
        if (chosen == NULL || entry->used < chosen->used) {
            chosen = entry;
        }
    }
    return chosen;
}

void recent_keep(struct recent *recent, struct recent_basis *basis, const struct print *print, uint64_t now_ms,
                 const struct recent_finding *finding)
{
    struct name name = name_of(recent, basis, print);
    struct entry *entry;
    struct look look;

    if (basis->ttl_ms == 0 || !begin_look(recent, basis->profile, &name, &look)) {
        return;
    }
    entry = look.found == NULL ? choose(&look, now_ms) : look.found;
    if (entry->until_ms == 0) {
        series_add(recent->entries, 1);
    } else if (entry != look.found) {
        series_add(recent->results[basis->kind][now_ms >= entry->until_ms ? EXPIRED : EVICTED], 1);
    }
    *entry = (struct entry){
        .name = name, .until_ms = now_ms + basis->ttl_ms, .used = ++look.lock->used_last, .finding = *finding};
    look.table->marks[entry - look.table->all] = look.mark;
    end_look(&look);
}
