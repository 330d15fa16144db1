/* settings_keep: compares two settings row by row of the table and takes back what only a start can change. */
#include "proto/settings_keep.h"

#include "proto/settings_table.h"

#include <assert.h>
#include <string.h>

/* The bytes that the field of a row takes, and for a list those of its items. */
static size_t field_bytes(const struct setting *row)
{
    switch (row->type) {
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_BYTE_RATE:
    case SETTING_TIME:
        return sizeof(uint64_t);
    case SETTING_SHARE:
        return sizeof(double);
    case SETTING_BOOLEAN:
        return sizeof(bool);
    case SETTING_CHOICE:
        return sizeof(int);
    case SETTING_CHOICES:
        return sizeof(unsigned);
    case SETTING_LIST:
        return row->item_bytes * row->max;
    default:
        return row->max + 1; /* text and its terminator */
    }
}

/* Texts are compared as texts: behind a terminator there may be the rest of a default. */
static bool is_same(const struct setting *row, const char *left, const char *right)
{
    size_t left_count;
    size_t right_count;

    if (row->type == SETTING_LIST) {
        memcpy(&left_count, left + row->count_offset, sizeof left_count);
        memcpy(&right_count, right + row->count_offset, sizeof right_count);
        for (size_t index = 0; left_count == right_count && index < left_count; index++) {
            size_t at = row->offset + index * row->item_bytes;

            if (strcmp(left + at, right + at) != 0) {
                return false;
            }
        }
        return left_count == right_count;
    }
    if (row->type > SETTING_CHOICE && row->type != SETTING_CHOICES) {
        return strcmp(left + row->offset, right + row->offset) == 0;
    }
    return memcmp(left + row->offset, right + row->offset, field_bytes(row)) == 0;
}

/* Whose process reads the sections that are read at start. */
static bool concerns(const struct setting *row, const char *service)
{
    static const struct {
        const char *section;
        const char *service; /* NULL = all */
    } readers[] = {
        {"gateway.limits.moderated_text", "moderator"}, {"gateway.", "gateway"},   {"moderation.", "gateway"},
        {"moderator.", "moderator"},                    {"trainer.", "trainer"},   {"database.", "moderator"},
        {"database.", "trainer"},                       {"curve.", NULL},          {"log.", NULL},
    };

    for (size_t index = 0; index < sizeof readers / sizeof readers[0]; index++) {
        if (bytes_starts_with(bytes_of(row->path), bytes_of(readers[index].section)) &&
            (readers[index].service == NULL || strcmp(readers[index].service, service) == 0)) {
            return true;
        }
    }
    return false;
}

size_t settings_keep(struct settings *fresh, const struct settings *old, const char *service, struct buffer *names)
{
    size_t count = 0;

    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        if (setting_is_live(row) || is_same(row, (const char *)fresh, (const char *)old)) {
            continue;
        }
        memcpy((char *)fresh + row->offset, (const char *)old + row->offset, field_bytes(row));
        if (row->type == SETTING_LIST) {
            memcpy((char *)fresh + row->count_offset, (const char *)old + row->count_offset, sizeof(size_t));
        }
        if (concerns(row, service)) {
            /* What has no room is counted, and the first names are the ones to begin with. */
            enum status status = buffer_append_format(names, "%s%s", count == 0 ? "" : ", ", row->path);

            (void)status;
            count++;
        }
    }
    return count;
}
