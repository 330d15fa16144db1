/* callers: a table of keyed hashes, and behind it an account for each name that outlives a reload. */
#include "gateway/callers.h"

#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NS_A_MS = 1000000, NS_A_US = 1000 };
static const uint64_t ns_a_second = 1000000000u;

struct account {
    char name[PROFILE_NAME_BYTES_MAX + 1];
    bool counted; /* has series of its own */
    _Atomic size_t holders;
    _Atomic uint64_t in_flight;
    _Atomic uint64_t full_at_ns; /* the bucket is full from then on */
    struct series *results[CALLER_RESULTS];
};

struct caller {
    unsigned char slot[TEXT_HASH_BYTES]; /* what the table is sorted by */
    unsigned char sha256[SHA256_BYTES];
    const struct key_settings *settings;
    struct account *account;
};

struct callers {
    unsigned char hash_key[SECRET_HASH_KEY_BYTES]; /* the process's: the same after a reload */
    size_t count;
    struct caller *at;        /* by slot */
    struct account **by_name; /* held */
    size_t counted;           /* names that ever had series: those of a reload are not forgotten */
    struct series *missing;
    struct series *unknown;
};

static struct bytes view(const void *data, size_t count)
{
    return (struct bytes){data, count};
}

static void slot_of(unsigned char out[TEXT_HASH_BYTES], const struct callers *callers, const unsigned char sha256[SHA256_BYTES])
{
    secret_text_hash(out, callers->hash_key, view(sha256, SHA256_BYTES));
}

static int compare_slots(const void *left, const void *right)
{
    return memcmp(((const struct caller *)left)->slot, ((const struct caller *)right)->slot, TEXT_HASH_BYTES);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp((*(struct account *const *)left)->name, (*(struct account *const *)right)->name);
}

static int compare_name(const void *name, const void *account)
{
    return strcmp(name, (*(struct account *const *)account)->name);
}

static struct series *series_of(struct metrics *metrics, const char *name, const char *result)
{
    return metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_key_requests_total",
                          "Requests by the caller's key and what came of it at the door",
                          (const struct metric_label[]){{"key", name}, {"result", result}}, 2);
}

static struct account *open_account(struct callers *callers, const char *name, struct metrics *metrics)
{
    static const char *const results[] = {
#define CALLER_ROW(enumerator, result) [enumerator] = result,
        CALLER_RESULT_TABLE(CALLER_ROW)
#undef CALLER_ROW
    };
    struct account *account = calloc(1, sizeof *account);

    if (account == NULL || bytes_copy(bytes_of(name), account->name, sizeof account->name) != STATUS_OK) {
        free(account);
        return NULL;
    }
    atomic_init(&account->holders, 1);
    account->counted = callers->counted < KEYS_COUNTED_MAX;
    callers->counted += account->counted ? 1 : 0;
    for (size_t result = 0; result < CALLER_RESULTS; result++) {
        account->results[result] = series_of(metrics, account->counted ? name : "other", results[result]);
    }
    return account;
}

static void release_account(struct account *account)
{
    if (account != NULL && atomic_fetch_sub_explicit(&account->holders, 1, memory_order_acq_rel) == 1) {
        free(account);
    }
}

/* The account of this name, held: the one that was there before, or a new one. */
static struct account *take_account(struct callers *callers, const char *name, const struct callers *before,
                                    struct metrics *metrics)
{
    struct account **kept = before == NULL || before->count == 0
                                ? NULL
                                : bsearch(name, before->by_name, before->count, sizeof before->by_name[0], compare_name);

    if (kept == NULL) {
        return open_account(callers, name, metrics);
    }
    (void)atomic_fetch_add_explicit(&(*kept)->holders, 1, memory_order_relaxed);
    return *kept;
}

/* The settings have seen to it that these are lower-case digits. */
static enum status read_sha256(const char *digits, unsigned char out[SHA256_BYTES])
{
    if (strlen(digits) != SETTINGS_SHA256_DIGITS) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 0; index < SHA256_BYTES; index++) {
        out[index] = (unsigned char)(bytes_hex_digit(digits[2 * index]) * 16 + bytes_hex_digit(digits[2 * index + 1]));
    }
    return STATUS_OK;
}

static enum status open_all(struct callers *callers, const struct settings *settings, const struct callers *before,
                            struct metrics *metrics)
{
    for (size_t index = 0; index < settings->key_count; index++) {
        struct caller *caller = &callers->at[index];
        enum status status;

        caller->settings = &settings->keys[index];
        status = read_sha256(caller->settings->sha256, caller->sha256);
        if (status != STATUS_OK) {
            return status;
        }
        slot_of(caller->slot, callers, caller->sha256);
        caller->account = take_account(callers, caller->settings->name, before, metrics);
        if (caller->account == NULL) {
            return STATUS_NO_MEMORY;
        }
        callers->by_name[callers->count++] = caller->account;
    }
    qsort(callers->at, callers->count, sizeof callers->at[0], compare_slots);
    qsort(callers->by_name, callers->count, sizeof callers->by_name[0], compare_names);
    return STATUS_OK;
}

enum status callers_open(struct callers **out, const struct settings *settings, const struct callers *before,
                         struct metrics *metrics)
{
    struct callers *callers = calloc(1, sizeof *callers);
    enum status status = STATUS_NO_MEMORY;

