"""The programs of the release are built to resist: what the linker and the compiler promised is read from the files themselves."""
import pathlib
import re
import subprocess

import pytest

from stack import RELEASE

PROGRAMS = ["gateway", "moderator", "trainer"]


def readelf(program, *options):
    done = subprocess.run(["readelf", "--wide", *options, RELEASE / f"prismguard-{program}"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def segments(program):
    """Each segment's flags by its type; a type may stand there more than once."""
    return re.findall(r"^  ([A-Z_]+) +0x.* ([R ][W ][E ]) 0x", readelf(program, "--segments"), re.M)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_lies_at_an_address_nobody_knows(program):
    assert re.search(r"Type: +DYN", readelf(program, "--file-header"))
    assert re.search(r"FLAGS_1.* PIE", readelf(program, "--dynamic"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_tables_of_functions_are_read_only_from_the_start(program):
    dynamic = readelf(program, "--dynamic")
    assert "GNU_RELRO" in dict(segments(program))
    assert "BIND_NOW" in dynamic and re.search(r"FLAGS_1.* NOW", dynamic)
    assert not re.search(r"\((TEXTREL|RPATH|RUNPATH)\)", dynamic)


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_written_is_never_run(program):
    found = segments(program)
    assert [flags for kind, flags in found if kind == "GNU_STACK"] == ["RW "]
    assert not [flags for kind, flags in found if "W" in flags and "E" in flags]
    code = [flags for kind, flags in found if kind == "LOAD" and "E" in flags]
    assert code == ["R E"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_copies_know_how_much_room_there_is(program):
    symbols = readelf(program, "--dyn-syms")
    assert len(set(re.findall(r"UND (__\w+_chk)@", symbols))) >= 3
    assert "__stack_chk_fail" in symbols


def test_a_jump_on_x86_may_only_land_where_one_is_meant_to():
    if "X86-64" not in readelf("gateway", "--file-header"):
        pytest.skip("another processor")
    disassembly = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--section=.text", RELEASE / "prismguard-gateway"],
                                 capture_output=True, text=True, timeout=60).stdout
    assert disassembly.count("endbr64") > 100


def test_every_thread_of_a_running_service_has_the_filter_and_no_way_to_privileges(stack):
    stack.chat("Hello")
    for service in stack.services:
        threads = list(pathlib.Path(f"/proc/{service.process.pid}/task").iterdir())
        assert len(threads) >= 2, service.name
        for thread in threads:
            state = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line)
            assert (state["Seccomp"], state["NoNewPrivs"]) == ("2", "1"), (service.name, state["Name"])
            core = re.search(r"^Max core file size +(\d+) +(\d+)", (thread / "limits").read_text(), re.M)
            assert core.groups() == ("0", "0"), service.name
