/* test_settings_value: every row of the table at its bounds, and every type's bad forms. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings.h"
#include "proto/settings_value.h"

#include <stdio.h>
#include <stdlib.h>

/* One of each struct that rows store into; large, so not on the stack. */
struct bases {
    struct settings file;
    struct route_settings route;
    struct profile_settings profile;
    struct key_settings key;
};

static struct bases *bases_open(void)
{
    struct bases *bases = calloc(1, sizeof *bases);

    assert_non_null(bases);
    return bases;
}

static void *base_of(struct bases *bases, const struct setting *row)
{
    switch (setting_scope(row)) {
    case SETTING_OF_ROUTE:
        return &bases->route;
    case SETTING_OF_PROFILE:
        return &bases->profile;
    case SETTING_OF_KEY:
        return &bases->key;
    default:
        return &bases->file;
    }
}

/* Stores and says what became of it; on failure not one byte may have changed. */
static enum status store(struct bases *bases, const struct setting *row, struct bytes text)
{
    struct bases *before = bases_open();
    enum status status;

    memcpy(before, bases, sizeof *before);
    status = setting_store(row, text, base_of(bases, row));
    if (status != STATUS_OK && memcmp(before, bases, sizeof *before) != 0) {
        fail_msg("%s: '%.*s' was refused and changed something", row->path, (int)text.count, text.data);
    }
    free(before);
    return status;
}

static void expect(struct bases *bases, const struct setting *row, enum status expected, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void expect(struct bases *bases, const struct setting *row, enum status expected, const char *format, ...)
{
    char text[2 * PATH_BYTES_MAX];
    va_list arguments;
    enum status status;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    status = store(bases, row, bytes_of(text));
    if (status != expected) {
        fail_msg("%s: '%s' is %s, expected %s", row->path, text, status_name(status), status_name(expected));
    }
}

static uint64_t number_of(struct bases *bases, const struct setting *row)
{
    uint64_t number;

    memcpy(&number, (char *)base_of(bases, row) + row->offset, sizeof number);
    return number;
}

static const char *text_of(struct bases *bases, const struct setting *row)
{
    return (const char *)base_of(bases, row) + row->offset;
}

static void check_number(struct bases *bases, const struct setting *row)
{
    const char *unit = row->type == SETTING_BYTES ? "B" : row->type == SETTING_BYTE_RATE ? "B/s" : row->type == SETTING_TIME ? "ms" : "";
    unsigned long long min = row->min;
    unsigned long long max = row->max;

    assert_true(min < max);
    expect(bases, row, STATUS_OK, "%llu%s", max, unit);
    assert_true(number_of(bases, row) == max);
    expect(bases, row, STATUS_OK, "%llu%s", min, unit);
    assert_true(number_of(bases, row) == min);
    expect(bases, row, STATUS_TOO_LARGE, "%llu%s", max + 1, unit);
    if (min > 0) {
        expect(bases, row, STATUS_TOO_LARGE, "%llu%s", min - 1, unit);
        expect(bases, row, STATUS_TOO_LARGE, "0");
    } else {
        expect(bases, row, STATUS_OK, "0");
    }
    expect(bases, row, STATUS_TOO_LARGE, "18446744073709551616%s", unit);
    expect(bases, row, STATUS_TOO_LARGE, "9007199254740992%s", row->type == SETTING_BYTES ? "MiB"
                                                               : row->type == SETTING_BYTE_RATE ? "MiB/s"
                                                               : row->type == SETTING_TIME      ? "h" : "");
    expect(bases, row, STATUS_MALFORMED, "%s", unit);
    expect(bases, row, STATUS_MALFORMED, "-%llu%s", max, unit);
    expect(bases, row, STATUS_MALFORMED, "+%llu%s", max, unit);
    expect(bases, row, STATUS_MALFORMED, "%llu.5%s", min, unit);
    expect(bases, row, STATUS_MALFORMED, "%llu %s ", min, unit);
    expect(bases, row, STATUS_MALFORMED, "%llux", max);
    expect(bases, row, STATUS_MALFORMED, "0x10%s", unit);
    if (unit[0] != '\0') {
        expect(bases, row, STATUS_MALFORMED, "%llu", max); /* a unit is never guessed */
        expect(bases, row, STATUS_MALFORMED, "%lluKB", max);
    }
    expect(bases, row, row->automatic ? STATUS_OK : STATUS_MALFORMED, "auto");
    if (row->automatic) {
        assert_true(number_of(bases, row) == SETTINGS_AUTO);
    }
}

static void check_rate(struct bases *bases, const struct setting *row)
{
    static const char *const bad[] = {"", "/", "/s", "5", "5s", "5/", "5/x", "5/ss", " 5/s", "5 /s", "-5/s", "+5/s", "0x5/s", "5.5/s"};
    struct rate_settings rate;

    expect(bases, row, STATUS_OK, "%llu/h", (unsigned long long)row->max);
    memcpy(&rate, (char *)base_of(bases, row) + row->offset, sizeof rate);
    assert_true(rate.count == row->max && rate.period_ms == 3600000);
    expect(bases, row, STATUS_OK, "%llu/m", (unsigned long long)row->min);
    memcpy(&rate, (char *)base_of(bases, row) + row->offset, sizeof rate);
    assert_true(rate.count == row->min && rate.period_ms == 60000);
    expect(bases, row, STATUS_OK, "50/s");
    memcpy(&rate, (char *)base_of(bases, row) + row->offset, sizeof rate);
    assert_true(rate.count == 50 && rate.period_ms == 1000);
    expect(bases, row, STATUS_TOO_LARGE, "%llu/s", (unsigned long long)row->max + 1);
    expect(bases, row, STATUS_TOO_LARGE, "%llu/s", (unsigned long long)row->min - 1);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        expect(bases, row, STATUS_MALFORMED, "%s", bad[index]);
    }
    expect(bases, row, row->automatic ? STATUS_OK : STATUS_MALFORMED, "off");
    memcpy(&rate, (char *)base_of(bases, row) + row->offset, sizeof rate);
    assert_true(!row->automatic || rate.count == 0);
}

