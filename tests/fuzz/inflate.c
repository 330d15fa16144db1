/* inflate: in every coding a body stands for the same bytes however it is cut and in whatever pieces it comes out, and neither
 * output nor memory passes its bound.
 * Of a body that is too large as well as broken, brotli may give another reason for another cut (gateway/inflate.h). */
#include "fuzz/fuzz.h"

#include "gateway/inflate.h"

enum { DECODED_BYTES_MAX = 64 * KIB, ROOM_BYTES_MAX = 4096 };

static enum status keep(void *context, struct bytes part)
{
    fuzz_hold(part.count != 0);
    return buffer_append(context, part);
}

static enum status decode(struct bytes input, enum coding coding, enum fuzz_cut cut, struct buffer *out)
{
    const struct inflate_sink sink = {keep, out};
    uint64_t seed = fuzz_seed(input);
    struct inflate *decoder = NULL;
    enum status status;

    status = inflate_open(&decoder, coding, DECODED_BYTES_MAX, &sink);
    fuzz_hold(status == STATUS_OK);
    while (status == STATUS_OK && input.count != 0) {
        struct bytes piece = fuzz_piece(&input, cut, &seed), rest = piece;

        do {
            size_t before = out->count, room = 1 + seed % ROOM_BYTES_MAX;

            status = inflate_write(decoder, &rest, room);
            fuzz_hold(out->count - before <= room && (status != STATUS_AGAIN || out->count - before == room));
            fuzz_hold(inflate_bytes(decoder) <= inflate_bytes_max(coding));
        } while (status == STATUS_AGAIN);
        fuzz_hold(status != STATUS_OK || rest.count == 0);
        free((char *)piece.data);
    }
    if (status == STATUS_OK) {
        status = inflate_end(decoder);
    }
    inflate_close(&decoder);
    fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_TOO_LARGE);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = fuzz_bytes(data, size);

    for (int coding = CODING_GZIP; coding <= CODING_BROTLI; coding++) {
        enum status whole = STATUS_OK;
        struct buffer outs[FUZZ_CUTS];

        for (int cut = 0; cut < FUZZ_CUTS; cut++) {
            enum status status;

            buffer_init(&outs[cut], DECODED_BYTES_MAX);
            status = decode(input, (enum coding)coding, (enum fuzz_cut)cut, &outs[cut]);
            if (cut == 0) {
                whole = status;
            }
            fuzz_hold(status == whole || (coding == CODING_BROTLI && status != STATUS_OK && whole != STATUS_OK));
            fuzz_hold(status != STATUS_OK || bytes_equal(buffer_view(&outs[0]), buffer_view(&outs[cut])));
        }
        for (int cut = 0; cut < FUZZ_CUTS; cut++) {
            buffer_free(&outs[cut]);
        }
    }
    (void)coding_find(input);
    return 0;
}
