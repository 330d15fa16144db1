/* settings_allowed: numbers in their units and what a row allows, in words. */
#include "proto/limits.h"
#include "proto/settings_table.h"

#include <assert.h>

enum status setting_number(enum setting_type type, uint64_t number, struct buffer *out)
{
    static const struct {
        enum setting_type type;
        uint64_t factor;
        const char *unit;
    } units[] = {
        {SETTING_BYTES, MIB, "MiB"}, {SETTING_BYTES, KIB, "KiB"},   {SETTING_BYTES, 1, "B"},
        {SETTING_TIME, 86400000, "d"}, {SETTING_TIME, 3600000, "h"},
        {SETTING_BYTE_RATE, MIB, "MiB/s"}, {SETTING_BYTE_RATE, KIB, "KiB/s"}, {SETTING_BYTE_RATE, 1, "B/s"},
        {SETTING_TIME, 60000, "m"},  {SETTING_TIME, 1000, "s"}, {SETTING_TIME, 1, "ms"},
    };

    /* The largest unit that leaves nothing over. */
    for (size_t index = 0; number > 0 && index < sizeof units / sizeof units[0]; index++) {
        if (units[index].type == type && number % units[index].factor == 0) {
            return buffer_append_format(out, "%llu%s", (unsigned long long)(number / units[index].factor), units[index].unit);
        }
    }
    return buffer_append_format(out, "%llu", (unsigned long long)number);
}

static enum status append_range(const struct setting *row, struct buffer *out)
{
    enum status status = setting_number(row->type, row->min, out);

    if (status == STATUS_OK) {
        status = buffer_append_text(out, " to ");
    }
    if (status == STATUS_OK) {
        status = setting_number(row->type, row->max, out);
    }
    if (status == STATUS_OK && row->type != SETTING_NUMBER) {
        status = buffer_append_text(out, row->type == SETTING_BYTES       ? " (units B, KiB, MiB)"
                                         : row->type == SETTING_BYTE_RATE ? " (units B/s, KiB/s, MiB/s)"
                                                                          : " (units ms, s, m, h, d)");
    }
    return status;
}

static enum status append_choices(const struct setting_choice *choices, struct buffer *out)
{
    enum status status = STATUS_OK;

    for (const struct setting_choice *choice = choices; choice->name != NULL && status == STATUS_OK; choice++) {
        const char *between = choice == choices ? "" : choice[1].name == NULL ? " or " : ", ";

        status = buffer_append_format(out, "%s%s", between, choice->name);
    }
    return status;
}

static enum status append_form(enum setting_type type, struct buffer *out)
{
    switch (type) {
    case SETTING_TEXT:
        return buffer_append_text(out, "text without control characters");
    case SETTING_NAME:
        return buffer_append_text(out, "the name of a profile, or none");
    case SETTING_LABEL:
        return buffer_append_text(out, "a name of letters, digits, - and _, not none");
    case SETTING_SHA256:
        return buffer_append_text(out, "64 lower-case hexadecimal digits");
    case SETTING_PREFIX:
        return buffer_append_text(out, "a path such as /openai: letters, digits, - . _ ~, no / at the end");
    case SETTING_LISTEN:
        return buffer_append_text(out, "host:port, such as 127.0.0.1:8080 or [::]:8080");
    case SETTING_LISTEN_ANY:
        return buffer_append_text(out, "host:port, such as 127.0.0.1:8080 or [::]:8080, or unix:/path");
    case SETTING_NETWORK:
        return buffer_append_text(out, "a network such as 10.0.0.0/8 or fd00::/8, an address, or unix");
    case SETTING_UPSTREAM:
        return buffer_append_text(out, "http:// or https://, host, optional port and path; no user, query or fragment");
    case SETTING_URL:
        return buffer_append_text(out, "http:// or https://, host, optional port, path and query; no user or fragment");
    case SETTING_FILE:
    case SETTING_PROFILE_FILE:
        return buffer_append_text(out, "the name of a file");
    case SETTING_FOLDER:
        return buffer_append_text(out, "the name of a folder");
    case SETTING_BIND:
        return buffer_append_text(out, "tcp://address:port or ipc://path");
    case SETTING_CONNECT:
        return buffer_append_text(out, "tcp://host:port or ipc://path");
    case SETTING_MODEL:
        return buffer_append_text(out, "the name of a model");
    case SETTING_HOST:
        return buffer_append_text(out, "a host, or true or false alone");
    case SETTING_URL_HOST:
        return buffer_append_text(out, "a host, optional port and path prefix, such as api.openai.com or http://llm:8000/v1");
    default:
        assert(false);
        return STATUS_MALFORMED;
    }
}

enum status setting_allowed(const struct setting *row, struct buffer *out)
{
    enum status status = STATUS_OK;

    if (row->automatic) {
        status = buffer_append_text(out, row->type == SETTING_NUMBER ? "auto or " : "off or ");
    }
    if (status != STATUS_OK) {
        return status;
    }
    switch (row->type) {
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_BYTE_RATE:
    case SETTING_TIME:
        return append_range(row, out);
    case SETTING_RATE:
        return buffer_append_format(out, "%llu to %llu in a time, such as 50/s (units /s, /m, /h)", (unsigned long long)row->min,
                                    (unsigned long long)row->max);
    case SETTING_SHARE:
        return buffer_append_text(out, "0 to 1, such as 0.25");
    case SETTING_BOOLEAN:
        return buffer_append_text(out, "true or false");
    case SETTING_CHOICE:
        return append_choices(row->choices, out);
    case SETTING_CHOICES:
        status = buffer_append_text(out, "a list of ");
        return status == STATUS_OK ? append_choices(row->choices, out) : status;
    case SETTING_LIST:
        status = buffer_append_format(out, "a list of %llu to %llu, each ", (unsigned long long)row->min,
                                      (unsigned long long)row->max);
        return status == STATUS_OK ? append_form(row->item, out) : status;
    default:
        status = append_form(row->type, out);
        return status == STATUS_OK ? buffer_append_format(out, " (at most %llu bytes)", (unsigned long long)row->max) : status;
    }
}