static void check_share(struct bases *bases, const struct setting *row)
{
    static const char *const bad[] = {"", ".", "0.", ".5", "-0.1", "1e-1", "0,5", "0.1234567890", " 0.5", "5%", "nan", "0x1", "1.0.0"};
    double value;

    expect(bases, row, STATUS_OK, "1");
    expect(bases, row, STATUS_OK, "1.000000000");
    expect(bases, row, STATUS_OK, "0");
    expect(bases, row, STATUS_OK, "0.123456789");
    memcpy(&value, (char *)base_of(bases, row) + row->offset, sizeof value);
    assert_true(value == 0.123456789);
    expect(bases, row, STATUS_TOO_LARGE, "1.000000001");
    expect(bases, row, STATUS_TOO_LARGE, "2");
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        expect(bases, row, STATUS_MALFORMED, "%s", bad[index]);
    }
}

static void check_choice(struct bases *bases, const struct setting *row)
{
    for (const struct setting_choice *choice = row->choices; choice->name != NULL; choice++) {
        unsigned stored;

        expect(bases, row, STATUS_OK, "%s", choice->name);
        memcpy(&stored, (char *)base_of(bases, row) + row->offset, sizeof stored);
        assert_int_equal(choice->value, stored);
        expect(bases, row, STATUS_MALFORMED, "%s ", row->type == SETTING_CHOICES ? ",x" : choice->name);
    }
    expect(bases, row, row->min > 0 ? STATUS_TOO_LARGE : STATUS_MALFORMED, "%s", "");
    expect(bases, row, STATUS_MALFORMED, "nothing");
}

