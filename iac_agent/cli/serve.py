"""`iacagent serve`: the bot as a server: webhooks in, reviews and answers out."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iac_agent.errors import UsageError

if TYPE_CHECKING:
    from iac_agent.review.bot import Bot
    from iac_agent.review.forges import Event
    from iac_agent.review.report import Review
    from iac_agent.review.server import Reader
    from iac_agent.store.jobs import Jobs

_SECRETS = {"github": "GITHUB_WEBHOOK_SECRET", "gitlab": "GITLAB_WEBHOOK_SECRET", "azure-devops": "AZURE_DEVOPS_WEBHOOK_SECRET"}
_LEAST = 16
_GRACE_SECONDS = 900
_CONNECTIONS = 200  # at once; past it, 503


@click.command()
@click.option("--forge", type=click.Choice(list(_SECRETS)), required=True, help="Where the repositories are.")
@click.option("--repository", "repositories", multiple=True, required=True, metavar="NAME", help="A repository, as in owner/name.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the bot keeps everything.")
@click.option("--remote", default="", metavar="URL", help="Where git fetches from, {repository} in it; else the forge itself.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8080, show_default=True, help="The port to listen on.")
@click.option("--url", default="", metavar="URL", help="How people reach this server, for links to whole reviews.")
@click.option("--workers", type=click.IntRange(0, 16), default=2, show_default=True, help="How many jobs are done at once.")
@click.option("--worker", is_flag=True, hidden=True)
def serve(worker: bool, **flags: Any) -> int:
    """Review pull requests as their forge tells of them, and obey commands in their comments.

    Stops in order at Ctrl-C and SIGTERM: what was begun is finished. After kill -9 it goes on where it was.

    For example: iacagent serve --forge github --repository octo/platform --data /var/lib/iacagent
    """
    serving = _Serving(dict(os.environ), **flags)
    return serving.work() if worker else serving.run()


def tell(text: str) -> None:
    """A line for the log: one, whatever is in it."""
    from iac_agent.guard import redact

    click.echo(" ".join(redact.printable(text).split()), err=True)


class _Serving:
    """One server, or one of its workers."""

    def __init__(
        self,
        told: Mapping[str, str],
        forge: str,
        repositories: tuple[str, ...],
        data: Path,
        remote: str,
        host: str,
        port: int,
        url: str,
        workers: int,
    ) -> None:
        self.told, self.forge, self.repositories = told, forge, repositories
        self.data, self.remote, self.host, self.port, self.url, self.workers = data.resolve(), remote, host, port, url.rstrip("/"), workers
        self.secret = told.get(_SECRETS[forge], "")
        if len(self.secret) < _LEAST:
            raise UsageError(f"{_SECRETS[forge]} must hold the secret of the webhook, at least {_LEAST} characters")
        self.stop = threading.Event()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def jobs(self) -> Jobs:
        from iac_agent.store.jobs import Jobs

        return Jobs(f"sqlite:///{self.data / 'queue.db'}", self.data / "workers")

    # --- the server ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Listen until it is told to stop, with workers beside."""
        import uvicorn

        from iac_agent.review.server import Server

        bots = self._bots()
        server = Server(self.jobs, {self.forge: self._reader(bots)}, {self.forge: self.secret}, self.data / "pages", self.stop.is_set)
        web = uvicorn.Server(
            uvicorn.Config(server.app, host=self.host, port=self.port, log_level="warning", lifespan="off", limit_concurrency=_CONNECTIONS)
        )
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises what stopped it again, for us
            signal.signal(number, lambda *_: self.stop.set())
        children = threading.Thread(target=self._watch, daemon=True)
        children.start()
        click.echo(f"Listening on {self.host}:{self.port} for {', '.join(self.repositories)}.", err=True)
        web.run()
        self.stop.set()
        children.join(_GRACE_SECONDS)
        return 0

    def _watch(self) -> None:
        """Keep so many workers; when it is time to stop, let each finish its job."""
        command = [sys.executable, "-m", "iac_agent.cli.main", *sys.argv[1:], "--worker"]
        held: list[subprocess.Popen[bytes]] = []
        while not self.stop.is_set():
            held = [p for p in held if p.poll() is None]
            held += [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(self.workers - len(held))]
            self.stop.wait(1)
        for one in held:
            one.send_signal(signal.SIGTERM)
        for one in held:
            one.wait(_GRACE_SECONDS)

    def _reader(self, bots: Mapping[str, Bot]) -> Reader:
        def read(kind: str, payload: dict[str, Any]) -> tuple[str, Event] | None:
            for name, bot in bots.items():
                event = bot.forge.event(kind, payload)
                if event is not None:
                    return name, event
            return None

        return read

    # --- a worker ------------------------------------------------------------------------------------------------------

    def work(self) -> int:
        """Do jobs; stop after the one at hand at SIGTERM, or when the server is gone."""
        from iac_agent.review import worker

        signal.signal(signal.SIGTERM, lambda *_: self.stop.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which tells us
        parent = os.getppid()
        worker.work(
            self.jobs,
            self._bots(),
            lambda: self.stop.is_set() or os.getppid() != parent,
            tell,
        )
        return 0

    def _bots(self) -> dict[str, Bot]:
        return {name: self._bot(name) for name in self.repositories}

    def _bot(self, name: str) -> Bot:
        from iac_agent.cli import review_wiring
        from iac_agent.review.kept import KEY

        told = review_wiring.naming(self.forge, name, self.told)
        home = self.data / hashlib.sha256(name.encode()).hexdigest()[:16]
        forge = review_wiring.forge(self.forge, told)
        source = review_wiring.mirror(home / "repository.git", forge, self.remote.format(repository=name))
        made = review_wiring.bot(forge, source, told, home, home / "plans" if told.get(KEY) else None)
        made.page = lambda number, review: self._page(name, number, review)
        made.tell = tell
        return made

    def _page(self, name: str, number: int, review: Review) -> str:
        """Keep the whole review; its address, which nobody can guess."""
        from iac_agent.agent.journal import replace_file
        from iac_agent.review import comment

        if not self.url:
            return ""
        told = f"{name}#{number}@{review.revisions.head}"
        page = hmac.new(self.secret.encode(), told.encode(), hashlib.sha256).hexdigest()[:40]
        folder = self.data / "pages"
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / f"{page}.md", comment.render(review).encode())
        return f"{self.url}/reviews/{page}"
