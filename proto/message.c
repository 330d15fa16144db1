/* message: the messages without text: READY, VERDICT, VERDICTS, BUSY, MODEL, PING, PONG, BYE, field by field (PROTOCOL.md). */
#include "proto/message.h"

#include "proto/message_pack.h"

#include <assert.h>

/* Objects in each message's array, version and type included. */
enum {
    PLAIN_ITEMS = 2,
    READY_ITEMS = 6,
    DECISION_ITEMS = 9, /* what a VERDICT says behind nonce and sequence, and one answer of a VERDICTS */
    VERDICT_ITEMS = 4 + DECISION_ITEMS,
    VERDICTS_ITEMS = 5,
    REFUSAL_ITEMS = 1, /* the other kind of answer: why there is no verdict */
    BUSY_ITEMS = 5,
    MODEL_ITEMS = 4
};

/* A local slot serves every profile and names none; a review slot serves one. */
static bool ready_is_sound(const struct message_ready *ready)
{
    return ready->worker.count == WORKER_ID_BYTES &&
           (ready->kind == SLOT_LOCAL ? ready->profile.count == 0 : profile_is_sound(ready->profile));
}

enum status message_write_ready(const struct message_ready *ready, struct buffer *out)
{
    struct packer packer;

    if (!ready_is_sound(ready)) {
        return STATUS_MALFORMED;
    }
    pack_begin(&packer, out);
    pack_head(&packer, READY_ITEMS, MESSAGE_READY);
    pack_binary(&packer, ready->worker);
    pack_unsigned(&packer, ready->kind);
    pack_text(&packer, ready->profile);
    pack_unsigned(&packer, ready->text_bytes_max);
    return pack_end(&packer);
}

enum status message_read_ready(struct bytes frame, struct message_ready *out)
{
    struct unpacker unpacker;
    struct message_ready ready;
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_READY, READY_ITEMS);

    if (status != STATUS_OK) {
        return status;
    }
    ready.worker = unpack_binary(&unpacker, WORKER_ID_BYTES, WORKER_ID_BYTES);
    ready.kind = (enum slot_kind)unpack_unsigned(&unpacker, SLOT_REVIEW);
    ready.profile = unpack_text(&unpacker, PROFILE_NAME_BYTES_MAX);
    ready.text_bytes_max = unpack_unsigned(&unpacker, UINT64_MAX);
    status = unpack_end(&unpacker);
    if (status != STATUS_OK || !ready_is_sound(&ready)) {
        return STATUS_MALFORMED;
    }
    *out = ready;
    return STATUS_OK;
}

enum status message_write_plain(enum message_type type, struct buffer *out)
{
    struct packer packer;

    assert(type == MESSAGE_PING || type == MESSAGE_PONG || type == MESSAGE_BYE);
    pack_begin(&packer, out);
    pack_head(&packer, PLAIN_ITEMS, type);
    return pack_end(&packer);
}

enum status message_read_type(struct bytes frame, enum message_type *out)
{
    struct unpacker unpacker;
    size_t items;
    enum message_type type;
    enum status status = unpack_head(&unpacker, frame, &items, &type);

    if (status != STATUS_OK) {
        return status;
    }
    /* The plain ones have no reader of their own that would look at their length. */
    if ((type == MESSAGE_PING || type == MESSAGE_PONG || type == MESSAGE_BYE) && items != PLAIN_ITEMS) {
        return STATUS_MALFORMED;
    }
    *out = type;
    return STATUS_OK;
}

/* Unsure says which pieces, what happens without a review, and on what that rests; the others say nothing of it. */
static bool verdict_is_sound(const struct message_verdict *verdict)
{
    if ((unsigned)verdict->outcome > OUTCOME_UNSURE || (unsigned)verdict->fallback > OUTCOME_BLOCK ||
        (unsigned)verdict->drawn > DRAWN_RANDOM || (unsigned)verdict->source > SOURCE_UNDECIDED ||
        !name_is_sound(verdict->category, CATEGORY_BYTES_MAX) || !score_is_sound(verdict->score)) {
        return false;
    }
    if (verdict->outcome != OUTCOME_UNSURE) {
        return verdict->unsure.count == 0;
    }
    return verdict->unsure.count >= 1 && verdict->unsure.count <= UNSURE_BYTES_MAX &&
           verdict->unsure.data[verdict->unsure.count - 1] != 0 &&
           (verdict->source == SOURCE_MODEL || verdict->source == SOURCE_UNDECIDED);
}

