/* command_samples: labelled texts on a terminal or as JSON: list, show, label anew, delete; and the export of all. */
#include "trainer/command.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/program.h"
#include "trainer/plain.h"
#include "trainer/records.h"
#include "trainer/store_samples.h"
#include "trainer/store_versions.h"

#include <inttypes.h>
#include <string.h>

enum { LIST_LIMIT = 20, LIST_LIMIT_MAX = 10000, SHOWN_BYTES = 160, PAGE_ROWS = 256, HASH_DIGITS = 2 * TEXT_HASH_BYTES };

enum style { STYLE_LIST, STYLE_WHOLE, STYLE_JSON, STYLE_CSV };

/* What writes one fact after the other. */
struct printing {
    const struct command *command;
    enum style style;
    bool texts_only; /* facts whose text is not stored are passed over */
    struct buffer line;
    int64_t count;
    unsigned char last[TEXT_HASH_BYTES]; /* the last hash seen */
    size_t last_bytes;
    bool is_page_full;
    int64_t page_rows;
};

static void write_key_text(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    json_write_text(writer, text);
}

static enum status write_json(struct buffer *line, const struct store_fact *fact, const char *hash)
{
    struct json_writer writer;

    json_writer_init(&writer, line);
    json_write_object_begin(&writer);
    if (fact->has_text) {
        json_write_key(&writer, "text");
        json_write_string(&writer, fact->text);
    }
    write_key_text(&writer, "label", records_label_name(fact->label));
    if (fact->category.count > 0) {
        json_write_key(&writer, "category");
        json_write_string(&writer, fact->category);
    }
    write_key_text(&writer, "source", records_source_name(fact->source));
    json_write_key(&writer, "labelled_us");
    json_write_integer(&writer, fact->labelled_us);
    write_key_text(&writer, "hash", hash);
    json_write_object_end(&writer);
    return writer.status != STATUS_OK ? writer.status : buffer_append(line, BYTES("\n"));
}

/* Always in quotes: a text that begins with = or + is then no formula to most who open it, and needs no look. */
static enum status write_field(struct buffer *line, struct bytes value)
{
    enum status status = buffer_append(line, BYTES("\""));

    for (size_t index = 0; status == STATUS_OK && index < value.count; index++) {
        status = buffer_append(line, value.data[index] == '"' ? BYTES("\"\"") : (struct bytes){value.data + index, 1});
    }
    return status == STATUS_OK ? buffer_append(line, BYTES("\"")) : status;
}

static enum status write_csv(struct buffer *line, const struct store_fact *fact, const char *hash)
{
    enum status status = write_field(line, fact->text);

    if (status == STATUS_OK) {
        status = buffer_append_format(line, ",%s,", records_label_name(fact->label));
    }
    if (status == STATUS_OK) {
        status = write_field(line, fact->category);
    }
    return status == STATUS_OK ? buffer_append_format(line, ",%s,%" PRId64 ",%s\r\n", records_source_name(fact->source),
                                                      fact->labelled_us, hash)
                               : status;
}

/* For a list only the beginning of the text. A category is as much a stranger's: a reviewer may have got it from the text. */
static enum status write_plain(struct buffer *line, const struct store_fact *fact, const char *hash, bool whole)
{
    char when[COMMAND_TIME_BYTES];
    struct bytes text = whole ? fact->text : plain_first(fact->text, SHOWN_BYTES);
    enum status status;

    command_write_time(when, fact->labelled_us);
    status = buffer_append_format(line, "%s  %s  %-9s  %-8s  ", hash, when, records_label_name(fact->label),
                                  records_source_name(fact->source));
    if (status == STATUS_OK && fact->category.count > 0) {
        status = plain_append(line, fact->category);
        status = status == STATUS_OK ? buffer_append(line, BYTES("  ")) : status;
    }
    if (status == STATUS_OK) {
        status = fact->has_text ? plain_append(line, text) : buffer_append(line, BYTES("(no text is stored)"));
    }
    return status == STATUS_OK ? buffer_append_text(line, text.count < fact->text.count ? " ...\n" : "\n") : status;
}

