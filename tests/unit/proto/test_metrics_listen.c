/* Tests of metrics_listen: the number under its name, and nothing where the text does not say. */
#include "support/unit.h"

#include "proto/metrics_listen.h"

static void the_number_stands_under_its_name(void **state)
{
    int64_t found = -1;

    (void)state;
    assert_true(metrics_listen_overflows(BYTES("MPTcpExt: ListenOverflows\nMPTcpExt: 9\nTcpExt: A ListenOverflows B\nTcpExt: 1 23 4\n"),
                                         &found));
    assert_int_equal(23, found);
    assert_true(metrics_listen_overflows(BYTES("TcpExt: ListenOverflows\nTcpExt: 0"), &found));
    assert_int_equal(0, found);
}

static void what_does_not_say_it_is_no_number(void **state)
{
    static const char *const texts[] = {
        "", "\n", "TcpExt: ", "TcpExt: ListenOverflows\n", "TcpExt: A ListenOverflows\nTcpExt: 1\n",
        "TcpExt: ListenOverflows\nTcpExt: -1\n", "TcpExt: ListenOverflows\nTcpExt: 99999999999999999999\n",
        "TcpExt: ListenDrops\nTcpExt: 1\n", "IpExt: ListenOverflows\nIpExt: 1\n"};

    (void)state;
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        int64_t found = -1;

        assert_false(metrics_listen_overflows(bytes_of(texts[index]), &found));
        assert_int_equal(-1, found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_stands_under_its_name),
        cmocka_unit_test(what_does_not_say_it_is_no_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
