/* fit_kinds: what the kinds of models do differently when they are fitted. Only trainer/fit* looks in here.
 *
 *   open ──> fit without some rows ──> score those ──> ... ──> fit with all ──> describe ──> close
 *
 * Thread: one at a time; fit computes for seconds.
 */
#ifndef TRAINER_FIT_KINDS_H
#define TRAINER_FIT_KINDS_H

#include "trainer/fit.h"
#include "trainer/rows.h"

struct solver; /* each kind has its own */

enum { FIT_ALL = -1 };

struct fit_rules {
    enum model_kind kind;
    bool counted; /* it looks at how often a feature stands in a text */
    /* Borrows both until `close`; may take features out of the rows and renumber the others. STATUS_NO_MEMORY, STATUS_CLOSED. */
    enum status (*open)(struct solver **out, struct rows *rows, const struct fit_options *options);
    void (*close)(struct solver **solver);
    /* Fits to the rows of every fold but `left_out`, or to FIT_ALL of them; what was fitted before is forgotten. Equal rows and
     * seeds give equal bits. STATUS_CLOSED, with nothing fitted, once options->turn is cancelled. */
    enum status (*fit)(struct solver *solver, int left_out);
    /* Of any row, before calibration, as the model will score it but for rounding. */
    double (*score)(struct solver *solver, size_t row);
    /* Fills bias, weights and idfs; lent until the next fit. */
    void (*describe)(struct solver *solver, struct model_parts *parts);
};

extern const struct fit_rules fit_hashlinear, fit_bow, fit_fasttext;

#endif