    if (callers == NULL) {
        return STATUS_NO_MEMORY;
    }
    /* One more than needed: an allocation of nothing is no special case then. */
    callers->at = calloc(settings->key_count + 1, sizeof callers->at[0]);
    callers->by_name = calloc(settings->key_count + 1, sizeof callers->by_name[0]);
    if (callers->at != NULL && callers->by_name != NULL) {
        if (before != NULL) {
            memcpy(callers->hash_key, before->hash_key, sizeof callers->hash_key);
            callers->counted = before->counted;
        } else {
            secret_random(callers->hash_key, sizeof callers->hash_key);
        }
        status = open_all(callers, settings, before, metrics);
    }
    if (status != STATUS_OK) {
        callers_close(&callers);
        return status;
    }
    callers->missing = series_of(metrics, "none", "missing"); /* no key is called so */
    callers->unknown = series_of(metrics, "none", "unknown");
    *out = callers;
    return STATUS_OK;
}

void callers_close(struct callers **callers)
{
    if (*callers != NULL) {
        for (size_t index = 0; index < (*callers)->count; index++) {
            release_account((*callers)->by_name[index]);
        }
        free((*callers)->at);
        free((*callers)->by_name);
        free(*callers);
        *callers = NULL;
    }
}

bool callers_are_known(const struct callers *callers)
{
    return callers->count > 0;
}

struct caller *callers_find(const struct callers *callers, struct bytes credential)
{
    struct caller wanted;
    struct caller *found;

    if (callers->count == 0 || credential.count == 0 || credential.count > CREDENTIAL_BYTES_MAX) {
        return NULL;
    }
    secret_sha256(wanted.sha256, credential);
    slot_of(wanted.slot, callers, wanted.sha256);
    found = bsearch(&wanted, callers->at, callers->count, sizeof callers->at[0], compare_slots);
    return found != NULL && secret_equal(view(found->sha256, SHA256_BYTES), view(wanted.sha256, SHA256_BYTES)) ? found : NULL;
}

void callers_digest(const struct callers *callers, struct bytes credential, char out[CALLER_DIGEST_DIGITS + 1])
{
    unsigned char hash[TEXT_HASH_BYTES];

    secret_text_hash(hash, callers->hash_key, credential);
    secret_hex(out, view(hash, CALLER_DIGEST_DIGITS / 2));
}

void callers_count_stranger(const struct callers *callers, bool has_credential)
{
    series_add(has_credential ? callers->unknown : callers->missing, 1);
}

struct bytes caller_name(const struct caller *caller)
{
    return bytes_of(caller->settings->name);
}

bool caller_may_use(struct caller *caller, const char *route_path)
{
    const struct key_settings *settings = caller->settings;

    for (size_t index = 0; index < settings->route_count; index++) {
        if (strcmp(settings->routes[index], route_path) == 0) {
            return true;
        }
    }
    if (settings->route_count > 0) {
        series_add(caller->account->results[CALLER_FORBIDDEN], 1);
    }
    return settings->route_count == 0;
}

/* A bucket that a slower rate has emptied, before a reload, is empty by this one too, and not emptier. */
static void fit_bucket(struct account *account, uint64_t empty_ns)
{
    uint64_t full_at_ns = atomic_load_explicit(&account->full_at_ns, memory_order_relaxed);

    while (full_at_ns > empty_ns &&
           !atomic_compare_exchange_weak_explicit(&account->full_at_ns, &full_at_ns, empty_ns, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* Takes one out of the bucket; 0, or how long it is until there is one.
 *
 *   now          full_at            the bucket holds `count`; what is missing comes back one each `interval`:
 *    |------------|                 full_at - now = missing * interval <= period, and one more must fit
 */
static uint64_t take_turn(struct account *account, const struct rate_settings *rate, uint64_t now_ns)
{
    uint64_t empty_ns = now_ns + rate->period_ms * NS_A_MS;
    uint64_t interval_ns = rate->period_ms * NS_A_MS / rate->count;
    uint64_t full_at_ns;
    uint64_t next_ns;

    fit_bucket(account, empty_ns);
    full_at_ns = atomic_load_explicit(&account->full_at_ns, memory_order_relaxed);
    do {
        next_ns = (full_at_ns > now_ns ? full_at_ns : now_ns) + interval_ns;
        if (next_ns > empty_ns) {
            return next_ns - empty_ns;
        }
    } while (!atomic_compare_exchange_weak_explicit(&account->full_at_ns, &full_at_ns, next_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}

enum caller_result caller_enter(struct caller *caller, uint64_t now_us, unsigned *retry_after_s)
{
    const struct key_settings *settings = caller->settings;
    struct account *account = caller->account;
    enum caller_result result = CALLER_ADMITTED;
    /* Taken first and looked at then, as in admit. */
    uint64_t before = atomic_fetch_add_explicit(&account->in_flight, 1, memory_order_relaxed);
    uint64_t wait_ns;

    if (settings->in_flight != SETTINGS_AUTO && before >= settings->in_flight) {
        *retry_after_s = RETRY_AFTER_S;
        result = CALLER_IN_FLIGHT;
    } else if (settings->rate.count > 0) {
        wait_ns = take_turn(account, &settings->rate, now_us * NS_A_US);
        if (wait_ns > 0) {
            *retry_after_s = (unsigned)((wait_ns + ns_a_second - 1) / ns_a_second);
            result = CALLER_RATE;
        }
    }
    if (result != CALLER_ADMITTED) {
        caller_leave(caller);
    }
    series_add(account->results[result], 1);
    return result;
}

void caller_leave(struct caller *caller)
{
    uint64_t before = atomic_fetch_sub_explicit(&caller->account->in_flight, 1, memory_order_relaxed);

    assert(before > 0);
}

uint64_t caller_in_flight(const struct caller *caller)
{
    return atomic_load_explicit(&caller->account->in_flight, memory_order_relaxed);
}

size_t callers_in_flight(const struct callers *callers)
{
    size_t count = 0;

    for (size_t index = 0; index < callers->count; index++) {
        count += caller_in_flight(&callers->at[index]) > 0 ? 1 : 0;
    }
    return count;
}