static enum status print_fact(void *context, const struct store_fact *fact)
{
    struct printing *printing = context;
    char hash[HASH_DIGITS + 1];
    enum status status;

    if (fact->hash.count != TEXT_HASH_BYTES) {
        return STATUS_MALFORMED;
    }
    memcpy(printing->last, fact->hash.data, TEXT_HASH_BYTES);
    printing->last_bytes = TEXT_HASH_BYTES;
    printing->page_rows++;
    if (printing->texts_only && fact->text.count == 0) {
        return STATUS_OK;
    }
    secret_hex(hash, fact->hash);
    buffer_clear(&printing->line);
    if (printing->style == STYLE_JSON) {
        status = write_json(&printing->line, fact, hash);
    } else if (printing->style == STYLE_CSV) {
        status = write_csv(&printing->line, fact, hash);
    } else {
        status = write_plain(&printing->line, fact, hash, printing->style == STYLE_WHOLE);
    }
    if (status == STATUS_OK &&
        fwrite(printing->line.data, 1, printing->line.count, printing->command->out) != printing->line.count) {
        status = STATUS_IO;
    }
    printing->count += status == STATUS_OK;
    return status;
}

static void begin_printing(struct printing *printing, const struct command *command, enum style style)
{
    *printing = (struct printing){.command = command, .style = style};
    buffer_init(&printing->line, RECORD_BYTES_MAX);
}

/* Where it is the output that fails, that is told at the end, of whatever is written. */
static int fail_to_print(const struct command *command, enum status status)
{
    return ferror(command->out) != 0 ? PROGRAM_FAILED : command_fail_store(command, "cannot read the labels", status);
}

static int read_filter(const struct command *command, struct store_filter *out)
{
    const char *label = command->options[COMMAND_LABEL];
    const char *source = command->options[COMMAND_SOURCE];
    const char *category = command->options[COMMAND_CATEGORY];
    const char *limit = command->options[COMMAND_LIMIT];
    unsigned long long number = LIST_LIMIT;

    *out = (struct store_filter){.label = -1, .source = -1};
    if (label != NULL && (out->label = records_label(bytes_of(label))) < 0) {
        return command_misused(command, "--label is pass or violation", label);
    }
    if (source != NULL && (out->source = records_source(bytes_of(source))) < 0) {
        return command_misused(command, "--source is import, reviewer or person", source);
    }
    if (category != NULL && (category[0] == '\0' || !records_is_category(bytes_of(category)))) {
        return command_misused(command, "--category is UTF-8 of 1 to 64 bytes", category);
    }
    if (limit != NULL && bytes_number(bytes_of(limit), LIST_LIMIT_MAX, &number) != STATUS_OK) {
        return command_misused(command, "--limit is 0 to 10000", limit);
    }
    out->category = bytes_of(category == NULL ? "" : category);
    out->limit = (int64_t)number;
    return PROGRAM_OK;
}

int command_export(struct command *command)
{
    const char *format = command->options[COMMAND_FORMAT] == NULL ? "jsonl" : command->options[COMMAND_FORMAT];
    struct store_filter filter;
    struct printing printing;
    const struct store_fact_reader reader = {print_fact, &printing};
    int64_t profile_id;
    enum status status = STATUS_OK;
    int code = read_filter(command, &filter);

    if (code != PROGRAM_OK) {
        return code;
    }
    if (strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0) {
        return command_misused(command, "--format is jsonl or csv", format);
    }
    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    filter.limit = PAGE_ROWS;
    begin_printing(&printing, command, strcmp(format, "csv") == 0 ? STYLE_CSV : STYLE_JSON);
    printing.texts_only = true;
    if (printing.style == STYLE_CSV) {
        (void)fputs("text,label,category,source,labelled_us,hash\r\n", command->out);
    }
    do { /* page by page: no statement lasts as long as a slow reader takes */
        const unsigned char *last = printing.last;
        unsigned char after[TEXT_HASH_BYTES];

        memcpy(after, last, sizeof after);
        printing.page_rows = 0;
        status = store_page_facts(command->store, profile_id, &filter, (struct bytes){(const char *)after, printing.last_bytes},
                                  &reader);
    } while (status == STATUS_OK && printing.page_rows == PAGE_ROWS);
    buffer_free(&printing.line);
    return status == STATUS_OK ? PROGRAM_OK : fail_to_print(command, status);
}

