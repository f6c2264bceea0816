"""A real PostgreSQL server for a test: its own data, a unix socket, no network. Debian's packages have the programs."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg

_PROGRAMS = Path("/usr/lib/postgresql")
_USER: Final = "nobody"
_READY_WITHIN_S = 30.0


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest version's; `None` where they are not installed."""
    found = sorted(_PROGRAMS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """One server in a folder of its own. It may be killed and started again; `close` removes all of it.

    PostgreSQL refuses to run as root: then it runs as nobody.
    """

    def __init__(self, bin_dir: Path) -> None:
        self._bin_dir = bin_dir
        self._folder = Path(tempfile.mkdtemp(prefix="tm-pg-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        self._data = self._folder / "data"
        self._log = (self._folder / "log").open("wb")
        self._run("initdb", "--pgdata", str(self._data), "--username", "tradingmesh", "--auth", "trust", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql://tradingmesh@/postgres?host={self._folder}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        command = [str(self._bin_dir / "postgres"), "-D", str(self._data), "-k", str(self._folder), "-h", ""]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*self._as, *command], cwd=self._folder, stdout=self._log, stderr=self._log
        )
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"PostgreSQL did not start: see {self._folder}/log")
            time.sleep(0.05)

    def crash(self) -> None:
        """Ends it at once, as a crash does: what it had not written to disk is gone."""
        self._end("immediate")

    def stop(self) -> None:
        """Ends it; who is connected is sent away."""
        self._end("fast")

    def execute(self, statement: str) -> None:
        """Runs a statement as somebody at the server would."""
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(statement.encode())

    def close(self) -> None:
        """Ends it and removes its folder."""
        if self._process is not None and self._process.poll() is None:
            self.crash()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, mode: str) -> None:
        self._run("pg_ctl", "stop", "--pgdata", str(self._data), "--mode", mode)
        if self._process is not None:
            self._process.wait(_READY_WITHIN_S)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin_dir / program), *arguments]
        subprocess.run(command, cwd=self._folder, check=True, stdout=self._log, stderr=self._log, timeout=60)  # noqa: S603 - ours
