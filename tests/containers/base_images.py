"""The images that the Dockerfile and docker-compose.yaml start from, made of what this machine has.

No registry is asked. Each has the name and tag of the one that it stands for: a root of Debian's packages with the
running Python in the place of Python's, the Postgres of the embedded stack, Debian's Redis for Valkey, and the embedded
stack's mail server for Mailpit.
"""

import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from tests.conftest import ROOT, find_binaries
from tests.containers.engine import DEBIAN, KEYS, Engine
from tests.team.compose_file import DOCKERFILE, load_compose

RELEASE = "bookworm"
# The libraries that Python's own modules are linked with.
LIBRARIES = ("ca-certificates", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libreadline8", "libsqlite3-0",
             "libssl3", "libuuid1", "zlib1g")  # fmt: skip
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
POSTGRES_START = """#!/bin/sh
# Prepares the cluster at the first start, as the entry point of the image that this one stands for.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    eval "initdb --pgdata=$PGDATA --username=postgres --pwfile=$POSTGRES_PASSWORD_FILE --no-sync $POSTGRES_INITDB_ARGS"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    echo "unix_socket_directories = '/var/run/postgresql'" >> "$PGDATA/postgresql.conf"
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
exec "$@"
"""
POSTGRES = """FROM {python}
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql postgres \
    && install --directory --owner=postgres --mode=0700 /var/lib/postgresql
COPY server /usr/local/pgsql/package/server
COPY libs /usr/local/pgsql/{libraries}
COPY --chmod=0755 start /usr/local/bin/start
ENV PATH=/usr/local/pgsql/package/server/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
ENTRYPOINT ["start"]
"""
VALKEY = """FROM {python}
RUN apt-get update && apt-get install --yes --no-install-recommends redis-server \
    && useradd --system valkey && install --directory --owner=valkey /data \
    && ln -s redis-server /usr/bin/valkey-server && ln -s redis-cli /usr/bin/valkey-cli
"""
# Its page is left out: messages are files, and nothing listens on the port that is published.
MAILPIT = """FROM {python}
RUN pip install --quiet aiosmtpd=={aiosmtpd}
COPY include /opt/include
COPY --chmod=0755 mailpit /mailpit
ENV PYTHONPATH=/opt
CMD ["python", "-c", "import asyncio, pathlib, include.embedded.programs.mail_sink as sink; sink.HOST = '0.0.0.0'; \
    asyncio.run(sink.serve(1025, pathlib.Path('/tmp/mail')))"]
"""
MAILPIT_PROGRAM = """#!/bin/sh
exec python -c "import socket; socket.create_connection(('127.0.0.1', 1025))"
"""


def make_base_images(engine: Engine) -> None:
    """Makes all four."""
    directory = engine.directory / "base"
    python = re.findall(r"^FROM (\S+) AS", DOCKERFILE.read_text(), re.MULTILINE)[0]
    services = load_compose()["services"]
    server = find_binaries().parent
    # The programs look for them beside the package that they are in.
    libraries = server.parent.with_name(f"{server.parent.name}.libs")
    known = {"python": python, "aiosmtpd": version("aiosmtpd"), "libraries": libraries.name}
    _import_python(engine, directory / "root", python)

    def build(service: str, dockerfile: str, **files: str | Path) -> None:
        context = directory / service
        context.mkdir()
        for name, contents in files.items():
            if isinstance(contents, Path):
                shutil.copytree(contents, context / name, symlinks=True)
            else:
                (context / name).write_text(contents)
        (context / "Dockerfile").write_text(dockerfile.format_map(known))
        engine.run("build", "--tag", services[service]["image"], str(context))

    # Each waits for something else: the disk, Debian's packages and Python's.
    with ThreadPoolExecutor() as pool:
        made = [
            pool.submit(build, "postgres", POSTGRES, server=server, libs=libraries, start=POSTGRES_START),
            pool.submit(build, "broker", VALKEY),
            pool.submit(build, "mailpit", MAILPIT, include=ROOT / "include", mailpit=MAILPIT_PROGRAM),
        ]
    for each in made:
        each.result()
    shutil.rmtree(directory)


def _import_python(engine: Engine, root: Path, tag: str) -> None:
    """A minimal Debian with the running interpreter below /usr/local, as Python's own images have theirs."""
    root.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", f"--keyring={KEYS}", f"--include={','.join(LIBRARIES)}"]
    done = subprocess.run([*command, RELEASE, root, DEBIAN], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    base, name = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(base)}))
    keep_out = shutil.ignore_patterns("site-packages", "__pycache__", "test", "idlelib", "config-*")
    shutil.copytree(standard, root / "usr/local/lib" / name, symlinks=True, ignore=keep_out)
    for package in ("pip", "setuptools"):
        for path in (standard / "site-packages").glob(f"{package}*"):
            shutil.copytree(path, root / "usr/local/lib" / name / "site-packages" / path.name)
    for library in (base / "lib").glob(f"lib{name}*.so*"):
        shutil.copy(library, root / "usr/local/lib", follow_symlinks=False)
    shutil.copy(base / "bin" / name, root / "usr/local/bin")
    for other in ("python3", "python"):
        (root / "usr/local/bin" / other).symlink_to(name)
    (root / "usr/local/bin/pip").write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    (root / "usr/local/bin/pip").chmod(0o755)
    # Whom this machine trusts, the steps of a build trust.
    trusted = ssl.get_default_verify_paths().cafile or CERTIFICATES
    shutil.copy(trusted, root / CERTIFICATES.lstrip("/"))
    subprocess.run(["chroot", root, "ldconfig"], check=True)
    changes = [f"--change=ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE={CERTIFICATES}"]
    tar = root.with_suffix(".tar")
    subprocess.run(["tar", "--create", f"--file={tar}", f"--directory={root}", "."], check=True)
    engine.run("import", *changes, str(tar), tag)
    tar.unlink()
