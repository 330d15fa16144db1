/* skim: one state a byte, a stack of paths, the first bytes of the scalar at hand. */
#include "gateway/skim.h"

#include "proto/utf8.h"

#include <assert.h>
#include <string.h>

static const uint32_t PATH_LOST = UINT32_MAX; /* no name of it is looked for */
static const uint32_t PATH_DEEP = (uint32_t)1 << (3 * SKIM_NAME_BITS);

enum state {
    STATE_VALUE, /* must come */
    STATE_FIRST_VALUE,
    STATE_KEY,
    STATE_FIRST_KEY,
    STATE_STRING,
    STATE_ESCAPE,
    STATE_HEX,
    STATE_COLON,
    STATE_NUMBER,
    STATE_WORD,
    STATE_AFTER, /* a value: a comma or an end */
    STATE_WHOLE,
    STATE_LOST,
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_in_object(const struct skim *skim)
{
    return skim->depth > 0 && (skim->objects >> (skim->depth - 1) & 1) != 0;
}

void skim_init(struct skim *skim, const char *const *names, size_t name_count)
{
    assert(name_count <= SKIM_NAMES_MAX);
    *skim = (struct skim){.names = names, .name_count = name_count, .state = STATE_VALUE};
}

static void keep(struct skim *skim, struct bytes part)
{
    if (skim->value_bytes < sizeof skim->value) {
        struct bytes fits = bytes_first(part, sizeof skim->value - skim->value_bytes);

        if (fits.count > 0) {
            memcpy(skim->value + skim->value_bytes, fits.data, fits.count);
        }
    }
    skim->value_bytes += part.count;
}

static struct bytes kept(const struct skim *skim)
{
    return (struct bytes){skim->value, skim->value_bytes < sizeof skim->value ? skim->value_bytes : sizeof skim->value};
}

/* The path of the value behind the key that has just ended. */
static uint32_t path_of_key(const struct skim *skim)
{
    uint32_t outer = skim->depth <= SKIM_PATHS_MAX ? skim->paths[skim->depth - 1] : PATH_LOST;

    if (outer == PATH_LOST || outer >= PATH_DEEP) {
        return PATH_LOST;
    }
    for (size_t name = 1; name <= skim->name_count; name++) {
        if (skim->value_bytes == strlen(skim->names[name]) &&
            memcmp(skim->value, skim->names[name], skim->value_bytes) == 0) {
            return outer << SKIM_NAME_BITS | (uint32_t)name;
        }
    }
    return PATH_LOST;
}

static bool tell(const struct skim *skim, enum json_type type, struct bytes text, struct skim_value *out)
{
    *out = (struct skim_value){skim->path, type, text, skim->value_bytes > text.count};
    return skim->path != PATH_LOST;
}

static bool open_container(struct skim *skim, bool is_object, struct skim_value *out)
{
    bool told;

    skim->value_bytes = 0;
    told = tell(skim, is_object ? JSON_OBJECT : JSON_ARRAY, (struct bytes){NULL, 0}, out);
    if (skim->depth == JSON_DEPTH_MAX) {
        skim->state = STATE_LOST;
        return told;
    }
    if (skim->depth < SKIM_PATHS_MAX) {
        skim->paths[skim->depth] = skim->path;
    }
    skim->objects &= ~((uint64_t)1 << skim->depth);
    skim->objects |= (uint64_t)is_object << skim->depth;
    skim->depth++;
    skim->state = is_object ? STATE_FIRST_KEY : STATE_FIRST_VALUE;
    return told;
}

static void begin_scalar(struct skim *skim, enum state state, enum json_type kind, unsigned char left)
{
    skim->state = (unsigned char)state;
    skim->kind = (unsigned char)kind;
    skim->left = left;
    skim->is_key = false;
    skim->value_bytes = 0;
}

static void end_value(struct skim *skim)
{
    skim->state = skim->depth == 0 ? STATE_WHOLE : STATE_AFTER;
}

static void close_container(struct skim *skim, bool is_object)
{
    if (skim->depth == 0 || is_in_object(skim) != is_object) {
        skim->state = STATE_LOST;
        return;
    }
    skim->depth--;
    end_value(skim);
}

static bool begin_value(struct skim *skim, char byte, struct skim_value *out)
{
    switch (byte) {
    case '{':
    case '[':
        return open_container(skim, byte == '{', out);
    case '"':
        begin_scalar(skim, STATE_STRING, JSON_STRING, 0);
        return false;
    case 't':
        begin_scalar(skim, STATE_WORD, JSON_TRUE, 3);
        return false;
    case 'f':
        begin_scalar(skim, STATE_WORD, JSON_FALSE, 4);
        return false;
    case 'n':
        begin_scalar(skim, STATE_WORD, JSON_NULL, 3);
        return false;
    default:
        begin_scalar(skim, STATE_NUMBER, JSON_NUMBER, 0);
        keep(skim, (struct bytes){&byte, 1});
        if (byte != '-' && !is_digit(byte)) {
            skim->state = STATE_LOST;
        }
        return false;
    }
}

static bool end_string(struct skim *skim, struct skim_value *out)
{
    if (skim->is_key) {
        skim->path = path_of_key(skim);
        skim->state = STATE_COLON;
        return false;
    }
    end_value(skim);
    return tell(skim, JSON_STRING, kept(skim), out);
}

/* Behind a value: the next one, or an end. */
static void go_on(struct skim *skim, char byte)
{
    if (byte == ',') {
        skim->state = is_in_object(skim) ? STATE_KEY : STATE_VALUE;
        skim->path = skim->depth <= SKIM_PATHS_MAX ? skim->paths[skim->depth - 1] : PATH_LOST;
    } else if (byte == '}' || byte == ']') {
        close_container(skim, byte == '}');
    } else {
        skim->state = STATE_LOST;
    }
}

/* A byte between values. */
static bool take_between(struct skim *skim, char byte, struct skim_value *out)
{
    switch ((enum state)skim->state) {
    case STATE_FIRST_VALUE:
        if (byte == ']') {
            close_container(skim, false);
            return false;
        }
        return begin_value(skim, byte, out);
    case STATE_VALUE:
        return begin_value(skim, byte, out);
    case STATE_FIRST_KEY:
    case STATE_KEY:
        if (byte == '"') {
            begin_scalar(skim, STATE_STRING, JSON_STRING, 0);
            skim->is_key = true;
        } else if (byte == '}' && skim->state == STATE_FIRST_KEY) {
            close_container(skim, true);
        } else {
            skim->state = STATE_LOST;
        }
        return false;
    case STATE_COLON:
        skim->state = byte == ':' ? STATE_VALUE : STATE_LOST;
        return false;
    case STATE_AFTER:
        go_on(skim, byte);
        return false;
    default:
        skim->state = STATE_LOST; /* something behind a whole text */
        return false;
    }
}

/* What the last code point of a string that goes on still lacks. Three bytes tell: no code point has more behind its first. */
static void follow_point(struct skim *skim, struct bytes part)
{
    if (part.count > UTF8_POINT_BYTES_MAX - 1) {
        part = bytes_from(part, part.count - (UTF8_POINT_BYTES_MAX - 1));
        skim->left = 0;
    }
    for (size_t at = 0; at < part.count; at++) {
        unsigned char byte = (unsigned char)part.data[at];

        if (!utf8_is_continuation(byte)) {
            skim->lead = byte;
            skim->left = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
        } else if (skim->left > 0) {
            skim->left--;
        }
    }
}

/* Some bytes that complete it. */
static struct bytes rest_of_point(const struct skim *skim)
{
    if (skim->lead == 0xE0 && skim->left == 2) {
        return BYTES("\xA0\x80");
    }
    return skim->lead == 0xF0 && skim->left == 3 ? BYTES("\x90\x80\x80") : bytes_first(BYTES("\x80\x80\x80"), skim->left);
}

/* As much of a string as there is. */
static bool take_string(struct skim *skim, struct bytes *input, struct skim_value *out)
{
    size_t count = 0;

    while (count < input->count && input->data[count] != '"' && input->data[count] != '\\') {
        count++;
    }
    keep(skim, bytes_first(*input, count));
    if (count == input->count) {
        follow_point(skim, *input);
        *input = bytes_from(*input, count);
        return false;
    }
    if (input->data[count] == '\\') {
        keep(skim, BYTES("\\"));
        skim->state = STATE_ESCAPE;
        *input = bytes_from(*input, count + 1);
        return false;
    }
    *input = bytes_from(*input, count + 1);
    return end_string(skim, out);
}

/* One byte of a number, a word or an escape; false in `*taken` when it belongs to what comes behind. */
static bool take_scalar(struct skim *skim, char byte, bool *taken, struct skim_value *out)
{
    *taken = true;
    switch ((enum state)skim->state) {
    case STATE_NUMBER:
        if (is_space(byte) || byte == ',' || byte == '}' || byte == ']') {
            *taken = false;
            end_value(skim);
            return tell(skim, JSON_NUMBER, kept(skim), out);
        }
        keep(skim, (struct bytes){&byte, 1});
        return false;
    case STATE_WORD:
        skim->left--;
        if (skim->left == 0) {
            end_value(skim);
            return tell(skim, (enum json_type)skim->kind, (struct bytes){NULL, 0}, out);
        }
        return false;
    case STATE_HEX:
        keep(skim, (struct bytes){&byte, 1});
        skim->left--;
        skim->state = skim->left == 0 ? STATE_STRING : STATE_HEX;
        return false;
    default: /* STATE_ESCAPE */
        keep(skim, (struct bytes){&byte, 1});
        skim->left = byte == 'u' ? 4 : 0;
        skim->state = byte == 'u' ? STATE_HEX : STATE_STRING;
        return false;
    }
}

bool skim_next(struct skim *skim, struct bytes *input, struct skim_value *out)
{
    while (input->count > 0 && skim->state != STATE_LOST) {
        bool told = false, taken = true;

        if (skim->state == STATE_STRING) {
            told = take_string(skim, input, out);
            taken = false; /* by itself */
        } else if (skim->state == STATE_ESCAPE || skim->state == STATE_HEX || skim->state == STATE_NUMBER ||
                   skim->state == STATE_WORD) {
            told = take_scalar(skim, input->data[0], &taken, out);
        } else if (!is_space(input->data[0])) {
            told = take_between(skim, input->data[0], out);
        }
        if (taken) {
            *input = bytes_from(*input, 1);
        }
        if (told) {
            return true;
        }
    }
    *input = bytes_from(*input, input->count);
    return false;
}

bool skim_is_whole(const struct skim *skim)
{
    return skim->state == STATE_WHOLE || (skim->state == STATE_NUMBER && skim->depth == 0);
}

bool skim_is_lost(const struct skim *skim)
{
    return skim->state == STATE_LOST;
}

bool skim_is_between(const struct skim *skim)
{
    return skim->depth == 1 &&
           (skim->state == STATE_VALUE || skim->state == STATE_FIRST_VALUE || skim->state == STATE_AFTER);
}

/* The end of the scalar at hand, or the value that a key or a comma announced. */
static enum status close_scalar(const struct skim *skim, struct buffer *out)
{
    static const char *const words[] = {[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    enum status status = STATUS_OK;
    const char *word;

    switch ((enum state)skim->state) {
    case STATE_ESCAPE:
        status = buffer_append(out, BYTES("\\"));
        break;
    case STATE_HEX:
        status = buffer_append(out, bytes_first(BYTES("0000"), skim->left));
        break;
    case STATE_COLON:
        return buffer_append(out, BYTES(":null"));
    case STATE_VALUE:
        return skim->depth == 1 ? STATUS_OK : buffer_append(out, BYTES("null"));
    case STATE_KEY:
        return buffer_append(out, BYTES("\"\":null"));
    case STATE_NUMBER:
        return buffer_append(out, is_digit(skim->value[kept(skim).count - 1]) ? BYTES("") : BYTES("0")); /* behind "1e" */
    case STATE_WORD:
        word = words[skim->kind];
        return buffer_append_text(out, word + strlen(word) - skim->left);
    case STATE_STRING:
        status = buffer_append(out, rest_of_point(skim));
        break;
    default:
        return STATUS_OK;
    }
    status = status == STATUS_OK ? buffer_append(out, BYTES("\"")) : status;
    return status == STATUS_OK && skim->is_key ? buffer_append(out, BYTES(":null")) : status;
}

enum status skim_close(const struct skim *skim, struct buffer *out, bool *again)
{
    bool between = skim_is_between(skim);
    enum status status;

    *again = between ? skim->state == STATE_AFTER : true;
    if (skim_is_whole(skim) || skim_is_lost(skim)) {
        return STATUS_OK;
    }
    status = close_scalar(skim, out);
    for (unsigned depth = skim->depth; status == STATUS_OK && depth > 1; depth--) {
        status = buffer_append(out, (skim->objects >> (depth - 1) & 1) != 0 ? BYTES("}") : BYTES("]"));
    }
    return status;
}
