/* random: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
#include "trainer/random.h"

uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9E3779B97F4A7C15u;

    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
}

void random_shuffle(uint64_t *state, uint32_t *numbers, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        size_t other = (size_t)(random_next(state) % left);
        uint32_t kept = numbers[left - 1];

        numbers[left - 1] = numbers[other];
        numbers[other] = kept;
    }
}
