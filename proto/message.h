/* message: TASK, TASKS, VERDICT, VERDICTS, READY, PING, PONG, BYE, BUSY, MODEL as msgpack arrays; PROTOCOL.md is the law.
 *
 * One message is one msgpack array in one ZeroMQ frame: [version, type, ...]. Every reader walks the bytes with the bounded
 * checker first (depth, items, no count taken on trust), then unpacks; a message that is not exactly of its schema is
 * STATUS_MALFORMED, another version STATUS_UNSUPPORTED. Readers lend views into the frame; nothing is copied.
 *
 * Thread: any.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { MESSAGE_VERSION = 1 };

enum message_type {
    MESSAGE_READY = 1, /* moderator -> gateway: this slot is free, and this is what it is */
    MESSAGE_TASK = 2,  /* gateway -> moderator: judge this */
    MESSAGE_VERDICT = 3, /* moderator -> gateway: the answer; also the next READY */
    MESSAGE_PING = 4,  /* gateway -> idle slot */
    MESSAGE_PONG = 5,  /* slot -> gateway; also the next READY */
    MESSAGE_BYE = 6,   /* moderator -> gateway: this slot will send no READY again */
    MESSAGE_BUSY = 7,  /* moderator -> gateway: not judged, and why; also the next READY */
    MESSAGE_MODEL = 8, /* trainer -> moderators (PUB): {epoch, change} */
    MESSAGE_RECALL = 9, /* gateway -> moderator: a TASK whose texts have names; those that it knows are left out */
    MESSAGE_TASKS = 10, /* gateway -> moderator: judge these */
    MESSAGE_VERDICTS = 11, /* moderator -> gateway: the answers, one each; also the next READY */
};

enum slot_kind { SLOT_LOCAL = 0, SLOT_REVIEW = 1 };

enum outcome { OUTCOME_ALLOW = 0, OUTCOME_BLOCK = 1, OUTCOME_UNSURE = 2 };

/* What decided. The names in logs, metrics and headers come from verdict_source_name(). */
enum verdict_source {
    SOURCE_NONE = 0,      /* nothing to judge (no text in scope) */
    SOURCE_KEYWORD = 1,
    SOURCE_MODEL = 2,
    SOURCE_REVIEW = 3,
    SOURCE_HISTORY = 4,
    SOURCE_CACHE = 5,
    SOURCE_UNDECIDED = 6, /* unsure and nobody to ask: the profile's `undecided` decided */
};

/* Why a text goes to review; kept with its sample (verdicts.drawn in trainer/schema). */
enum drawn { DRAWN_UNSURE = 0, DRAWN_RANDOM = 1 };

/* The category of a text that nobody judged and `undecided` or `when_full` blocks. */
#define CATEGORY_UNDECIDED "undecided"

enum busy_reason {
    BUSY_NONE = 0,            /* it was judged */
    BUSY_EXPIRED = 1,         /* no time was left when it was read */
    BUSY_UNKNOWN_PROFILE = 2, /* no such profile in this moderator's settings */
    BUSY_UNSUPPORTED = 3,     /* a version or type it does not know */
    BUSY_FAILED = 4,          /* an error of its own */
    BUSY_UNKNOWN_TEXT = 5,    /* a text that was left out is not known any more */
    BUSY_LATER = 6,           /* of a TASKS: others of it took so long that this one was not begun */
};

/* One piece of text that is judged by itself, and whose words it is (enum scope_role of proto/settings.h). */
struct segment {
    uint8_t role;
    struct bytes text; /* UTF-8; of the gateway: it ends with SEGMENT_END */
};

/* What a judged text ends with: the gateway ends its last line, where that is begun, and adds nothing to one that is ended. So
 * "x" and "x\n" of a client are one text, "x\n", and "x\n\n" is another. A text is known by the hash of all its bytes, these
 * among them (PROTOCOL.md): who brings one from elsewhere (trainer/import) ends it alike, or it is never met again. */
#define SEGMENT_END "\n"

static inline bool segment_lacks_end(struct bytes text)
{
    return text.count > 0 && !bytes_ends_with(text, BYTES(SEGMENT_END));
}

struct message_ready {
    struct bytes worker;  /* WORKER_ID_BYTES, random: one moderator process */
    enum slot_kind kind;
    struct bytes profile; /* a review slot serves one profile; empty for a local slot, which serves all */
    uint64_t text_bytes_max;
};

