/* settings_value: numbers with units, shares, choices, lists and the forms of text, each read strictly. */
#include "proto/settings_value.h"

#include "proto/settings.h"
#include "proto/settings_form.h"

#include <assert.h>
#include <string.h>

enum { SHARE_DIGITS_MAX = 9 }; /* after the point: a double holds them exactly enough */

/* 1 << 53: whole numbers up to it are exact in everything that prints or compares them. */
static const uint64_t number_max = 1ULL << 53;

static char *field_at(void *base, size_t offset)
{
    return (char *)base + offset;
}

/* The factor of a unit; 0 when the type has no such unit. */
static uint64_t unit_factor(enum setting_type type, struct bytes unit)
{
    static const struct {
        enum setting_type type;
        const char *unit;
        uint64_t factor;
    } units[] = {
        {SETTING_NUMBER, "", 1},  {SETTING_BYTES, "B", 1},  {SETTING_BYTES, "KiB", KIB}, {SETTING_BYTES, "MiB", MIB},
        {SETTING_BYTE_RATE, "B/s", 1}, {SETTING_BYTE_RATE, "KiB/s", KIB}, {SETTING_BYTE_RATE, "MiB/s", MIB},
        {SETTING_TIME, "ms", 1},  {SETTING_TIME, "s", 1000}, {SETTING_TIME, "m", 60000},  {SETTING_TIME, "h", 3600000},
        {SETTING_TIME, "d", 86400000},
    };

    for (size_t index = 0; index < sizeof units / sizeof units[0]; index++) {
        if (units[index].type == type && bytes_equal(bytes_of(units[index].unit), unit)) {
            return units[index].factor;
        }
    }
    return 0;
}

static enum status store_number(const struct setting *row, struct bytes text, void *base)
{
    size_t digits = 0;
    unsigned long long number;
    uint64_t factor;
    uint64_t value;
    enum status status;

    if (row->automatic && bytes_equal(text, BYTES("auto"))) {
        value = SETTINGS_AUTO;
        memcpy(field_at(base, row->offset), &value, sizeof value);
        return STATUS_OK;
    }
    while (digits < text.count && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    status = bytes_number(bytes_first(text, digits), number_max, &number);
    if (status != STATUS_OK) {
        return status;
    }
    factor = unit_factor(row->type, bytes_from(text, digits));
    if (factor == 0 && number == 0 && digits == text.count) {
        factor = 1; /* nothing needs no unit */
    }
    if (factor == 0) {
        return STATUS_MALFORMED;
    }
    if (number > number_max / factor || number * factor < row->min || number * factor > row->max) {
        return STATUS_TOO_LARGE;
    }
    value = number * factor;
    memcpy(field_at(base, row->offset), &value, sizeof value);
    return STATUS_OK;
}

/* Digits, and perhaps a point and digits: no sign, no exponent, and no locale has a say. */
static enum status store_share(const struct setting *row, struct bytes text, void *base)
{
    ptrdiff_t point = bytes_find(text, '.');
    struct bytes whole = point < 0 ? text : bytes_first(text, (size_t)point);
    struct bytes fraction = point < 0 ? BYTES("0") : bytes_from(text, (size_t)point + 1);
    unsigned long long left;
    unsigned long long right;
    double scale = 1;
    double value;

    if (fraction.count > SHARE_DIGITS_MAX || bytes_number(whole, number_max, &left) != STATUS_OK ||
        bytes_number(fraction, number_max, &right) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 0; index < fraction.count; index++) {
        scale *= 10;
    }
    /* One division of two exact numbers: the nearest double to what was written. */
    value = (double)left + (double)right / scale;
    if (value < (double)row->min || value > (double)row->max) {
        return STATUS_TOO_LARGE;
    }
    memcpy(field_at(base, row->offset), &value, sizeof value);
    return STATUS_OK;
}

/* "50/s" */
static enum status store_rate(const struct setting *row, struct bytes text, void *base)
{
    static const struct {
        char unit;
        uint64_t period_ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}};
    struct rate_settings rate = {0, 0};
    ptrdiff_t slash = bytes_find(text, '/');
    unsigned long long count;
    enum status status = STATUS_OK;

    if (!row->automatic || !bytes_equal(text, BYTES("off"))) {
        for (size_t index = 0; index < sizeof units / sizeof units[0]; index++) {
            if (slash > 0 && text.count == (size_t)slash + 2 && text.data[slash + 1] == units[index].unit) {
                rate.period_ms = units[index].period_ms;
            }
        }
        if (rate.period_ms == 0) {
            return STATUS_MALFORMED;
        }
        status = bytes_number(bytes_first(text, (size_t)slash), row->max, &count);
        if (status != STATUS_OK || count < row->min) {
            return status != STATUS_OK ? status : STATUS_TOO_LARGE;
        }
        rate.count = count;
    }
    memcpy(field_at(base, row->offset), &rate, sizeof rate);
    return status;
}

