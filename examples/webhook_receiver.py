"""Receive webhooks: check each signature, and print each event once, however often it is sent.

    python examples/webhook_receiver.py 8400 SECRET_FILE PLACE_FILE

Put it behind something that speaks https. SECRET_FILE holds the webhook's `whsec_…`; PLACE_FILE remembers the last
position of each log. Events of one log come in order; one may come twice, and then it is answered and not handled.
Answer 2xx only after what you do with an event is done and kept. Ignore fields you do not know.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

port, secret_file, place_file = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
webhook = Webhook(secret_file.read_text().strip())
place = json.loads(place_file.read_text()) if place_file.exists() else {}


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(401)
        else:
            self.handle_once(event)
            self.send_response(204)
        self.end_headers()

    def handle_once(self, event: dict[str, Any]) -> None:
        log, position = event["source"], event.get("position")
        if position is None or position <= place.get(log, 0):
            return  # a message to try it, or an event that was handled before
        print(position, event["time"], event["type"], event["data"].get("order_no", ""), flush=True)
        place[log] = position
        place_file.write_text(json.dumps(place))


HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