static void pack_decision(struct packer *packer, const struct message_verdict *verdict)
{
    pack_unsigned(packer, verdict->outcome);
    pack_unsigned(packer, verdict->fallback);
    pack_unsigned(packer, verdict->drawn);
    pack_unsigned(packer, verdict->source);
    pack_text(packer, verdict->category);
    pack_real(packer, verdict->score);
    pack_unsigned(packer, verdict->model_version);
    pack_unsigned(packer, verdict->worker_us);
    pack_binary(packer, verdict->unsure);
}

enum status message_write_verdict(const struct message_verdict *verdict, struct buffer *out)
{
    struct packer packer;

    if (!verdict_is_sound(verdict)) {
        return STATUS_MALFORMED;
    }
    pack_begin(&packer, out);
    pack_head(&packer, VERDICT_ITEMS, MESSAGE_VERDICT);
    pack_unsigned(&packer, verdict->nonce);
    pack_unsigned(&packer, verdict->sequence);
    pack_decision(&packer, verdict);
    return pack_end(&packer);
}

enum status message_write_verdicts(const struct message_task_head *head, size_t count, struct buffer *out)
{
    struct packer packer;

    assert(count > 0 && count <= BATCH_TASKS_MAX);
    pack_begin(&packer, out);
    pack_head(&packer, VERDICTS_ITEMS, MESSAGE_VERDICTS);
    pack_unsigned(&packer, head->nonce);
    pack_unsigned(&packer, head->sequence);
    pack_array(&packer, count);
    return pack_end(&packer);
}

enum status message_write_verdicts_next(const struct message_verdict *verdict, struct buffer *out)
{
    struct packer packer;

    if (!verdict_is_sound(verdict) || verdict->unsure.count > BATCH_UNSURE_BYTES) {
        return STATUS_MALFORMED;
    }
    pack_begin(&packer, out);
    pack_array(&packer, DECISION_ITEMS);
    pack_decision(&packer, verdict);
    return pack_end(&packer);
}

enum status message_write_verdicts_busy(enum busy_reason reason, struct buffer *out)
{
    struct packer packer;

    assert(reason >= BUSY_EXPIRED && reason <= BUSY_LATER);
    pack_begin(&packer, out);
    pack_array(&packer, REFUSAL_ITEMS);
    pack_unsigned(&packer, reason);
    return pack_end(&packer);
}

static void unpack_decision(struct unpacker *unpacker, size_t unsure_bytes_max, struct message_verdict *out)
{
    out->outcome = (enum outcome)unpack_unsigned(unpacker, OUTCOME_UNSURE);
    out->fallback = (enum outcome)unpack_unsigned(unpacker, OUTCOME_BLOCK);
    out->drawn = (enum drawn)unpack_unsigned(unpacker, DRAWN_RANDOM);
    out->source = (enum verdict_source)unpack_unsigned(unpacker, SOURCE_UNDECIDED);
    out->category = unpack_text(unpacker, CATEGORY_BYTES_MAX);
    out->score = unpack_score(unpacker);
    out->model_version = unpack_unsigned(unpacker, UINT64_MAX);
    out->worker_us = (uint32_t)unpack_unsigned(unpacker, UINT32_MAX);
    out->unsure = unpack_binary(unpacker, 0, unsure_bytes_max);
}

enum status message_read_verdict(struct bytes frame, struct message_verdict *out)
{
    struct unpacker unpacker;
    struct message_verdict verdict = {0};
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_VERDICT, VERDICT_ITEMS);

    if (status != STATUS_OK) {
        return status;
    }
    verdict.nonce = unpack_unsigned(&unpacker, UINT64_MAX);
    verdict.sequence = unpack_unsigned(&unpacker, UINT64_MAX);
    unpack_decision(&unpacker, UNSURE_BYTES_MAX, &verdict);
    status = unpack_end(&unpacker);
    if (status != STATUS_OK || !verdict_is_sound(&verdict)) {
        return STATUS_MALFORMED;
    }
    *out = verdict;
    return STATUS_OK;
}

/* One answer of a VERDICTS: its length says which kind it is. */
static void unpack_answer(struct unpacker *unpacker, struct message_answer *answer)
{
    size_t items = unpack_array(unpacker, DECISION_ITEMS);

    if (items == DECISION_ITEMS) {
        answer->busy = BUSY_NONE;
        unpack_decision(unpacker, BATCH_UNSURE_BYTES, &answer->verdict);
        unpacker->bad = unpacker->bad || !verdict_is_sound(&answer->verdict);
        return;
    }
    answer->busy = (enum busy_reason)unpack_unsigned(unpacker, BUSY_LATER);
    unpacker->bad = unpacker->bad || items != REFUSAL_ITEMS || answer->busy == BUSY_NONE;
}

