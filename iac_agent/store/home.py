"""The folder `.iacagent` beside a root module: database, journals of runs, shadows, and the lock. Git ignores all of it."""

from __future__ import annotations

from pathlib import Path


class Home:
    """Where the agent keeps its own things for one root module. Folders are made on first use."""

    def __init__(self, root_module: Path, folder: Path | None = None) -> None:
        """`folder` stands elsewhere where the root module is a checkout that does not last."""
        self.root_module = root_module.resolve()
        self.folder = folder or self.root_module / ".iacagent"

    def ensure(self) -> Path:
        self.folder.mkdir(mode=0o700, parents=self.folder.parent != self.root_module, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        return self.folder

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.ensure() / 'iacagent.db'}"

    @property
    def lock(self) -> Path:
        return self.ensure() / "lock"

    @property
    def runs(self) -> Path:
        folder = self.ensure() / "runs"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