static enum style chosen_style(const struct command *command, enum style plain)
{
    return command->options[COMMAND_JSON] != NULL ? STYLE_JSON : plain;
}

static int list(const struct command *command, int64_t profile_id)
{
    struct store_filter filter;
    struct printing printing;
    const struct store_fact_reader reader = {print_fact, &printing};
    enum status status;
    int code = read_filter(command, &filter);

    if (code != PROGRAM_OK) {
        return code;
    }
    begin_printing(&printing, command, chosen_style(command, STYLE_LIST));
    status = store_list_facts(command->store, profile_id, &filter, &reader);
    buffer_free(&printing.line);
    return status == STATUS_OK ? PROGRAM_OK : fail_to_print(command, status);
}

static int show(const struct command *command, int64_t profile_id, struct bytes hash)
{
    struct printing printing;
    const struct store_fact_reader reader = {print_fact, &printing};
    enum status status;

    begin_printing(&printing, command, chosen_style(command, STYLE_WHOLE));
    status = store_find_fact(command->store, profile_id, hash, &reader);
    buffer_free(&printing.line);
    if (status == STATUS_NOT_FOUND) {
        return command_fail(command, command->arguments[2], "nothing is known of a text of this hash");
    }
    return status == STATUS_OK ? PROGRAM_OK : fail_to_print(command, status);
}

static int relabel(const struct command *command, int64_t profile_id, struct bytes hash)
{
    const char *category = command->options[COMMAND_CATEGORY] == NULL ? "" : command->options[COMMAND_CATEGORY];
    int label = command->argument_count == 4 ? records_label(bytes_of(command->arguments[3])) : -1;
    enum status status;

    if (label < 0) {
        return command_misused(command, "relabel HASH LABEL, which is pass or violation",
                               command->argument_count == 4 ? command->arguments[3] : "");
    }
    if (!records_is_category(bytes_of(category)) || (category[0] != '\0' && label == 0)) {
        return command_misused(command, "--category is of a violation, UTF-8 and at most 64 bytes", category);
    }
    status = store_relabel(command->store, profile_id, hash, label, bytes_of(category));
    if (status == STATUS_NOT_FOUND) {
        return command_fail(command, command->arguments[2], "nothing is known of a text of this hash");
    }
    return status == STATUS_OK ? show(command, profile_id, hash) : command_fail_store(command, "cannot label the text", status);
}

static int tell_deleted(const struct command *command, int64_t count)
{
    (void)fprintf(command->out, command->options[COMMAND_JSON] != NULL ? "{\"deleted\":%" PRId64 "}\n" : "%" PRId64 " deleted\n",
                  count);
    return count == 0 ? COMMAND_REFUSED : PROGRAM_OK;
}

static int delete_text(const struct command *command, int64_t profile_id, struct bytes hash)
{
    enum status status = store_delete_text(command->store, profile_id, hash);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return command_fail_store(command, "cannot delete the text", status);
    }
    return tell_deleted(command, status == STATUS_OK ? 1 : 0);
}