enum status message_read_verdicts(struct bytes frame, struct message_verdicts *out)
{
    struct unpacker unpacker;
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_VERDICTS, VERDICTS_ITEMS);
    uint64_t nonce;
    uint64_t sequence;
    size_t count;

    if (status != STATUS_OK) {
        return status;
    }
    nonce = unpack_unsigned(&unpacker, UINT64_MAX);
    sequence = unpack_unsigned(&unpacker, UINT64_MAX);
    count = unpack_array(&unpacker, BATCH_TASKS_MAX);
    for (size_t index = 0; index < count && !unpacker.bad; index++) {
        unpack_answer(&unpacker, &out->answers[index]);
        out->answers[index].verdict.nonce = nonce;
        out->answers[index].verdict.sequence = sequence;
    }
    if (unpack_end(&unpacker) != STATUS_OK || count == 0) {
        return STATUS_MALFORMED;
    }
    out->nonce = nonce;
    out->sequence = sequence;
    out->count = count;
    return STATUS_OK;
}

bool message_unsure_has(struct bytes unsure, size_t index)
{
    return index / 8 < unsure.count && ((unsigned char)unsure.data[index / 8] >> index % 8 & 1) != 0;
}

size_t message_unsure_end(struct bytes unsure)
{
    size_t end = 8 * unsure.count;

    while (!message_unsure_has(unsure, end - 1)) {
        end--;
    }
    return end;
}

enum status message_write_busy(const struct message_busy *busy, struct buffer *out)
{
    struct packer packer;

    assert(busy->reason >= BUSY_EXPIRED && busy->reason <= BUSY_UNKNOWN_TEXT);
    pack_begin(&packer, out);
    pack_head(&packer, BUSY_ITEMS, MESSAGE_BUSY);
    pack_unsigned(&packer, busy->nonce);
    pack_unsigned(&packer, busy->sequence);
    pack_unsigned(&packer, busy->reason);
    return pack_end(&packer);
}

enum status message_read_busy(struct bytes frame, struct message_busy *out)
{
    struct unpacker unpacker;
    struct message_busy busy;
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_BUSY, BUSY_ITEMS);

    if (status != STATUS_OK) {
        return status;
    }
    busy.nonce = unpack_unsigned(&unpacker, UINT64_MAX);
    busy.sequence = unpack_unsigned(&unpacker, UINT64_MAX);
    busy.reason = (enum busy_reason)unpack_unsigned(&unpacker, BUSY_UNKNOWN_TEXT);
    status = unpack_end(&unpacker);
    if (status != STATUS_OK || busy.reason < BUSY_EXPIRED) {
        return STATUS_MALFORMED;
    }
    *out = busy;
    return STATUS_OK;
}

enum status message_write_model(const struct message_model *model, struct buffer *out)
{
    struct packer packer;

    pack_begin(&packer, out);
    pack_head(&packer, MODEL_ITEMS, MESSAGE_MODEL);
    pack_unsigned(&packer, model->epoch);
    pack_unsigned(&packer, model->change);
    return pack_end(&packer);
}

enum status message_read_model(struct bytes frame, struct message_model *out)
{
    struct unpacker unpacker;
    struct message_model model;
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_MODEL, MODEL_ITEMS);

    if (status != STATUS_OK) {
        return status;
    }
    model.epoch = unpack_unsigned(&unpacker, UINT64_MAX);
    model.change = unpack_unsigned(&unpacker, UINT64_MAX);
    status = unpack_end(&unpacker);
    if (status != STATUS_OK) {
        return status;
    }
    *out = model;
    return STATUS_OK;
}

const char *verdict_source_name(enum verdict_source source)
{
    static const char *const names[] = {
        [SOURCE_NONE] = "none",     [SOURCE_KEYWORD] = "keyword", [SOURCE_MODEL] = "model",
        [SOURCE_REVIEW] = "review", [SOURCE_HISTORY] = "history", [SOURCE_CACHE] = "cache",
        [SOURCE_UNDECIDED] = "undecided",
    };

    return (unsigned)source <= SOURCE_UNDECIDED ? names[source] : "unknown";
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {
        [OUTCOME_ALLOW] = "allow", [OUTCOME_BLOCK] = "block", [OUTCOME_UNSURE] = "unsure"};

    return (unsigned)outcome <= OUTCOME_UNSURE ? names[outcome] : "unknown";
}

const char *slot_kind_name(enum slot_kind kind)
{
    return kind == SLOT_LOCAL ? "local" : kind == SLOT_REVIEW ? "review" : "unknown";
}