/* The head of a TASK: what the pool decides at the moment of sending. */
struct message_task_head {
    uint64_t nonce;        /* of the gateway process */
    uint64_t sequence;     /* of the attempt; both are echoed */
    enum slot_kind kind;
    uint32_t remaining_ms; /* until the gateway gives up this attempt */
    enum drawn drawn;      /* review only: why */
    float score;           /* review only: the local model's, NaN when there was none */
    uint64_t model_version; /* review only; 0 = none */
};

struct message_task {
    struct message_task_head head;
    struct bytes caller; /* the name of the key that asked; empty where there are no keys */
    struct bytes profile;
    size_t segment_count;
    size_t name_count;     /* of them those with a name */
    size_t left_out_count; /* and those with a name in the place of the text */
    struct bytes segments; /* the packed segments, read one by one with message_next_segment() */
};

struct message_verdict {
    uint64_t nonce;
    uint64_t sequence;
    enum outcome outcome;
    enum outcome fallback;      /* with OUTCOME_UNSURE: what the profile's `undecided` says; ALLOW or BLOCK */
    enum drawn drawn;           /* with OUTCOME_UNSURE: why a review is wanted */
    enum verdict_source source; /* what decided; with OUTCOME_UNSURE: what `fallback` rests on (MODEL or UNDECIDED) */
    struct bytes category;      /* UTF-8 without control characters, CATEGORY_BYTES_MAX; empty when allowed */
    float score;                /* of the worst segment, 0 to 1; NaN when no model ran */
    uint64_t model_version;     /* 0 = none */
    uint32_t worker_us;         /* time in the moderator */
    struct bytes unsure;        /* with OUTCOME_UNSURE: the segments a review should see (message_unsure_has); else empty */
};

struct message_busy {
    uint64_t nonce;
    uint64_t sequence;
    enum busy_reason reason;
};

/* A TASK, a RECALL or a TASKS. Of a TASKS every task has the head of the message. */
struct message_tasks {
    bool is_batch; /* a TASKS: to be answered by VERDICTS, however many they are */
    size_t count;
    struct message_task tasks[BATCH_TASKS_MAX];
};

struct message_answer {
    enum busy_reason busy;          /* BUSY_NONE: there is a verdict */
    struct message_verdict verdict; /* nonce and sequence are the message's */
};

/* The answers to a TASKS, in its order. */
struct message_verdicts {
    uint64_t nonce;
    uint64_t sequence;
    size_t count;
    struct message_answer answers[BATCH_TASKS_MAX];
};

struct message_model {
    uint64_t epoch;
    uint64_t change; /* the greatest change of the table `models`; 0 = none yet */
};

/* The body of a TASK (caller, profile and segments) is packed once by the loop that extracts the text and then sent as often as
 * needed: message_body_open, message_body_add..., message_body_end. `out` has the bound the caller gave it. */
struct message_body {
    struct buffer *out;   /* borrowed as long as the body is used */
    size_t segment_count;
    size_t name_count;
    size_t count_at;      /* where the number of segments is patched in */
};
/* `caller`: message_task's. STATUS_MALFORMED when `profile` is no name (empty, too long, a control character) or `caller` is
 * too long. */
MUST_CHECK enum status message_body_open(struct message_body *body, struct buffer *out, struct bytes caller,
                                         struct bytes profile);
/* STATUS_FULL past SEGMENTS_MAX, STATUS_TOO_LARGE past the buffer's bound. */
MUST_CHECK enum status message_body_add(struct message_body *body, const struct segment *segment);
/* The same with the name of its text (TABLE_HASH_BYTES), for a RECALL; without text it is left out. STATUS_FULL past
 * RECALL_NAMES_MAX too. */
MUST_CHECK enum status message_body_add_named(struct message_body *body, const struct segment *segment, struct bytes name);
void message_body_end(struct message_body *body);
/* Begins with the caller and the profile of another body, which has been ended and whose buffer is still as it was. */
MUST_CHECK enum status message_body_open_like(struct message_body *body, struct buffer *out, const struct message_body *other);
/* Its segments, to be read as a task's; lent until its buffer changes. */
struct bytes message_body_segments(const struct message_body *body);

/* The segments that an unsure verdict names: segment n is bit n % 8 of byte n / 8, the lowest being bit 0. At most
 * UNSURE_BYTES_MAX; the last byte is not 0, so that one is named and each set of them has one form. */
