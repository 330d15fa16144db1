/* records: lines or quoted records into one buffer, and out of it the values that a label has. */
#include "trainer/records.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

enum column { COLUMN_TEXT, COLUMN_LABEL, COLUMN_CATEGORY, COLUMN_SOURCE, COLUMN_LABELLED, COLUMNS };

#define LABELLED_US_MAX 4102444800000000ULL /* the year 2100 */

enum { FIELDS_MAX = 64, NO_FIELD = FIELDS_MAX };

static const char *const column_names[COLUMNS] = {"text", "label", "category", "source", "labelled_us"};
static const char *const label_names[] = {"pass", "violation"};
static const char *const source_names[] = {NULL, "import", "reviewer", "person"}; /* verdicts.source in trainer/schema */

enum { SOURCES = sizeof source_names / sizeof source_names[0] };

struct records {
    FILE *in;
    enum record_format format;
    bool without_origins; /* who labelled a text, and when, is not read */
    uint64_t bytes;
    uint64_t line;       /* of the next byte, from 1 */
    uint64_t begun_line; /* of the record */
    const char *flaw;    /* of the last record that was broken */
    struct buffer ahead; /* [ passed | the record | what was read behind it before one before it was found to be broken ] */
    size_t begun, at;    /* in `ahead`: the record and the next byte */
    struct bytes raw;    /* the record as it stands in the file, without its line feed */
    struct buffer plain; /* its values without quotes and escapes */
    struct json json;
    size_t columns[COLUMNS]; /* of CSV: the field of each; NO_FIELD = there is none */
};

/* Where in a record of CSV a byte stands: a quote opens a field at its beginning alone. */
enum csv_place { AT_FIELD, IN_PLAIN, IN_QUOTES, AT_QUOTE };

int records_label(struct bytes word)
{
    for (int label = 0; label < 2; label++) {
        if (bytes_equal(word, bytes_of(label_names[label])) || bytes_equal(word, label == 0 ? BYTES("0") : BYTES("1")) ||
            bytes_equal(word, label == 0 ? BYTES("false") : BYTES("true"))) {
            return label;
        }
    }
    return -1;
}

int records_source(struct bytes word)
{
    for (int source = 1; source < SOURCES; source++) {
        if (bytes_equal(word, bytes_of(source_names[source]))) {
            return source;
        }
    }
    return -1;
}

const char *records_label_name(int64_t label)
{
    assert(label == 0 || label == 1);
    return label_names[label];
}

const char *records_source_name(int64_t source)
{
    assert(source > 0 && source < SOURCES);
    return source_names[source];
}

/* STATUS_CLOSED at the end of the file; STATUS_TOO_LARGE leaves the byte there. */
static enum status next_byte(struct records *records, char *out)
{
    if (records->at == records->ahead.count) {
        int byte = getc_unlocked(records->in);
        enum status status;

        if (byte == EOF) {
            return ferror(records->in) != 0 ? STATUS_IO : STATUS_CLOSED;
        }
        buffer_consume(&records->ahead, records->begun);
        records->at -= records->begun;
        records->begun = 0;
        status = buffer_append(&records->ahead, (struct bytes){&(const char){(char)byte}, 1});
        if (status != STATUS_OK) {
            (void)ungetc(byte, records->in);
            return status;
        }
        records->bytes++;
    }
    *out = records->ahead.data[records->at++];
    records->line += *out == '\n';
    return STATUS_OK;
}

/* The next record begins behind this one. */
static void pass(struct records *records)
{
    records->begun = records->at;
    records->begun_line = records->line;
}

static struct bytes begun(const struct records *records)
{
    return bytes_from(bytes_first(buffer_view(&records->ahead), records->at), records->begun);
}

/* A quote that is never closed takes in what follows: of a record that is broken only the first line is given up. */
static void give_up_line(struct records *records)
{
    ptrdiff_t end = bytes_find(begun(records), '\n');
    int byte;

    records->line = records->begun_line + 1;
    if (end >= 0) {
        records->at = records->begun + (size_t)end + 1;
        return;
    }
    do { /* it is too long, or the last */
        byte = getc_unlocked(records->in);
        records->bytes += byte != EOF;
    } while (byte != EOF && byte != '\n');
}

