/* upstream over TLS against a real OpenSSL server: certificates are checked, and a paused transfer loses nothing that TLS holds. */
#include "support/folder.h"
#include "support/transfer.h"

#include "gateway/upstream_inside.h"

#include <fcntl.h>
#include <sys/wait.h>

enum { FILE_BYTES = 1 << 20 };

/* `openssl s_server` in a folder with a key, a certificate of its own making and a file to serve. */
struct tls_server {
    struct folder folder;
    char certificate[PATH_BYTES_MAX + 1];
    pid_t process;
    FILE *output; /* open as long as the server may write */
    unsigned port;
};

/* Runs openssl in `folder`; its output can be read from *out unless that is NULL. */
static pid_t run_openssl(const char *folder, char *const arguments[], FILE **out)
{
    int ends[2];
    pid_t process;

    assert_int_equal(0, pipe(ends));
    process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        int nothing = open("/dev/null", O_RDWR);

        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(out == NULL ? nothing : ends[1], STDOUT_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        if (chdir(folder) == 0) {
            (void)execvp("openssl", arguments);
        }
        _exit(127);
    }
    (void)close(ends[1]);
    if (out == NULL) {
        (void)close(ends[0]);
    } else {
        *out = fdopen(ends[0], "r");
        assert_non_null(*out);
    }
    return process;
}

/* `mode`: "-WWW" serves the folder's files, "-www" a page about the TLS session. */
static void tls_server_open(struct tls_server *server, char *mode)
{
    char *make[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", NULL};
    char *serve[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", mode, NULL};
    char *content = malloc(FILE_BYTES);
    char line[256];
    int status;

    folder_open(&server->folder);
    folder_path(&server->folder, "cert.pem", server->certificate);
    for (size_t index = 0; index < FILE_BYTES; index++) {
        content[index] = (char)(index ^ (index >> 8));
    }
    folder_write(&server->folder, "large", (struct bytes){content, FILE_BYTES});
    free(content);
    server->process = run_openssl(server->folder.path, make, NULL);
    assert_int_equal(server->process, waitpid(server->process, &status, 0));
    assert_int_equal(0, status);
    server->process = run_openssl(server->folder.path, serve, &server->output);
    server->port = 0;
    while (server->port == 0 && fgets(line, sizeof line, server->output) != NULL) {
        (void)sscanf(line, "ACCEPT 127.0.0.1:%u", &server->port);
    }
    assert_true(server->port > 0);
}

static void tls_server_close(struct tls_server *server)
{
    assert_int_equal(0, kill(server->process, SIGKILL));
    assert_int_equal(server->process, waitpid(server->process, NULL, 0));
    assert_int_equal(0, fclose(server->output));
    folder_close(&server->folder);
}

static void get(struct record *record, struct world *world, const struct tls_server *server, const char *host,
                const char *authority_file)
{
    char url[64];
    struct transfer_request request = {.method = BYTES("GET"), .fields = world->no_fields};

    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "https://%s:%u/large", host, server->port)};
    assert_status(STATUS_OK, record_request(record, &request));
    if (authority_file != NULL) {
        assert_int_equal(CURLE_OK, curl_easy_setopt(record->transfer->easy, CURLOPT_CAINFO, authority_file));
    }
    record_await(record);
}

static bool has_text(const struct buffer *buffer, const char *text)
{
    return memmem(buffer->data, buffer->count, text, strlen(text)) != NULL;
}

static void a_certificate_that_nobody_vouches_for_ends_the_connect(void **state)
{
    struct tls_server *server = *state;
    struct world world;
    struct record record;

    record_open(&record, &world);
    get(&record, &world, server, "localhost", NULL);
    assert_string_equal("connect", transfer_failure_name(record.failure));
    assert_false(record.sent_any);
    record_free(&record);
    world_close(&world);
}

static void a_certificate_for_another_name_ends_the_connect(void **state)
{
    struct tls_server *server = *state;
    struct world world;
    struct record record;

    record_open(&record, &world);
    get(&record, &world, server, "127.0.0.1", server->certificate);
    assert_string_equal("connect", transfer_failure_name(record.failure));
    assert_false(record.sent_any);
    record_free(&record);
    world_close(&world);
}

struct slow_reader {
    size_t taken_bytes;
    unsigned pauses;
    uv_timer_t later;
};

static void resume_later(uv_timer_t *timer)
{
    struct record *record = timer->data;
    struct slow_reader *reader = record->more;

    reader->taken_bytes = 0;
    record_resume(record);
}

static bool read_slowly(struct record *record, struct bytes chunk)
{
    struct slow_reader *reader = record->more;

    if (reader->taken_bytes >= 32768) {
        reader->pauses++;
        uv_timer_start(&reader->later, resume_later, reader->pauses % 4, 0);
        return false;
    }
    for (size_t index = 0; index < chunk.count; index++) {
        uint64_t at = record->body_bytes + index;

        assert_int_equal((char)(at ^ (at >> 8)), chunk.data[index]);
    }
    reader->taken_bytes += chunk.count;
    return true;
}

static void a_mebibyte_over_tls_passes_a_slow_reader(void **state)
{
    struct tls_server *server = *state;
    struct slow_reader reader = {.pauses = 0};
    struct world world;
    struct record record;

    record_open(&record, &world);
    uv_timer_init(&world.loop, &reader.later);
    reader.later.data = &record;
    record.on_body = read_slowly;
    record.more = &reader;
    get(&record, &world, server, "localhost", server->certificate);
    assert_string_equal("ok", transfer_failure_name(record.failure));
    assert_int_equal(FILE_BYTES, record.body_bytes);
    assert_true(reader.pauses >= FILE_BYTES / (2 * 32768) - 1);
    uv_close((uv_handle_t *)&reader.later, NULL);
    record_free(&record);
    world_close(&world);
}

/* A port that takes connections and never answers. */
static int silent_port(unsigned *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t room = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, bind(listener, (struct sockaddr *)&address, room));
    assert_int_equal(0, listen(listener, 1));
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &room));
    *out = ntohs(address.sin_port);
    return listener;
}

static void a_tls_session_is_resumed_by_any_transfer_of_the_loop(void **state)
{
    struct record first, waiting, third;
    struct tls_server server;
    struct world world;
    unsigned port;
    int listener = silent_port(&port);

    (void)state;
    tls_server_open(&server, "-www");
    world_open(&world);
    record_init(&first, &world);
    record_init(&waiting, &world);
    record_init(&third, &world);
    get(&first, &world, &server, "localhost", server.certificate);
    assert_true(has_text(&first.body, "New, TLS"));
    assert_status(STATUS_OK, record_start(&waiting, port, "GET", "/", (struct bytes){NULL, 0})); /* by the first one's handle */
    get(&third, &world, &server, "localhost", server.certificate);
    assert_true(has_text(&third.body, "Reused, TLS"));
    record_free(&first);
    record_free(&waiting);
    record_free(&third);
    world_close(&world);
    tls_server_close(&server);
    (void)close(listener);
}

static int open_server(void **state)
{
    static struct tls_server server;

    tls_server_open(&server, "-WWW");
    *state = &server;
    return 0;
}

static int close_server(void **state)
{
    tls_server_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_nobody_vouches_for_ends_the_connect),
        cmocka_unit_test(a_certificate_for_another_name_ends_the_connect),
        cmocka_unit_test(a_mebibyte_over_tls_passes_a_slow_reader),
        cmocka_unit_test(a_tls_session_is_resumed_by_any_transfer_of_the_loop),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
