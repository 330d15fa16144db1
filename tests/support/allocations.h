/* allocations: counts every allocation of the program, whether or not a sanitizer owns the allocator. Include it once. */
#ifndef TESTS_SUPPORT_ALLOCATIONS_H
#define TESTS_SUPPORT_ALLOCATIONS_H

#include "support/heap.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_size_t allocations;

#ifdef HEAP_SANITIZED

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void allocation_made(const volatile void *block, size_t count)
{
    (void)block;
    (void)count;
    (void)atomic_fetch_add(&allocations, 1);
}

static void allocation_freed(const volatile void *block)
{
    (void)block;
}

static inline void allocations_begin(void)
{
    (void)__sanitizer_install_malloc_and_free_hooks(allocation_made, allocation_freed);
}

#else

void *__libc_malloc(size_t count);
void *__libc_calloc(size_t items, size_t count);
void *__libc_realloc(void *block, size_t count);

void *malloc(size_t count)
{
    (void)atomic_fetch_add(&allocations, 1);
    return __libc_malloc(count);
}

void *calloc(size_t items, size_t count)
{
    (void)atomic_fetch_add(&allocations, 1);
    return __libc_calloc(items, count);
}

void *realloc(void *block, size_t count)
{
    (void)atomic_fetch_add(&allocations, 1);
    return __libc_realloc(block, count);
}

static inline void allocations_begin(void)
{
}

#endif

#endif