static bool is_blank(struct bytes raw)
{
    for (size_t index = 0; index < raw.count; index++) {
        if (raw.data[index] != ' ' && raw.data[index] != '\t' && raw.data[index] != '\r') {
            return false;
        }
    }
    return true;
}

static enum csv_place place_behind(enum csv_place place, char byte)
{
    switch (place) {
    case IN_QUOTES:
        return byte == '"' ? AT_QUOTE : IN_QUOTES;
    case AT_QUOTE:
    case AT_FIELD:
        if (byte == '"') {
            return IN_QUOTES;
        }
        return byte == ',' ? AT_FIELD : IN_PLAIN;
    case IN_PLAIN:
    default:
        return byte == ',' ? AT_FIELD : IN_PLAIN;
    }
}

static enum status broken(struct records *records, const char *flaw)
{
    records->flaw = flaw;
    return STATUS_MALFORMED;
}

/* Spreadsheets write it. */
static enum status skip_byte_order_mark(struct records *records)
{
    const struct bytes mark = BYTES("\xEF\xBB\xBF");
    enum status status = STATUS_OK;
    char byte;

    while (records->at < mark.count && (status = next_byte(records, &byte)) == STATUS_OK && byte == mark.data[records->at - 1]) {
    }
    if (bytes_equal(begun(records), mark)) {
        pass(records);
    } else {
        records->at = 0;
        records->line = 1;
    }
    return status == STATUS_CLOSED ? STATUS_OK : status;
}

/* One record as it stands, without its line feed; a blank line is empty. STATUS_CLOSED at the end of the file. */
static enum status read_raw(struct records *records)
{
    enum csv_place place = AT_FIELD;
    enum status status = STATUS_OK;
    char byte = '\0';

    pass(records);
    if (records->bytes == 0) {
        status = skip_byte_order_mark(records);
    }
    while (status == STATUS_OK && (status = next_byte(records, &byte)) == STATUS_OK && (byte != '\n' || place == IN_QUOTES)) {
        place = records->format == RECORD_CSV ? place_behind(place, byte) : IN_PLAIN;
    }
    records->raw = begun(records);
    records->raw.count -= status == STATUS_OK;
    if (status == STATUS_TOO_LARGE || records->raw.count > RECORD_BYTES_MAX) {
        return broken(records, "it is too long");
    }
    if (status == STATUS_CLOSED && records->raw.count > 0) {
        status = place == IN_QUOTES ? broken(records, "a quote is not closed") : STATUS_OK;
    }
    return status;
}

/* The field of `rest` that ends at a comma or the end; it is taken from `rest`, and put without its quotes behind `plain`. */
static enum status take_field(struct bytes *rest, struct buffer *plain, bool *more)
{
    const char *at = rest->data;
    const char *end = at + rest->count;
    bool quoted = at < end && *at == '"';
    enum status status = STATUS_OK;

    at += quoted;
    while (status == STATUS_OK && at < end && (quoted || *at != ',')) {
        if (quoted && *at == '"') {
            if (end - at < 2 || at[1] != '"') {
                quoted = false;
                at++;
                if (at < end && *at != ',') {
                    return STATUS_MALFORMED; /* something behind the closing quote */
                }
                continue;
            }
            at++; /* a doubled one is one */
        } else if (!quoted && *at == '"') {
            return STATUS_MALFORMED;
        }
        status = buffer_append(plain, (struct bytes){at, 1});
        at++;
    }
    if (status == STATUS_OK && quoted) {
        return STATUS_MALFORMED;
    }
    *more = at < end;
    at += *more;
    *rest = (struct bytes){at, (size_t)(end - at)};
    return status;
}

