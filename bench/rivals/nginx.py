"""nginx with one worker, which returns a fixed body: no program can well be asked for more."""

import shutil
from pathlib import Path

from bench.ground import Ground
from connectivity.local.process import Program
from tests.running import free_port

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/log/nginx.log;
events {{ worker_connections 16384; }}
http {{
    access_log off; keepalive_requests 1000000000; server_tokens off;
    client_body_temp_path {folder}/nginx-1; proxy_temp_path {folder}/nginx-2;
    fastcgi_temp_path {folder}/nginx-3; uwsgi_temp_path {folder}/nginx-4;
    scgi_temp_path {folder}/nginx-5;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}
}}
"""


def start(ground: Ground) -> str:
    """Start it, and return what it is to be asked."""
    port = free_port()
    file = ground.folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=ground.folder, port=port))
    program = Program(
        name="nginx",
        argv=(str(shutil.which("nginx")), "-c", str(file), "-e", "stderr"),
        env={},
        cwd=Path("/"),
        log=ground.folder / "log" / "nginx.out",
    )
    return ground.serve(program, port, "/").url
