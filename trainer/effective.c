/* effective: two sums. */
#include "trainer/effective.h"

#include <assert.h>

void effective_add(struct effective *effective, double weight)
{
    assert(weight >= 0);
    effective->weights += weight;
    effective->squares += weight * weight;
}

double effective_count(const struct effective *effective)
{
    return effective->squares > 0 ? effective->weights * effective->weights / effective->squares : 0;
}
