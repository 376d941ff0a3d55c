"""Chats of two turns, as a load that Locust spreads over its workers.

    locust -f locustfile.py --master --expect-workers 2 --headless -u 400 -r 100 -t 2m \
        --host https://gateway.example
    locust -f locustfile.py --worker --master-host MASTER     # on each machine, once a core

Environment: LEAT_API_KEY; LEAT_MODEL (m); LEAT_CA_FILE, a PEM file of a gateway of one's own.
"""
import os

import locust

import leat.locust


class Reader(leat.locust.LeatUser):
    api_key = os.environ.get("LEAT_API_KEY")
    model = os.environ.get("LEAT_MODEL", "m")
    client_options = {"timeout": leat.Timeouts(first=60, gap=30, total=600)}
    if "LEAT_CA_FILE" in os.environ:
        client_options["ca_file"] = os.environ["LEAT_CA_FILE"]
    wait_time = locust.between(0.1, 0.5)

    @locust.task
    def talk(self):
        turns = [{"role": "user", "content": "Name three rivers."}]
        answer = self.client.chat(turns, name="first turn", max_tokens=40)
        if answer.ok:
            turns += [{"role": "assistant", "content": answer.text},
                      {"role": "user", "content": "And which of them is the longest?"}]
            self.client.chat(turns, name="second turn", max_tokens=40)
