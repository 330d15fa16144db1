/* random: splitmix64, for choices that must come out the same for equal seeds; never for secrets. Any seed is a good one.
 *
 * Thread: any; a state belongs to one.
 */
#ifndef TRAINER_RANDOM_H
#define TRAINER_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t random_next(uint64_t *state);

/* Puts `count` numbers in an order in which each is as likely as any other. */
void random_shuffle(uint64_t *state, uint32_t *numbers, size_t count);

#endif
