"""A program in a terminal: typed at and read like a person does, by a tmux of our own."""

import pathlib
import subprocess

from . import processes


class Terminal:
    """One program in one terminal of 120 columns and 40 lines."""

    def __init__(self, directory, argv, environment):
        directory = pathlib.Path(directory)
        self._socket = directory / "tmux.sock"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "tmux.conf").write_text("set -g exit-empty off\n")
        # In the foreground, so that it is a child of ours. It insists on a UTF-8 locale.
        self._process = processes.Process(
            "tmux", ["tmux", "-D", "-S", self._socket, "-f", directory / "tmux.conf"], directory, {"LC_ALL": "C.UTF-8"}
        )
        self._process.start()
        self._process.until(self._socket.exists, "its socket exists")
        variables = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", *variables, *argv)

    def type(self, text):
        """Types a line and presses return."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def screen(self):
        return self._tmux("capture-pane", "-p")

    def until(self, text):
        """Waits until `text` is to be seen."""
        processes.wait_until(lambda: text in self.screen(), lambda: f"“{text}” on the screen:\n{self.screen()}", step=0.2)

    def close(self):
        self._process.stop()

    def _tmux(self, *words):
        done = subprocess.run(["tmux", "-u", "-S", self._socket, *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"tmux {words}: {done.stderr}")
        return done.stdout
