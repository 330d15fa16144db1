/* dual: Newton's method from the side of the middle on which the minimum lies, where it converges without overshooting. */
#include "trainer/dual.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { NEWTON_STEPS_MAX = 20 };

#define NEWTON_TOLERANCE 1e-6
#define EDGE (2 * DBL_EPSILON) /* of the cost: who is nearer to it may seem to be there, where a logarithm has no value */

double dual_best(double alpha, double norm, double slope, double cost)
{
    bool upper = norm * (cost / 2 - alpha) + slope < 0;
    double begin = upper ? fmax(cost - alpha, EDGE * cost) : alpha;
    double side_slope = upper ? -slope : slope;
    double z = begin > cost / 2 ? 0.1 * begin : begin;

    for (int steps = 0; steps < NEWTON_STEPS_MAX; steps++) {
        double gradient = norm * (z - begin) + side_slope + log(z / (cost - z));
        double next;

        if (fabs(gradient) < NEWTON_TOLERANCE) {
            break;
        }
        next = z - gradient / (norm + cost / ((cost - z) * z));
        z = next <= 0 ? 0.1 * z : next;
    }
    return upper ? cost - fmax(z, EDGE * cost) : z;
}
