/* history_spool: labels to records and back, and the search for a folder that no other process holds. */
#include "moderator/history_spool.h"

#include "moderator/share.h"
#include "moderator/spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_VERSION = 4, RECORD_VERSION_BEFORE = 3, FLAG_VIOLATION = 1, FLAG_TEXT = 2, FLAG_CALLER = 4 };

/* Where the parts of a record stand. */
enum {
    AT_VERSION,
    AT_FLAGS,
    AT_DRAWN,
    AT_CATEGORY_COUNT,
    AT_PROFILE_COUNT,
    AT_HASH,
    AT_LABELLED = AT_HASH + TEXT_HASH_BYTES,
    AT_CALLER = AT_LABELLED + sizeof(uint64_t),
    AT_MODEL = AT_CALLER + TEXT_HASH_BYTES,
    AT_CATEGORY_BEFORE = AT_MODEL, /* in records of version 3 */
    AT_SHARE = AT_MODEL + sizeof(uint64_t),
    AT_CATEGORY = AT_SHARE + sizeof(uint32_t),
};

_Static_assert(CATEGORY_BYTES_MAX <= UINT8_MAX && PROFILE_NAME_BYTES_MAX <= UINT8_MAX, "a count is one byte");
_Static_assert(SPOOL_RECORD_BYTES_MAX - SAMPLE_TEXT_BYTES_MAX >= AT_CATEGORY + CATEGORY_BYTES_MAX + PROFILE_NAME_BYTES_MAX,
               "the longest label fits a record");

struct history_spool {
    const struct settings *settings;
    unsigned number;       /* of our folder */
    struct spool *own;     /* ours; what is added goes there */
    struct spool *adopted; /* a dead process's, read before ours; NULL = none */
    struct buffer record; /* the one that is being written */
};

/* The name of a folder of the state_dir. */
static enum status name_folder(const struct settings *settings, unsigned number, char dir[PATH_BYTES_MAX + 1])
{
    int length = snprintf(dir, PATH_BYTES_MAX + 1, "%s/%u", settings->moderator.state_dir, number);

    return length > 0 && length <= PATH_BYTES_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status history_spool_open(struct history_spool **out, const struct settings *settings)
{
    struct history_spool *spool = calloc(1, sizeof *spool);
    char dir[PATH_BYTES_MAX + 1];
    enum status status = STATUS_CONFLICT;

    if (spool == NULL) {
        return STATUS_NO_MEMORY;
    }
    spool->settings = settings;
    buffer_init(&spool->record, SPOOL_RECORD_BYTES_MAX);
    for (unsigned number = 0; status == STATUS_CONFLICT && number < STATE_FOLDERS_MAX; number++) {
        spool->number = number;
        status = name_folder(settings, number, dir);
        if (status == STATUS_OK) {
            status = spool_open(&spool->own, dir, settings->moderator.spool_bytes);
        }
    }
    if (status != STATUS_OK) {
        history_spool_close(&spool);
        return status;
    }
    *out = spool;
    return STATUS_OK;
}

/* STATUS_NOT_FOUND when there is no such folder, or nothing in it; STATUS_CONFLICT when its process lives. */
static enum status adopt_folder(struct history_spool *spool, unsigned number)
{
    char dir[PATH_BYTES_MAX + 1];
    enum status status = name_folder(spool->settings, number, dir);

    if (status == STATUS_OK && access(dir, F_OK) != 0) {
        return STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = spool_open(&spool->adopted, dir, spool->settings->moderator.spool_bytes);
    }
    if (status == STATUS_OK && spool_count(spool->adopted) == 0) {
        spool_close(&spool->adopted);
        return STATUS_NOT_FOUND;
    }
    return status;
}

enum status history_spool_adopt(struct history_spool *spool, unsigned *number)
{
    enum status worst = STATUS_NOT_FOUND;