static int delete_key(struct command *command)
{
    unsigned char digest[TEXT_HASH_BYTES];
    int64_t deleted = 0, all = 0;
    int code = command_read_hash_key(command);
    enum status status;

    if (code != PROGRAM_OK) {
        return code;
    }
    secret_text_hash(digest, command->hash_key, bytes_of(command->options[COMMAND_KEY]));
    do {
        status = store_delete_key(command->store, (struct bytes){(const char *)digest, sizeof digest}, &deleted);
        all += deleted;
    } while (status == STATUS_OK && deleted > 0);
    return status == STATUS_OK ? tell_deleted(command, all)
                               : command_fail_store(command, "cannot delete what the key sent", status);
}

/* False when it is none. */
static bool read_hash(const char *digits, unsigned char out[TEXT_HASH_BYTES])
{
    if (strlen(digits) != HASH_DIGITS) {
        return false;
    }
    for (size_t index = 0; index < TEXT_HASH_BYTES; index++) {
        int high = bytes_hex_digit(digits[2 * index]), low = bytes_hex_digit(digits[2 * index + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        out[index] = (unsigned char)(16 * high + low);
    }
    return true;
}

/* What narrows a list says nothing of one text: whoever gives it there means something else. */
static bool takes_options(const struct command *command, const char *act)
{
    bool is_list = strcmp(act, "list") == 0;
    bool is_relabel = strcmp(act, "relabel") == 0;
    bool has_filter = command->options[COMMAND_LABEL] != NULL || command->options[COMMAND_SOURCE] != NULL ||
                      command->options[COMMAND_LIMIT] != NULL;

    return is_list || (!has_filter && (is_relabel || command->options[COMMAND_CATEGORY] == NULL));
}

/* `delete` where a profile is expected, and none is called so: who forgot the profile, or --key, is told so, and not that nothing
 * is known of a profile of that name. */
static bool lacks_profile(const struct command *command, const char *act)
{
    int64_t ignored;

    return strcmp(command->arguments[0], "delete") == 0 && (strcmp(act, "list") == 0 || strlen(act) == HASH_DIGITS) &&
           store_find_profile(command->store, BYTES("delete"), &ignored) == STATUS_NOT_FOUND;
}

int command_samples(struct command *command)
{
    const char *act = command->argument_count > 1 ? command->arguments[1] : "list";
    unsigned char digits[TEXT_HASH_BYTES];
    const struct bytes hash = {(const char *)digits, sizeof digits};
    int64_t profile_id;

    if (command->options[COMMAND_KEY] != NULL) {
        return command->argument_count == 1 && strcmp(command->arguments[0], "delete") == 0 && takes_options(command, "delete")
                   ? delete_key(command)
                   : command_misused(command, "--key NAME belongs to delete, without another option", command->arguments[0]);
    }
    if (lacks_profile(command, act)) {
        return command_misused(command,
                               "to delete a text takes PROFILE delete HASH, and what was labelled for a key delete --key NAME",
                               command->argument_count > 1 ? act : "delete");
    }
    if (strcmp(act, "list") != 0 && strcmp(act, "show") != 0 && strcmp(act, "relabel") != 0 && strcmp(act, "delete") != 0) {
        return command_misused(command, "a profile is followed by show, relabel or delete", act);
    }
    if (!takes_options(command, act)) {
        return command_misused(command, "--label, --source, --category and --limit narrow the list", act);
    }
    if (command->argument_count == 4 && strcmp(act, "relabel") != 0) {
        return command_misused(command, "no word is behind the hash", command->arguments[3]);
    }
    if (command->argument_count > 1 && (command->argument_count < 3 || !read_hash(command->arguments[2], digits))) {
        return command_misused(command, "a hash has 32 hexadecimal digits",
                               command->argument_count < 3 ? "" : command->arguments[2]);
    }
    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    if (strcmp(act, "list") == 0) {
        return list(command, profile_id);
    }
    if (strcmp(act, "show") == 0) {
        return show(command, profile_id, hash);
    }
    return strcmp(act, "relabel") == 0 ? relabel(command, profile_id, hash) : delete_text(command, profile_id, hash);
}