bool message_unsure_has(struct bytes unsure, size_t index);

/* One more than the last one that is named; `unsure` is not empty. */
size_t message_unsure_end(struct bytes unsure);

/* A body with only those segments of `body` that `unsure` names, in their order (a review sees the unsure ones). Appended to
 * `out`, which is as it was on failure. STATUS_NOT_FOUND when there is no such segment, STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_CHECK enum status message_body_select(struct bytes body, struct bytes unsure, struct buffer *out);

/* The writers append to `out` and leave it as it was on failure: STATUS_TOO_LARGE past its bound, STATUS_NO_MEMORY, and
 * STATUS_MALFORMED for a READY or VERDICT that no reader would take (a category that is no name, a score above 1). */

/* The whole TASK, or RECALL (of a local slot): head and body. */
MUST_CHECK enum status message_write_task(const struct message_task_head *head, struct bytes body, struct buffer *out);
MUST_CHECK enum status message_write_recall(const struct message_task_head *head, struct bytes body, struct buffer *out);
/* A TASKS is its head (of a local slot; of it nonce, sequence and time), and then `count` bodies, which may have names: each is
 * announced by message_write_tasks_next and appended behind it. */
MUST_CHECK enum status message_write_tasks(const struct message_task_head *head, size_t count, struct buffer *out);
MUST_CHECK enum status message_write_tasks_next(struct buffer *out);
MUST_CHECK enum status message_write_verdict(const struct message_verdict *verdict, struct buffer *out);
/* A VERDICTS is the head of its TASKS, and then `count` answers: a verdict (nonce and sequence are not looked at; `unsure` names
 * no segment from BATCH_SEGMENTS_MAX on) or a reason. */
MUST_CHECK enum status message_write_verdicts(const struct message_task_head *head, size_t count, struct buffer *out);
MUST_CHECK enum status message_write_verdicts_next(const struct message_verdict *verdict, struct buffer *out);
MUST_CHECK enum status message_write_verdicts_busy(enum busy_reason reason, struct buffer *out);
MUST_CHECK enum status message_write_ready(const struct message_ready *ready, struct buffer *out);
MUST_CHECK enum status message_write_busy(const struct message_busy *busy, struct buffer *out);
MUST_CHECK enum status message_write_model(const struct message_model *model, struct buffer *out);
/* PING, PONG and BYE are [version, type] alone. */
MUST_CHECK enum status message_write_plain(enum message_type type, struct buffer *out);

/* Version and type, after the bounded check of the whole frame; all there is to PING, PONG and BYE. All readers:
 * STATUS_MALFORMED, STATUS_TOO_LARGE (more objects or deeper than the bounds), STATUS_UNSUPPORTED (version or type). */
MUST_CHECK enum status message_read_type(struct bytes frame, enum message_type *out);
MUST_CHECK enum status message_read_ready(struct bytes frame, struct message_ready *out);
/* A TASK or a RECALL. */
MUST_CHECK enum status message_read_task(struct bytes frame, struct message_task *out);
/* Those, or a TASKS. These two are large: `out` is filled as the frame is read, and means something with STATUS_OK only. */
MUST_CHECK enum status message_read_tasks(struct bytes frame, struct message_tasks *out);
MUST_CHECK enum status message_read_verdicts(struct bytes frame, struct message_verdicts *out);
MUST_CHECK enum status message_read_verdict(struct bytes frame, struct message_verdict *out);
MUST_CHECK enum status message_read_busy(struct bytes frame, struct message_busy *out);
MUST_CHECK enum status message_read_model(struct bytes frame, struct message_model *out);

/* The next segment of a task and forward; STATUS_NOT_FOUND after the last. `*rest` begins as task.segments. */
MUST_CHECK enum status message_next_segment(struct bytes *rest, struct segment *out);
/* The same with the name of its text; empty where it has none. A name without text: it is left out. */
MUST_CHECK enum status message_next_named(struct bytes *rest, struct segment *out, struct bytes *out_name);

/* "keyword", "model", ...; "allow", ...; "local", "review"; "unknown" for a number that is none. Static. */
const char *verdict_source_name(enum verdict_source source);
const char *outcome_name(enum outcome outcome);
const char *slot_kind_name(enum slot_kind kind);

#endif
