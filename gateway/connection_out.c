/* connection_out: one buffer filling while the other is on its way. */
#include "gateway/connection_out.h"

#include "proto/limits.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

void out_init(struct connection_out *out, uv_stream_t *stream, struct account *account, size_t bytes_max,
              void (*sent)(struct connection_out *out, enum status status))
{
    *out = (struct connection_out){.stream = stream, .account = account, .sent = sent};
    buffer_init(&out->waiting, bytes_max);
    buffer_init(&out->sending, bytes_max);
}

void out_free(struct connection_out *out)
{
    assert(out->write == NULL);
    account_free(out->account, &out->waiting);
    account_free(out->account, &out->sending);
}

size_t out_held(const struct connection_out *out)
{
    return out->waiting.room + out->sending.room;
}

size_t out_unsent(const struct connection_out *out)
{
    return out->waiting.count + (out->write != NULL ? uv_stream_get_write_queue_size(out->stream) : 0);
}

static void on_write(uv_write_t *write, int result)
{
    struct connection_out *out = write->data;

    free(write);
    out->write = NULL;
    account_free(out->account, &out->sending);
    out->sent(out, result == 0 ? STATUS_OK : STATUS_CLOSED);
}

/* What the socket did not take changes sides: the two buffers trade places. It may wait for long, and is moved to the front only
 * where the room that it does not need is worth it. */
static enum status send_rest(struct connection_out *out, size_t taken)
{
    struct buffer full = out->waiting;
    uv_buf_t rest;

    if (full.room - (full.count - taken) >= OUT_FIT_BYTES) {
        buffer_consume(&full, taken);
        account_fit(out->account, &full);
        taken = 0;
    }
    out->waiting = out->sending;
    out->sending = full;
    rest = uv_buf_init(full.data + taken, (unsigned)(full.count - taken));
    out->write = malloc(sizeof *out->write); /* the rare case: most clients take all at once */
    if (out->write == NULL || uv_write(out->write, out->stream, &rest, 1, on_write) != 0) {
        free(out->write);
        out->write = NULL;
        account_free(out->account, &out->sending);
        return STATUS_CLOSED;
    }
    out->write->data = out;
    return STATUS_OK;
}

enum status out_flush(struct connection_out *out)
{
    uv_buf_t all;
    int taken;

    if (out->write != NULL || out->waiting.count == 0) {
        return STATUS_OK;
    }
    all = uv_buf_init(out->waiting.data, (unsigned)out->waiting.count);
    taken = uv_try_write(out->stream, &all, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        account_free(out->account, &out->waiting);
        return STATUS_CLOSED;
    }
    taken = taken < 0 ? 0 : taken;
    if ((size_t)taken < out->waiting.count) {
        return send_rest(out, (size_t)taken);
    }
    account_free(out->account, &out->waiting); /* a stream may be silent for long */
    return STATUS_OK;
}

/* Grows by steps and not twofold: what a client that stands still holds is what it has not taken, and less than a step. */
static enum status reserve(struct connection_out *out, size_t more)
{
    struct buffer *waiting = &out->waiting;
    size_t bytes_max = waiting->max;
    size_t needed = waiting->count + more;
    enum status status;

    if (needed < CORK_FIRST_BYTES) {
        more = CORK_FIRST_BYTES - waiting->count; /* at once: a head comes in many small pieces */
    } else if (needed > waiting->room && needed > CORK_BYTES) {
        size_t steps = (needed + CORK_BYTES - 1) / CORK_BYTES * CORK_BYTES;

        waiting->max = steps < bytes_max ? steps : bytes_max;
    }
    status = account_reserve(out->account, waiting, more);
    waiting->max = bytes_max;
    return status;
}

enum status out_append(struct connection_out *out, const struct bytes *pieces, size_t count)
{
    size_t more = 0;
    enum status status;

    for (size_t index = 0; index < count; index++) {
        more += pieces[index].count; /* of memory that somebody holds: the sum cannot wrap */
    }
    if (more > out->waiting.max - out_unsent(out)) {
        return STATUS_TOO_LARGE;
    }
    status = reserve(out, more);
    for (size_t index = 0; status == STATUS_OK && index < count; index++) {
        status = buffer_append(&out->waiting, pieces[index]);
    }
    if (status != STATUS_OK) {
        return status;
    }
    out->appended += more;
    return out->waiting.count >= CORK_BYTES ? out_flush(out) : STATUS_OK;
}

/* What the kernel holds and the client's side has not acknowledged. It can be megabytes: our own buffer may stand still for
 * a long time in front of a slow client that reads on. */
static uint64_t kernel_unsent(const struct connection_out *out)
{
    uv_os_fd_t fd;
    int bytes = 0;

    if (uv_fileno((const uv_handle_t *)out->stream, &fd) != 0 || ioctl(fd, SIOCOUTQ, &bytes) != 0 || bytes < 0) {
        return 0;
    }
    return (uint64_t)bytes;
}

bool out_moved(struct connection_out *out)
{
    size_t unsent = out_unsent(out);
    uint64_t taken = out->appended - unsent - kernel_unsent(out);
    bool moved = taken > out->seen_taken || unsent == 0;

    out->seen_taken = taken;
    return moved;
}
