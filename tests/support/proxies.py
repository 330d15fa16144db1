"""Programs to compare with: nginx and HAProxy in front of an upstream, and what processes use. For the benches."""
import contextlib
import pathlib
import re
import socket
import subprocess
import time

CONNECTIONS = 16384
WORKERS = 2
NGINX = """
worker_processes {workers}; pid {folder}/{name}.pid; error_log {folder}/{name}.log; daemon off;
events {{ worker_connections {connections}; }}
http {{ access_log off; client_body_temp_path {folder}/{name}-b; proxy_temp_path {folder}/{name}-p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000; client_body_buffer_size 64k; {extra}
  server {{ listen 127.0.0.1:{port} backlog=1024; {server} }} }}"""
NGINX_UPSTREAM = "upstream mock {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000; }}"
NGINX_PROXY = """location / {{ proxy_pass http://mock; proxy_http_version 1.1;
  proxy_set_header Connection ''; proxy_buffering {buffering}; }}"""
HAPROXY = """
global
  nbthread 2
  maxconn {connections}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option http-no-delay
frontend in
  bind 127.0.0.1:{port} backlog 1024
  default_backend mock
backend mock
  server mock 127.0.0.1:{upstream}
"""


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _started(process, port, log):
    deadline = time.monotonic() + 20
    try:
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.01)
    except BaseException:
        end(process)
        raise
    return process


def nginx(folder, name, port, server, extra=""):
    """An nginx of our own in the foreground, listening on that port; its process."""
    config, log = folder / f"{name}.conf", folder / f"{name}.log"
    config.write_text(NGINX.format(folder=folder, name=name, port=port, server=server, extra=extra, connections=CONNECTIONS,
                                   workers=WORKERS))
    process = _started(subprocess.Popen(["nginx", "-c", config, "-p", folder], stderr=subprocess.DEVNULL), port, log)
    while len(family(process.pid)) <= WORKERS:  # the port is open before they are there to be measured
        assert process.poll() is None, log.read_text()
        time.sleep(0.01)
    return process


def nginx_proxy(folder, port, upstream_port, buffering=True):
    return nginx(folder, f"proxy-{port}", port, NGINX_PROXY.format(buffering="on" if buffering else "off"),
                 NGINX_UPSTREAM.format(port=upstream_port))


def haproxy(folder, port, upstream_port):
    config, log = folder / f"haproxy-{port}.conf", folder / f"haproxy-{port}.log"
    config.write_text(HAPROXY.format(port=port, upstream=upstream_port, connections=CONNECTIONS // 2))
    with open(log, "wb") as out:
        process = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=out, stderr=out)
    return _started(process, port, log)


def family(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [int(child) for child in children]


def cpu_s(pids):
    """Time on a processor of all threads, user and system, by the scheduler's own clock (nanoseconds, not ticks)."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss_kib(pids):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) for pid in pids)


def end(process):
    process.terminate()
    process.wait(20)