/* The fields of the raw record; *out_count of them. They lie in `plain`, which no longer moves then. */
static enum status split_fields(struct records *records, struct bytes fields[FIELDS_MAX], size_t *out_count)
{
    size_t ends[FIELDS_MAX];
    struct bytes rest = records->raw;
    size_t count = 0;
    bool more = true;

    buffer_clear(&records->plain);
    if (bytes_ends_with(rest, BYTES("\r"))) {
        rest.count--;
    }
    while (more) {
        enum status status = count == FIELDS_MAX ? STATUS_MALFORMED : take_field(&rest, &records->plain, &more);

        if (status != STATUS_OK) {
            return status;
        }
        ends[count++] = records->plain.count;
    }
    for (size_t index = 0, begin = 0; index < count; begin = ends[index++]) {
        fields[index] = (struct bytes){records->plain.data + begin, ends[index] - begin};
    }
    *out_count = count;
    return STATUS_OK;
}

static enum status read_header(struct records *records)
{
    struct bytes fields[FIELDS_MAX];
    size_t count = 0;
    enum status status = read_raw(records);

    if (status == STATUS_CLOSED) {
        return STATUS_MALFORMED;
    }
    if (status == STATUS_OK) {
        status = split_fields(records, fields, &count);
    }
    for (size_t column = 0; column < COLUMNS; column++) {
        records->columns[column] = NO_FIELD;
        for (size_t index = 0; status == STATUS_OK && index < count; index++) {
            if (bytes_equal(fields[index], bytes_of(column_names[column]))) {
                records->columns[column] = index;
            }
        }
    }
    if (status == STATUS_OK &&
        (records->columns[COLUMN_TEXT] == NO_FIELD || records->columns[COLUMN_LABEL] == NO_FIELD)) {
        status = STATUS_MALFORMED;
    }
    return status;
}

enum status records_open(struct records **out, enum record_format format, FILE *in)
{
    struct records *records = calloc(1, sizeof *records);
    enum status status = STATUS_OK;

    if (records == NULL) {
        return STATUS_NO_MEMORY;
    }
    records->in = in;
    records->format = format;
    records->line = 1;
    buffer_init(&records->ahead, RECORD_BYTES_MAX + 1);
    buffer_init(&records->plain, RECORD_BYTES_MAX);
    json_init(&records->json);
    if (format == RECORD_CSV) {
        status = read_header(records);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = records;
    return STATUS_OK;
fail:
    records_close(&records);
    return status;
}

void records_close(struct records **records)
{
    if (*records != NULL) {
        buffer_free(&(*records)->ahead);
        buffer_free(&(*records)->plain);
        json_free(&(*records)->json);
        free(*records);
        *records = NULL;
    }
}

/* The values of a JSON line as they would stand in CSV. */
static bool is_read(const struct records *records, size_t column)
{
    return !records->without_origins || (column != COLUMN_SOURCE && column != COLUMN_LABELLED);
}

static enum status read_object(struct records *records, struct bytes values[COLUMNS])
{
    struct json *json = &records->json;
    enum status status = json_read(json, records->raw, JSON_REFUSE_DUPLICATES);
    char *room;

    buffer_clear(&records->plain);
    if (status == STATUS_OK) {
        status = buffer_reserve(&records->plain, records->raw.count, &room); /* so that views stay where they are */
    }
    if (status == STATUS_OK && json->tokens[0].type != JSON_OBJECT) {
        status = STATUS_MALFORMED;
    }
    for (size_t column = 0; status == STATUS_OK && column < COLUMNS; column++) {
        const struct json_token *value = json_member(json, &json->tokens[0], column_names[column]);

        if (value == NULL || value->type == JSON_NULL || !is_read(records, column)) {
            continue;
        }
        if (value->type == JSON_STRING) {
            status = json_string(json, value, &records->plain, &values[column]);
        } else if (value->type != JSON_ARRAY && value->type != JSON_OBJECT && column != COLUMN_TEXT) {
            values[column] = json_span(json, value);
        } else {
            status = STATUS_MALFORMED;
        }
    }
    if (status == STATUS_OK || status == STATUS_NO_MEMORY || status == STATUS_UNAVAILABLE) {
        return status;
    }
    return broken(records, "it is no JSON object of plain values with each key once, or its text is no string");
}

static enum status read_row(struct records *records, struct bytes values[COLUMNS])
{
    struct bytes fields[FIELDS_MAX];
    size_t count = 0;
    enum status status = split_fields(records, fields, &count);

