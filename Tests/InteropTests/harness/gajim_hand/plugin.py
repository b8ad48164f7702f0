"""Puts a hand into Gajim, at the path that $HAND names."""

import os

from gajim.common import app
from gajim.gtk.util import get_app_window
from gajim.plugins import GajimPlugin
from nbxmpp.protocol import JID

from .hand import Hand


class HandPlugin(GajimPlugin):
    def init(self):
        self.description = "A hand for tests"
        self.config_dialog = None

    def activate(self):
        self._hand = Hand(os.environ["HAND"], {"app": app, "get_app_window": get_app_window, "JID": JID})
