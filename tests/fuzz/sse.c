/* sse: a stream's events are the same however it is cut; an event that is written is read back; a gap completes any stream. */
#include "fuzz/fuzz.h"

#include "proto/sse.h"
#include "proto/utf8.h"

enum { EVENT_BYTES_MAX = 512 };

/* A text with its length before it, so that two stories are equal only when all of their parts are. */
static void tell_text(struct bytes text, struct buffer *story)
{
    fuzz_hold(buffer_append_format(story, "%zu:", text.count) == STATUS_OK && buffer_append(story, text) == STATUS_OK);
}

static void tell_event(const struct sse_event *event, struct buffer *story)
{
    fuzz_hold(event->type.count != 0 && event->data.count <= EVENT_BYTES_MAX * 3);
    fuzz_hold(utf8_sound_bytes(event->data) == event->data.count);
    tell_text(event->type, story);
    tell_text(event->data, story);
    tell_text(event->id, story);
}

/* Whether all of `in` could be read. */
static bool tell_piece(struct sse *sse, struct bytes in, struct buffer *story)
{
    struct sse_event event;

    for (;;) {
        size_t before = in.count;
        enum status status = sse_next(sse, &in, &event);

        if (status == STATUS_OK) {
            fuzz_hold(in.count < before);
            tell_event(&event, story);
            continue;
        }
        if (status == STATUS_AGAIN) {
            fuzz_hold(in.count == 0);
            return true;
        }
        fuzz_hold(status == STATUS_TOO_LARGE && sse_next(sse, &in, &event) == STATUS_TOO_LARGE);
        fuzz_hold(buffer_append_text(story, "too large") == STATUS_OK);
        return false;
    }
}

static void tell(struct bytes input, enum fuzz_cut cut, struct buffer *story)
{
    uint64_t seed = fuzz_seed(input);
    struct sse_event event;
    struct sse *sse = NULL;
    bool going = true;

    fuzz_hold(sse_open(&sse, EVENT_BYTES_MAX) == STATUS_OK);
    while (going && input.count != 0) {
        struct bytes piece = fuzz_piece(&input, cut, &seed);

        going = tell_piece(sse, piece, story);
        free((char *)piece.data);
    }
    if (going && sse_rest(sse, &event) == STATUS_OK) {
        tell_event(&event, story);
    }
    fuzz_hold(buffer_append_format(story, "retry %lld", (long long)sse_retry_ms(sse)) == STATUS_OK);
    sse_close(&sse);
}

/* After the gap an event of our own begins cleanly: the reader sees it as it was meant, whatever stood before. */
static void end_with_our_own(struct bytes input)
{
    struct sse_boundary boundary = {0};
    struct sse_event event, last = {0};
    struct buffer stream;
    struct bytes rest;
    struct sse *sse = NULL;
    uint64_t seed = fuzz_seed(input);

    for (struct bytes left = input; left.count != 0;) {
        struct bytes piece = fuzz_piece(&left, FUZZ_PIECES, &seed);

        sse_boundary_follow(&boundary, piece);
        free((char *)piece.data);
    }
    buffer_init(&stream, 16 * MIB);
    fuzz_hold(buffer_append(&stream, input) == STATUS_OK && buffer_append(&stream, sse_boundary_gap(&boundary)) == STATUS_OK);
    fuzz_hold(sse_write(&stream, BYTES("ours"), BYTES("a\nb")) == STATUS_OK);
    fuzz_hold(sse_open(&sse, input.count + 64) == STATUS_OK);
    rest = buffer_view(&stream);
    for (enum status status; (status = sse_next(sse, &rest, &event)) != STATUS_AGAIN;) {
        if (status != STATUS_OK) { /* a name above its own bound */
            fuzz_hold(status == STATUS_TOO_LARGE);
            goto done;
        }
        last = event;
    }
    fuzz_hold(bytes_equal(last.type, BYTES("ours")) && bytes_equal(last.data, BYTES("a\nb")));
done:
    sse_close(&sse);
    buffer_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer stories[FUZZ_CUTS];

    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buffer_init(&stories[cut], 64 * MIB);
        tell(fuzz_bytes(data, size), (enum fuzz_cut)cut, &stories[cut]);
        fuzz_hold(bytes_equal(buffer_view(&stories[0]), buffer_view(&stories[cut])));
    }
    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buffer_free(&stories[cut]);
    }
    end_with_our_own(fuzz_bytes(data, size));
    return 0;
}