    if (status == STATUS_MALFORMED) {
        return broken(records, "its quotes do not stand around whole fields, or it has too many fields");
    }
    for (size_t column = 0; status == STATUS_OK && column < COLUMNS; column++) {
        if (records->columns[column] < count && is_read(records, column)) {
            values[column] = fields[records->columns[column]];
        }
    }
    return status;
}

bool records_is_category(struct bytes text)
{
    for (size_t index = 0; index < text.count; index++) {
        unsigned char byte = (unsigned char)text.data[index];

        if (byte < 0x20 || byte == 0x7F) {
            return false;
        }
    }
    return text.count <= CATEGORY_BYTES_MAX && utf8_sound_bytes(text) == text.count;
}

bool records_is_text(struct bytes text)
{
    return text.count > 0 && text.count <= SAMPLE_TEXT_BYTES_MAX && bytes_find(text, '\0') < 0 &&
           utf8_sound_bytes(text) == text.count;
}

/* The first of its values that is not what it should be; NULL = none. */
static const char *find_flaw(const struct bytes values[COLUMNS], const struct record *record, bool is_time)
{
    if (record->text.count == 0) {
        return "it has no text";
    }
    if (record->text.count > SAMPLE_TEXT_BYTES_MAX) {
        return "its text is too long";
    }
    if (!records_is_text(record->text)) {
        return "its text is not UTF-8, or has a NUL";
    }
    if (record->label < 0) {
        return values[COLUMN_LABEL].count == 0 ? "it has no label" : "its label is neither pass nor violation, nor 0 or 1";
    }
    if (!records_is_category(record->category)) {
        return "its category is too long, not UTF-8 or has a control character";
    }
    if (record->source < 0) {
        return "its source is none of import, reviewer and person";
    }
    return is_time ? NULL : "its labelled_us is no number of microseconds since 1970";
}

static enum status understand(struct records *records, const struct bytes values[COLUMNS], struct record *out)
{
    struct record record = {.text = values[COLUMN_TEXT], .category = values[COLUMN_CATEGORY]};
    unsigned long long labelled_us = 0;
    bool is_time = values[COLUMN_LABELLED].count == 0 ||
                   bytes_number(values[COLUMN_LABELLED], LABELLED_US_MAX, &labelled_us) == STATUS_OK;
    const char *flaw;

    record.label = records_label(values[COLUMN_LABEL]);
    if (values[COLUMN_SOURCE].count > 0) {
        record.source = records_source(values[COLUMN_SOURCE]);
    }
    record.labelled_us = (int64_t)labelled_us;
    flaw = find_flaw(values, &record, is_time);
    if (flaw != NULL) {
        return broken(records, flaw);
    }
    *out = record;
    return STATUS_OK;
}

void records_pass_over_origins(struct records *records)
{
    records->without_origins = true;
}

enum status records_next(struct records *records, struct record *out)
{
    struct bytes values[COLUMNS] = {{NULL, 0}};
    enum status status;

    do {
        status = read_raw(records);
    } while (status == STATUS_OK && is_blank(records->raw));
    if (status == STATUS_OK) {
        status = records->format == RECORD_CSV ? read_row(records, values) : read_object(records, values);
        if (status == STATUS_OK) {
            return understand(records, values, out);
        }
    }
    if (status == STATUS_MALFORMED) {
        give_up_line(records);
    }
    return status;
}

const char *records_flaw(const struct records *records)
{
    return records->flaw;
}

uint64_t records_bytes(const struct records *records)
{
    return records->bytes;
}

uint64_t records_line(const struct records *records)
{
    return records->begun_line;
}