static enum status store_boolean(const struct setting *row, struct bytes text, void *base)
{
    bool value = bytes_equal(text, BYTES("true"));

    if (!value && !bytes_equal(text, BYTES("false"))) {
        return STATUS_MALFORMED;
    }
    memcpy(field_at(base, row->offset), &value, sizeof value);
    return STATUS_OK;
}

static const struct setting_choice *find_choice(const struct setting *row, struct bytes text)
{
    for (const struct setting_choice *choice = row->choices; choice->name != NULL; choice++) {
        if (bytes_equal(bytes_of(choice->name), text)) {
            return choice;
        }
    }
    return NULL;
}

static enum status store_choice(const struct setting *row, struct bytes text, void *base)
{
    const struct setting_choice *choice = find_choice(row, text);

    if (choice == NULL) {
        return STATUS_MALFORMED;
    }
    memcpy(field_at(base, row->offset), &choice->value, sizeof choice->value);
    return STATUS_OK;
}

static enum status store_choices(const struct setting *row, const struct bytes *items, size_t count, void *base,
                                 size_t *out_bad)
{
    unsigned bits = 0;

    for (size_t index = 0; index < count; index++) {
        const struct setting_choice *choice = find_choice(row, items[index]);

        if (choice == NULL || (bits & (unsigned)choice->value) != 0) {
            *out_bad = index;
            return STATUS_MALFORMED;
        }
        bits |= (unsigned)choice->value;
    }
    memcpy(field_at(base, row->offset), &bits, sizeof bits);
    return STATUS_OK;
}

static enum status store_text(const struct setting *row, struct bytes text, void *base)
{
    struct bytes value = row->automatic && bytes_equal(text, BYTES("off")) ? (struct bytes){NULL, 0} : text;

    if (value.count < row->min || value.count > row->max) {
        return STATUS_TOO_LARGE;
    }
    if (value.count > 0 && !setting_form_holds(row->type, value)) {
        return STATUS_MALFORMED;
    }
    return bytes_copy(value, field_at(base, row->offset), row->max + 1);
}

enum status setting_store_list(const struct setting *row, const struct bytes *items, size_t count, void *base,
                               size_t *out_bad)
{
    assert(row->type == SETTING_LIST || row->type == SETTING_CHOICES);
    if (count < row->min || count > row->max) {
        *out_bad = count;
        return STATUS_TOO_LARGE;
    }
    if (row->type == SETTING_CHOICES) {
        return store_choices(row, items, count, base, out_bad);
    }
    for (size_t index = 0; index < count; index++) {
        *out_bad = index;
        if (items[index].count == 0 || items[index].count >= row->item_bytes) {
            return STATUS_TOO_LARGE;
        }
        if (!setting_form_holds(row->item, items[index])) {
            return STATUS_MALFORMED;
        }
    }
    for (size_t index = 0; index < count; index++) {
        char *item = field_at(base, row->offset) + index * row->item_bytes;
        enum status status = bytes_copy(items[index], item, row->item_bytes);

        assert(status == STATUS_OK); /* measured above */
    }
    memcpy(field_at(base, row->count_offset), &count, sizeof count);
    return STATUS_OK;
}

static struct bytes without_spaces(struct bytes text)
{
    while (text.count > 0 && text.data[0] == ' ') {
        text = bytes_from(text, 1);
    }
    while (text.count > 0 && text.data[text.count - 1] == ' ') {
        text = bytes_first(text, text.count - 1);
    }
    return text;
}

static enum status store_separated(const struct setting *row, struct bytes text, void *base)
{
    struct bytes items[SETTINGS_ITEMS_MAX];
    size_t count = 0;
    size_t bad;

    text = without_spaces(text);
    while (text.count > 0) {
        ptrdiff_t comma = bytes_find(text, ',');
        struct bytes item = comma < 0 ? text : bytes_first(text, (size_t)comma);

        if (count == SETTINGS_ITEMS_MAX) {
            return STATUS_TOO_LARGE;
        }
        items[count++] = without_spaces(item);
        if (comma >= 0 && (size_t)comma + 1 == text.count) {
            return STATUS_MALFORMED; /* a comma with nothing after it */
        }
        text = comma < 0 ? (struct bytes){NULL, 0} : bytes_from(text, (size_t)comma + 1);
    }
    return setting_store_list(row, items, count, base, &bad);
}

enum status setting_store(const struct setting *row, struct bytes text, void *base)
{
    assert(row != NULL && base != NULL);
    switch (row->type) {
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_BYTE_RATE:
    case SETTING_TIME:
        return store_number(row, text, base);
    case SETTING_SHARE:
        return store_share(row, text, base);
    case SETTING_RATE:
        return store_rate(row, text, base);
    case SETTING_BOOLEAN:
        return store_boolean(row, text, base);
    case SETTING_CHOICE:
        return store_choice(row, text, base);
    case SETTING_LIST:
    case SETTING_CHOICES:
        return store_separated(row, text, base);
    default:
        return store_text(row, text, base);
    }
}
