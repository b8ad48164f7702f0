"""Profanity in a terminal, logged in."""

from . import processes, terminal


class Started:
    """Starts Profanity for somebody; `close` ends all that were started. Each has a home of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.screens = []

    def __call__(self, office, user, security="force"):
        # Profanity trusts the test authority like any other, so its own check of the certificate is part of the test.
        home = self.directory / f"{user}{len(self.screens)}"
        configuration = home / "config" / "profanity"
        configuration.mkdir(parents=True)
        (home / "authorities").mkdir()
        (configuration / "profrc").write_text(
            f"[connection]\ncafile={office.trust}\n[ui]\nsplash=false\n[logging]\nrotate=false\n"
        )
        screen = terminal.Terminal(
            home / "terminal",
            ["profanity", "-l", "DEBUG"],
            {
                "HOME": home,
                "XDG_CONFIG_HOME": home / "config",
                "XDG_DATA_HOME": home / "data",
                "LANG": "C.UTF-8",
                "SSL_CERT_FILE": office.trust,
            },
        )
        screen.until_logged = lambda text: processes.wait_until(
            lambda: any(text in log.read_text(errors="replace") for log in home.glob("data/profanity/logs/*.log")),
            lambda: f"“{text}” in the log of {user}'s client:\n{screen.screen()}",
        )
        self.screens.append(screen)
        port = office.client_tls_port if security == "legacy" else office.client_port
        screen.until("Profanity")
        screen.type(f"/connect {office.jid(user)} server {office.address} port {port} tls {security}")
        screen.until("Enter password:")
        screen.type(office.passwords[user])
        screen.until("logged in successfully")
        return screen

    def close(self):
        for screen in self.screens:
            screen.close()