/* A text of the row's form, `count` bytes long; count is at least 14. */
static void make_text(enum setting_type type, size_t count, char *out)
{
    const char *head = "a";

    switch (type) {
    case SETTING_PREFIX:
        head = "/";
        break;
    case SETTING_UPSTREAM:
    case SETTING_URL:
        head = "http://";
        break;
    case SETTING_BIND:
    case SETTING_CONNECT:
        head = "ipc://";
        break;
    default:
        break;
    }
    memset(out, 'x', count);
    memcpy(out, head, strlen(head));
    if (type == SETTING_SHA256) {
        memset(out, 'f', count);
    }
    if (type == SETTING_LISTEN || type == SETTING_LISTEN_ANY) {
        memcpy(out + count - 3, ":80", 3);
    }
    if (type == SETTING_NETWORK) {
        memcpy(out, count == 16 ? "1111:1111:1::/64" : "0000:0000:0000:0000:0000:ffff:255.255.255.255/128", count < 49 ? count : 49);
    }
    out[count] = '\0';
}

static void check_text(struct bases *bases, const struct setting *row)
{
    char text[PATH_BYTES_MAX + 2];

    make_text(row->type, row->max, text);
    expect(bases, row, STATUS_OK, "%s", text);
    assert_string_equal(text, text_of(bases, row));
    make_text(row->type, row->max + 1, text);
    expect(bases, row, STATUS_TOO_LARGE, "%s", text);
    expect(bases, row, row->min > 0 ? STATUS_TOO_LARGE : STATUS_OK, "%s", "");
    if (row->min < row->max) {
        expect(bases, row, STATUS_MALFORMED, "a\nb");
    } else {
        make_text(row->type, row->max - 1, text);
        expect(bases, row, STATUS_TOO_LARGE, "%s", text);
    }
    if (row->automatic) {
        expect(bases, row, STATUS_OK, "off");
        assert_string_equal("", text_of(bases, row));
    }
}

static void check_list(struct bases *bases, const struct setting *row)
{
    char item[PATH_BYTES_MAX + 2];
    char text[3 * PATH_BYTES_MAX];
    size_t bad = 99;
    struct bytes items[SETTINGS_ITEMS_MAX + 1];
    size_t count;

    make_text(row->item, 16, item);
    for (size_t index = 0; index <= SETTINGS_ITEMS_MAX; index++) {
        items[index] = bytes_of(item);
    }
    assert_status(STATUS_OK, setting_store_list(row, items, row->max, base_of(bases, row), &bad));
    memcpy(&count, (char *)base_of(bases, row) + row->count_offset, sizeof count);
    assert_int_equal(row->max, count);
    assert_status(STATUS_TOO_LARGE, setting_store_list(row, items, row->max + 1, base_of(bases, row), &bad));
    assert_int_equal(row->max + 1, bad);
    expect(bases, row, row->min == 0 ? STATUS_OK : STATUS_TOO_LARGE, "%s", "");
    expect(bases, row, row->min == 0 ? STATUS_OK : STATUS_TOO_LARGE, "%s", "  ");

    (void)snprintf(text, sizeof text, " %s ,%s", item, item);
    expect(bases, row, STATUS_OK, "%s", text);
    memcpy(&count, (char *)base_of(bases, row) + row->count_offset, sizeof count);
    assert_int_equal(2, count);
    assert_string_equal(item, text_of(bases, row));
    assert_string_equal(item, text_of(bases, row) + row->item_bytes);
    expect(bases, row, STATUS_MALFORMED, "%s,", item);
    expect(bases, row, STATUS_TOO_LARGE, ",%s", item);
    expect(bases, row, STATUS_TOO_LARGE, "%s,,%s", item, item);

    make_text(row->item, row->item_bytes - 1, item);
    items[0] = items[1] = bytes_of(item);
    assert_status(STATUS_OK, setting_store_list(row, items, 2, base_of(bases, row), &bad));
    assert_string_equal(item, text_of(bases, row) + row->item_bytes);
    make_text(row->item, row->item_bytes, item);
    items[1] = bytes_of(item);
    assert_status(STATUS_TOO_LARGE, setting_store_list(row, items, 2, base_of(bases, row), &bad));
    assert_int_equal(1, bad);
    items[0] = BYTES("a\nb");
    assert_status(STATUS_MALFORMED, setting_store_list(row, items, 1, base_of(bases, row), &bad));
    assert_int_equal(0, bad);
}

