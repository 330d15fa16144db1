/* heap: how many bytes are allocated right now, whether or not a sanitizer owns the allocator. */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

#include <malloc.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_SANITIZED
#endif

#ifdef HEAP_SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* The resident size says nothing under AddressSanitizer, which keeps freed memory aside. */
static inline size_t heap_live_bytes(void)
{
#ifdef HEAP_SANITIZED
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
#endif
}

#endif
