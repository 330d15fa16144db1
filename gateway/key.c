/* key: 32 random bytes in hexadecimal, and their hash as a line of prismguard.yaml. */
#include "gateway/key.h"

#include "proto/program.h"
#include "proto/secret.h"
#include "proto/settings.h"

#include <string.h>

#define KEY_PREFIX "pg-"

enum { KEY_RANDOM_BYTES = 32, KEY_ROOM = sizeof KEY_PREFIX + 2 * KEY_RANDOM_BYTES };

static int make(const char *name, FILE *out, FILE *errors)
{
    unsigned char random[KEY_RANDOM_BYTES], sha256[SHA256_BYTES];
    char key[KEY_ROOM] = KEY_PREFIX, digits[SETTINGS_SHA256_DIGITS + 1];

    if (secret_start() != STATUS_OK) {
        (void)fprintf(errors, "prismguard-gateway: the system has no randomness\n");
        return PROGRAM_FAILED;
    }
    secret_random(random, sizeof random);
    secret_hex(key + strlen(KEY_PREFIX), (struct bytes){(const char *)random, sizeof random});
    secret_sha256(sha256, bytes_of(key));
    secret_hex(digits, (struct bytes){(const char *)sha256, sizeof sha256});
    (void)fprintf(out,
                  "The key, for its caller; it is shown this once and kept nowhere:\n\n  %s\n\n"
                  "Its line under gateway.keys in prismguard.yaml; SIGHUP brings it into use:\n\n"
                  "    - { name: %s, sha256: %s, rate: 50/s, in_flight: 32 }\n",
                  key, name, digits);
    if (fflush(out) != 0 || ferror(out) != 0) {
        (void)fprintf(errors, "prismguard-gateway: standard output cannot be written\n");
        return PROGRAM_FAILED;
    }
    return PROGRAM_OK;
}

static void say_usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: prismguard-gateway key NAME\n"
                  "Makes a key for the caller NAME: prints it once, and the line for gateway.keys that lets it in.\n"
                  "NAME is of letters, digits, - and _ (at most %d), begins with none of the last two, and is not none\n",
                  PROFILE_NAME_BYTES_MAX);
}

int key_command(int argc, char **argv, FILE *out, FILE *errors)
{
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        say_usage(out);
        return PROGRAM_OK;
    }
    if (argc != 3 || argv[2][0] == '-' || argv[2][0] == '_' || !settings_is_key_name(argv[2])) {
        say_usage(errors);
        return PROGRAM_USAGE;
    }
    return make(argv[2], out, errors);
}