    assert(spool->adopted == NULL);
    for (unsigned at = 0; at < STATE_FOLDERS_MAX; at++) {
        enum status status = at == spool->number ? STATUS_CONFLICT : adopt_folder(spool, at);

        if (status == STATUS_OK) {
            *number = at;
            return STATUS_OK;
        }
        if (status != STATUS_NOT_FOUND && status != STATUS_CONFLICT) {
            *number = at;
            worst = status; /* another folder may be sound */
        }
    }
    return worst;
}

bool history_spool_has_adopted(const struct history_spool *spool)
{
    return spool->adopted != NULL;
}

void history_spool_close(struct history_spool **spool)
{
    assert(spool != NULL);
    if (*spool == NULL) {
        return;
    }
    spool_close(&(*spool)->own);
    spool_close(&(*spool)->adopted);
    buffer_free(&(*spool)->record);
    free(*spool);
    *spool = NULL;
}

/* Numbers of a record: little-endian. */
static void put_number(char *out, uint64_t number, size_t bytes)
{
    for (size_t index = 0; index < bytes; index++) {
        out[index] = (char)(unsigned char)(number >> 8 * index);
    }
}

static uint64_t get_number(const char *in, size_t bytes)
{
    uint64_t number = 0;

    for (size_t index = 0; index < bytes; index++) {
        number |= (uint64_t)(unsigned char)in[index] << 8 * index;
    }
    return number;
}

enum status history_spool_add(struct history_spool *spool, const struct history_entry *entry)
{
    struct bytes profile = bytes_of(spool->settings->profiles[entry->profile].name);
    struct bytes category = bytes_of(entry->category);
    char head[AT_CATEGORY] = {
        [AT_VERSION] = RECORD_VERSION,
        [AT_FLAGS] = (char)((entry->violation ? FLAG_VIOLATION : 0) | (entry->has_text ? FLAG_TEXT : 0) |
                            (entry->has_caller ? FLAG_CALLER : 0)),
        [AT_DRAWN] = (char)entry->drawn,
        [AT_CATEGORY_COUNT] = (char)(unsigned char)category.count,
        [AT_PROFILE_COUNT] = (char)(unsigned char)profile.count,
    };
    const struct bytes parts[] = {{head, sizeof head}, category, profile, {entry->text, entry->text_count}};
    enum status status = STATUS_OK;

