/* allocator: mallopt, mallinfo2, malloc_trim, and the resident size beside them. */
#include "proto/allocator.h"

#include "proto/bytes.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

enum { STATM_BYTES = 128 };

/* Left to itself, glibc keeps an arena for each thread, and after the first large piece that was freed it keeps all of them. */
void allocator_hold_little(void)
{
    (void)mallopt(M_ARENA_MAX, ALLOCATOR_ARENAS_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, ALLOCATOR_LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, ALLOCATOR_KEPT_BYTES);
}

void allocator_open(struct allocator *allocator)
{
    *allocator = (struct allocator){.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
}

void allocator_close(struct allocator *allocator)
{
    if (allocator->statm >= 0) {
        (void)close(allocator->statm);
        allocator->statm = -1;
    }
}

/* The next number of a line, and what is behind it. */
static bool take_number(struct bytes *line, int64_t *out)
{
    ptrdiff_t end = bytes_find(*line, ' ');
    unsigned long long number;

    if (end <= 0 || bytes_number(bytes_first(*line, (size_t)end), INT64_MAX, &number) != STATUS_OK) {
        return false;
    }
    *out = (int64_t)number;
    *line = bytes_from(*line, (size_t)end + 1);
    return true;
}

/* "size resident shared ...", in pages. */
static bool look(const struct allocator *allocator, struct allocator_state *out)
{
    char text[STATM_BYTES];
    ssize_t count = pread(allocator->statm, text, sizeof text, 0);
    struct bytes line = {text, count > 0 ? (size_t)count : 0};
    struct mallinfo2 info = mallinfo2();
    int64_t size, resident, shared;

    if (!take_number(&line, &size) || !take_number(&line, &resident) || !take_number(&line, &shared)) {
        return false;
    }
    *out = (struct allocator_state){
        .resident_bytes = (resident - shared) * sysconf(_SC_PAGESIZE),
        .used_bytes = (int64_t)(info.uordblks + info.hblkhd),
        .free_bytes = (int64_t)info.fordblks,
    };
    return true;
}

static int64_t slack(const struct allocator_state *state)
{
    return state->resident_bytes - state->used_bytes;
}

bool allocator_should_trim(const struct allocator *allocator, const struct allocator_state *now)
{
    return now->free_bytes > ALLOCATOR_FREE_BYTES &&
           (slack(now) > slack(&allocator->last) + ALLOCATOR_FREE_BYTES ||
            now->used_bytes + ALLOCATOR_FREE_BYTES < allocator->last.used_bytes);
}

void allocator_look(struct allocator *allocator)
{
    struct allocator_state now;

    if (!look(allocator, &now)) {
        return;
    }
    if (allocator_should_trim(allocator, &now)) {
        (void)malloc_trim(0);
        (void)look(allocator, &now);
        allocator->last = now;
    } else if (slack(&now) < slack(&allocator->last)) {
        allocator->last = now;
    }
}
