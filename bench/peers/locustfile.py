"""What a user of locust writes to time tokens, since it knows of none: each user posts chats, reads
the stream line by line, and tells locust the time to the first token and each gap as requests of
their own kinds, "ttft" and "itl". HttpUser, since FastHttpUser hands out a stream only when 1,024
bytes of it are there. Settings come from the environment: PEERS_PATH, PEERS_BODY, PEERS_REQUESTS
(of all users together)."""
import os
import time

from locust import HttpUser, task
from locust.exception import StopUser

PATH, BODY = os.environ["PEERS_PATH"], os.environ["PEERS_BODY"]
REQUESTS = int(os.environ["PEERS_REQUESTS"])
done = {"begun": 0, "ended": 0}


def tell(environment, kind, seconds):
    environment.events.request.fire(request_type=kind, name=kind, response_time=seconds * 1000,
                                    response_length=0, exception=None, context={})


class Reader(HttpUser):
    def lines(self):
        with self.client.post(PATH, data=BODY, name="chat", stream=True, catch_response=True,
                              headers={"Content-Type": "application/json"}) as answer:
            yield from answer.iter_lines(chunk_size=None)

    @task
    def chat(self):
        if done["begun"] >= REQUESTS:
            raise StopUser()
        done["begun"] += 1
        before, kind = time.perf_counter(), "ttft"
        for line in self.lines():
            if not line.startswith(b"data: {") or b'"content":' not in line:
                continue
            now = time.perf_counter()
            tell(self.environment, kind, now - before)
            before, kind = now, "itl"
        done["ended"] += 1
        if done["ended"] == REQUESTS:
            self.environment.runner.quit()
