/* key: makes a caller's key: what `prismguard-gateway key NAME` does.
 *
 * The key is random, is said once and is kept nowhere: the settings have its SHA-256 only. Thread: one.
 */
#ifndef GATEWAY_KEY_H
#define GATEWAY_KEY_H

#include <stdio.h>

/* Reads the command line "PROGRAM key NAME"; the key and its line for gateway.keys are written on `out`, what is wrong on
 * `errors`. Returns an exit code of proto/program. */
int key_command(int argc, char **argv, FILE *out, FILE *errors);

#endif