    memcpy(head + AT_HASH, entry->hash, sizeof entry->hash);
    memcpy(head + AT_CALLER, entry->caller, sizeof entry->caller);
    put_number(head + AT_LABELLED, entry->labelled_us, sizeof entry->labelled_us);
    put_number(head + AT_MODEL, entry->model_version, sizeof entry->model_version);
    put_number(head + AT_SHARE, entry->share, sizeof entry->share);
    buffer_clear(&spool->record);
    for (size_t index = 0; status == STATUS_OK && index < sizeof parts / sizeof *parts; index++) {
        status = buffer_append(&spool->record, parts[index]);
    }
    return status == STATUS_OK ? spool_append(spool->own, buffer_view(&spool->record)) : status;
}

enum status history_spool_sync(struct history_spool *spool)
{
    return spool_sync(spool->own);
}

static enum status find_profile(const struct settings *settings, struct bytes name, size_t *out)
{
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (bytes_equal(name, bytes_of(settings->profiles[index].name))) {
            *out = index;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

/* What is read from. */
static struct spool *source(const struct history_spool *spool)
{
    return spool->adopted != NULL ? spool->adopted : spool->own;
}

/* Once it is empty its folder is free again. */
static void leave_empty(struct history_spool *spool)
{
    if (spool->adopted != NULL && spool_count(spool->adopted) == 0) {
        spool_close(&spool->adopted);
    }
}

/* What a process of the version before left is read too. */
static bool has_sound_head(struct bytes record, size_t *out_at_category)
{
    const unsigned char *head = (const unsigned char *)record.data;
    bool is_before = record.count > AT_VERSION && head[AT_VERSION] == RECORD_VERSION_BEFORE;
    size_t at_category = is_before ? AT_CATEGORY_BEFORE : AT_CATEGORY;

    *out_at_category = at_category;
    return record.count >= at_category && (is_before || head[AT_VERSION] == RECORD_VERSION) &&
           (head[AT_FLAGS] & ~(FLAG_VIOLATION | FLAG_TEXT | FLAG_CALLER)) == 0 && head[AT_DRAWN] <= DRAWN_RANDOM &&
           head[AT_CATEGORY_COUNT] <= CATEGORY_BYTES_MAX &&
           (size_t)head[AT_CATEGORY_COUNT] + head[AT_PROFILE_COUNT] <= record.count - at_category &&
           (is_before || get_number(record.data + AT_SHARE, sizeof(uint32_t)) <= SHARE_WHOLE);
}

/* A record into a new entry. STATUS_MALFORMED and STATUS_NOT_FOUND: this record is of no use; STATUS_NO_MEMORY. */
static enum status read_entry(const struct settings *settings, struct bytes record, struct history_entry **out)
{
    const unsigned char *head = (const unsigned char *)record.data;
    struct history_entry *entry;
    struct bytes text;
    size_t at_category; /* behind the head */
    size_t at_text;
    size_t profile;
    enum status status;

    if (!has_sound_head(record, &at_category)) {
        return STATUS_MALFORMED;
    }
    at_text = at_category + head[AT_CATEGORY_COUNT] + head[AT_PROFILE_COUNT];
    text = bytes_from(record, at_text);
    if (text.count > SAMPLE_TEXT_BYTES_MAX) {
        return STATUS_MALFORMED;
    }
    status = find_profile(settings, bytes_first(bytes_from(record, at_category + head[AT_CATEGORY_COUNT]),
                                                head[AT_PROFILE_COUNT]), &profile);
    if (status != STATUS_OK) {
        return status;
    }
    entry = calloc(1, sizeof *entry + text.count);
    if (entry == NULL) {
        return STATUS_NO_MEMORY;
    }
    entry->profile = profile;
    entry->violation = (head[AT_FLAGS] & FLAG_VIOLATION) != 0;
    entry->has_text = (head[AT_FLAGS] & FLAG_TEXT) != 0;
    entry->has_caller = (head[AT_FLAGS] & FLAG_CALLER) != 0;
    entry->drawn = (enum drawn)head[AT_DRAWN];
    memcpy(entry->hash, head + AT_HASH, sizeof entry->hash);
    memcpy(entry->caller, head + AT_CALLER, sizeof entry->caller);
    entry->labelled_us = get_number(record.data + AT_LABELLED, sizeof entry->labelled_us);
    if (at_category == AT_CATEGORY) {
        entry->model_version = get_number(record.data + AT_MODEL, sizeof entry->model_version);
        entry->share = (uint32_t)get_number(record.data + AT_SHARE, sizeof entry->share);
    }
    memcpy(entry->category, head + at_category, head[AT_CATEGORY_COUNT]);
    entry->text_count = text.count;
    if (text.count > 0) {
        memcpy(entry->text, text.data, text.count);
    }
    *out = entry;
    return STATUS_OK;
}

enum status history_spool_take(struct history_spool *spool, size_t count_max, struct history_entry **entries, size_t *count,
                               size_t *given_up)
{
    struct spool *from = source(spool);
    enum status status = STATUS_OK;
    size_t bytes = 0;

    assert(count_max > 0 && count_max <= SAMPLE_BATCH_MAX);
    *count = *given_up = 0;
    spool_rewind(from);
    while (status == STATUS_OK && *count < count_max) {
        struct history_entry *entry = NULL;
        struct bytes record;

        status = spool_next(from, &record);
        if (status != STATUS_OK) {
            break;
        }
        status = read_entry(spool->settings, record, &entry);
        if (*count == 0 && (status == STATUS_MALFORMED || status == STATUS_NOT_FOUND)) {
            (*given_up)++;
            status = spool_forget(from);
        } else if (status == STATUS_OK && *count > 0 &&
                   (entry->profile != entries[0]->profile || bytes + record.count > HISTORY_QUEUE_BYTES_MAX)) {
            free(entry); /* it begins the next batch */
            break;
        } else if (status == STATUS_OK) {
            bytes += record.count;
            entries[(*count)++] = entry;
        }
    }
    spool_rewind(from);
    if (*count == 0) {
        leave_empty(spool);
    }
    /* Whatever ended a batch that has begun will be met again at the head of the next. */
    return *count > 0 ? STATUS_OK : status;
}

enum status history_spool_forget(struct history_spool *spool, size_t count)
{
    struct spool *from = source(spool);
    enum status status = STATUS_OK;

    spool_rewind(from);
    for (size_t index = 0; status == STATUS_OK && index < count; index++) {
        struct bytes record;

        status = spool_next(from, &record);
    }
    if (status == STATUS_OK) {
        status = spool_forget(from);
    }
    leave_empty(spool);
    return status;
}

uint64_t history_spool_count(const struct history_spool *spool)
{
    return spool_count(spool->own) + (spool->adopted != NULL ? spool_count(spool->adopted) : 0);
}

uint64_t history_spool_bytes(const struct history_spool *spool)
{
    return spool_bytes(spool->own) + (spool->adopted != NULL ? spool_bytes(spool->adopted) : 0);
}

uint64_t history_spool_damaged_bytes(const struct history_spool *spool)
{
    return spool_damaged_bytes(source(spool));
}
