/* json: a strict reader into a flat array of token spans, and a writer into a bounded buffer (house D14, RFC 8259).
 *
 * The reader is one pass without recursion: UTF-8 without BOM, one document, no comment, no trailing comma, no raw
 * control byte, depth <= JSON_DEPTH_MAX, tokens <= JSON_TOKENS_MAX, numbers <= JSON_NUMBER_BYTES_MAX bytes, U+0000
 * refused even as an escape, no key twice in one object (escaped spellings count as the same) unless its caller lets that in.
 * Lone surrogate escapes are accepted and marked.
 *
 *   {"a":[1,"x"]}      index  type    start  end  next
 *                      0      OBJECT  0      13   5
 *                      1      STRING  2      3    2
 *                      2      ARRAY   5      12   5
 *                      3      NUMBER  6      7    4
 *                      4      STRING  9      10   5
 *
 * `next` is the index after the value and all inside it, so that a sibling is one step away. A key is a STRING token;
 * its value is the token right behind it. Spans of strings exclude the quotes.
 *
 * Thread: any; a document belongs to one thread at a time.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_flag {
    JSON_ESCAPED = 1 << 0,        /* the string holds at least one escape */
    JSON_LONE_SURROGATE = 1 << 1, /* one of them is half of a pair */
    JSON_OVERRIDDEN = 1 << 2,     /* a key that comes once more in its object (JSON_MARK_DUPLICATES) */
};

struct json_token {
    uint32_t start; /* byte offsets into the source */
    uint32_t end;
    uint32_t next;
    uint32_t count; /* members of an object, items of an array, else 0 */
    uint8_t type;   /* enum json_type */
    uint8_t flags;  /* enum json_flag */
};

struct json {
    struct bytes source; /* borrowed as long as the document is used */
    struct json_token *tokens;
    size_t token_count;
    size_t token_room;
    size_t error_at;    /* byte offset of the first thing wrong, after a failure */
    uint64_t random[2]; /* of the duplicate check (proto/json_keys.h); 0 = not drawn yet */
    bool is_read;       /* by a reader, which its owner says: the next json_read of this source has nothing left to do */
    bool has_repeats;   /* of a document that was read: keys are marked as overridden */
};

/* What becomes of a key that an object has twice. Marked: so that json_cut_repeats can take all but the last one out. */
enum json_duplicates { JSON_REFUSE_DUPLICATES, JSON_LAST_DUPLICATE_WINS, JSON_MARK_DUPLICATES };

/* Values that nobody will look at: each step is the key of a member, or NULL for every item of an array.
 *   {"choices", NULL, "logprobs"}      the logprobs of all choices */
struct json_path {
    const char *const *steps;
    unsigned step_count;
};

/* A document on its way: what json_read does at once can be done in slices, with other work in between. */
struct json_reader {
    struct json *json;
    const unsigned char *start;
    const unsigned char *end;
    const unsigned char *at;   /* where it goes on; NULL = it failed, or has ended */
    const unsigned char *stop; /* of this slice */
    enum json_duplicates duplicates;
    enum status status;            /* why a step answered NULL */
    unsigned depth;                /* containers that are open */
    uint32_t open[JSON_DEPTH_MAX]; /* their tokens, outermost first */
    const unsigned char *string;   /* inside of which it stopped; NULL = in none */
    unsigned string_flags;
    bool string_is_key;
    const struct json_path *path; /* of what is passed over; NULL = nothing */
    bool is_passing;              /* inside of it */
};

/* An empty document; json_read may be called again and again on it and keeps its tokens' memory. */
void json_init(struct json *json);
void json_free(struct json *json);

/* Frees the tokens of a document that had more than JSON_TOKENS_KEPT; it is not to be used any more. */
void json_shed(struct json *json);