static void every_row_takes_its_bounds_and_nothing_beyond(void **state)
{
    struct bases *bases = bases_open();

    (void)state;
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        switch (row->type) {
        case SETTING_NUMBER:
        case SETTING_BYTES:
        case SETTING_BYTE_RATE:
        case SETTING_TIME:
            check_number(bases, row);
            break;
        case SETTING_RATE:
            check_rate(bases, row);
            break;
        case SETTING_SHARE:
            check_share(bases, row);
            break;
        case SETTING_BOOLEAN:
            expect(bases, row, STATUS_OK, "true");
            expect(bases, row, STATUS_OK, "false");
            expect(bases, row, STATUS_MALFORMED, "True");
            expect(bases, row, STATUS_MALFORMED, "%s", "");
            expect(bases, row, STATUS_MALFORMED, "yes");
            expect(bases, row, STATUS_MALFORMED, "1");
            break;
        case SETTING_CHOICE:
        case SETTING_CHOICES:
            check_choice(bases, row);
            break;
        case SETTING_LIST:
            check_list(bases, row);
            break;
        default:
            check_text(bases, row);
            break;
        }
    }
    free(bases);
}

static void every_default_is_good(void **state)
{
    struct bases *bases = bases_open();

    (void)state;
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        if (!row->required) {
            expect(bases, row, STATUS_OK, "%s", row->fallback);
        }
    }
    free(bases);
}

static void units_multiply(void **state)
{
    const struct setting *bytes = settings_table_find(BYTES("gateway.limits.request_bytes"));
    const struct setting *time = settings_table_find(BYTES("profiles.*.training.every"));
    struct bases *bases = bases_open();

    (void)state;
    expect(bases, bytes, STATUS_OK, "2048B");
    assert_int_equal(2048, number_of(bases, bytes));
    expect(bases, bytes, STATUS_OK, "3KiB");
    assert_int_equal(3 * KIB, number_of(bases, bytes));
    expect(bases, bytes, STATUS_OK, "3MiB");
    assert_int_equal(3 * MIB, number_of(bases, bytes));
    expect(bases, bytes, STATUS_MALFORMED, "3s");
    expect(bases, bytes, STATUS_MALFORMED, "3kib");
    expect(bases, time, STATUS_OK, "250ms");
    assert_int_equal(250, number_of(bases, time));
    expect(bases, time, STATUS_OK, "2s");
    assert_int_equal(2000, number_of(bases, time));
    expect(bases, time, STATUS_OK, "2m");
    assert_int_equal(120000, number_of(bases, time));
    expect(bases, time, STATUS_OK, "2h");
    assert_int_equal(7200000, number_of(bases, time));
    expect(bases, time, STATUS_MALFORMED, "2KiB");
    expect(bases, time, STATUS_MALFORMED, "1h30m");
    free(bases);
}

static void roles_become_bits_and_none_stands_twice(void **state)
{
    const struct setting *row = settings_table_find(BYTES("profiles.*.scope.roles"));
    struct bases *bases = bases_open();

    (void)state;
    expect(bases, row, STATUS_OK, "user, assistant");
    assert_int_equal(SCOPE_USER | SCOPE_ASSISTANT, bases->profile.scope_roles);
    expect(bases, row, STATUS_OK, "system,user,tool,document,assistant");
    expect(bases, row, STATUS_MALFORMED, "user, user");
    free(bases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_takes_its_bounds_and_nothing_beyond),
        cmocka_unit_test(every_default_is_good),
        cmocka_unit_test(units_multiply),
        cmocka_unit_test(roles_become_bits_and_none_stands_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