/* STATUS_MALFORMED, STATUS_DUPLICATE, STATUS_TOO_LARGE (depth, tokens, number, or a source of 4 GiB), STATUS_NO_MEMORY,
 * STATUS_UNAVAILABLE (no random numbers from the system). After a failure there are no tokens, and error_at says
 * where. */
MUST_CHECK enum status json_read(struct json *json, struct bytes source, enum json_duplicates duplicates);

/* The same in slices. The reader borrows the document, which nobody else may read into, and the source until it has ended.
 * STATUS_AGAIN: about so many bytes have been read, and there are more; then those of json_read, once. */
void json_reader_begin(struct json_reader *reader, struct json *json, struct bytes source, enum json_duplicates duplicates);
MUST_CHECK enum status json_reader_go_on(struct json_reader *reader, size_t bytes);

/* Before the first slice: arrays and objects at `path` (borrowed) are read as strictly as all others, and keys that come twice
 * are refused in them, but have no tokens except their own, with a count of 0. JSON_TOKENS_MAX bounds what is kept of them at
 * once: an object's members, for its check. */
void json_reader_pass_over(struct json_reader *reader, const struct json_path *path);

/* Takes every member that a later one of its object overrides out of `text`, which is the source, in its place; what is left is
 * sound JSON that says the same to all readers. Returns its bytes. The document is empty then. */
size_t json_cut_repeats(struct json *json, char *text);

/* Token 0 is the root. The value of a key of an object, or NULL. Keys compare decoded. */
const struct json_token *json_member(const struct json *json, const struct json_token *object, const char *key);
/* Walking: for (t = json_first(j, parent); t != NULL; t = json_after(j, parent, t)). In an object the steps are keys;
 * the value of a key is json_value(j, key). */
const struct json_token *json_first(const struct json *json, const struct json_token *parent);
const struct json_token *json_after(const struct json *json, const struct json_token *parent,
                                    const struct json_token *token);
const struct json_token *json_value(const struct json *json, const struct json_token *key);

/* The source text of a value, quotes and braces included. Lends from the source. */
struct bytes json_span(const struct json *json, const struct json_token *token);

/* True when the string, decoded, is `text`. */
bool json_string_is(const struct json *json, const struct json_token *token, const char *text);

/* The string decoded: without escapes a view into the source, otherwise decoded into `scratch` (appended; the view
 * lasts until the scratch changes). A lone surrogate becomes U+FFFD. */
MUST_CHECK enum status json_string(const struct json *json, const struct json_token *token, struct buffer *scratch,
                                   struct bytes *out);

/* A whole number without fraction or exponent. STATUS_MALFORMED otherwise, STATUS_TOO_LARGE outside int64. */
MUST_CHECK enum status json_integer(const struct json *json, const struct json_token *token, int64_t *out);
MUST_CHECK enum status json_real(const struct json *json, const struct json_token *token, double *out);

/* The writer: appends to a buffer and remembers the first failure, so that one check at the end is enough.
 *   json_write_object_begin(w); json_write_key(w, "a"); json_write_integer(w, 1); json_write_object_end(w); */
struct json_writer {
    struct buffer *out; /* borrowed */
    enum status status; /* the first failure, or STATUS_OK */
    uint8_t depth;
    uint64_t need_comma; /* bit a level */
};
void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_write_object_begin(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array_begin(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_key(struct json_writer *writer, const char *key);
/* UTF-8 in; bytes that are not UTF-8 become U+FFFD; control bytes are escaped. */
void json_write_string(struct json_writer *writer, struct bytes text);
void json_write_text(struct json_writer *writer, const char *text);
void json_write_integer(struct json_writer *writer, int64_t number);
void json_write_real(struct json_writer *writer, double number); /* NaN and infinities become null */

/* A key of an object and its number. */
void json_write_integer_member(struct json_writer *writer, const char *key, int64_t number);
void json_write_real_member(struct json_writer *writer, const char *key, double number);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);
void json_write_raw(struct json_writer *writer, struct bytes json); /* a value already in JSON */

#endif
