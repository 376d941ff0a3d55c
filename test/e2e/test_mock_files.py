#!/usr/bin/env python3
"""The gateway's files and batches from outside: what is stored comes back, and a batch answers
every line of its file once, under its own name."""
import hashlib
import json
import os
import time
import unittest

import mock
import mock_calls

QUICK = ("--task-queued", "0", "--task-time", "0")


def store(g, content, purpose="batch", name="in.jsonl"):
    body, headers = mock_calls.form([("purpose", purpose)],
                                    [("file", name, "application/jsonl", content)])
    return g.good("POST", "/v1/files", body, headers)


def line(custom_id, url="/v1/chat/completions", **body):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url,
                       "body": {"model": "gpt-5", **body}}) + "\n"


class Files(unittest.TestCase):
    def test_stored_listed_given_back_and_deleted(self):
        content = os.urandom(100000)
        with mock_calls.Gateway() as g:
            made = store(g, content, "assistants", 'a "b".bin'.replace('"', '\\"'))
            self.assertEqual((made["object"], made["bytes"], made["filename"], made["purpose"]),
                             ("file", 100000, 'a "b".bin', "assistants"))
            self.assertEqual(made["mock"]["sha256"], hashlib.sha256(content).hexdigest())
            path = "/v1/files/" + made["id"]
            self.assertEqual(g.good("GET", path), made)
            self.assertEqual(g.call("GET", path + "/content")[2], content)
            status, _, part = g.call("GET", path + "/content", None, {"Range": "bytes=500-599"})
            self.assertEqual((status, part), (206, content[500:600]))
            others = [store(g, b"x")["id"] for _ in range(4)]
            listed = g.good("GET", "/v1/files")
            self.assertEqual([f["id"] for f in listed["data"]], others[::-1] + [made["id"]])
            page = g.good("GET", f"/v1/files?limit=2&after={others[3]}")
            self.assertEqual(([f["id"] for f in page["data"]], page["has_more"]),
                             ([others[2], others[1]], True))
            self.assertEqual(g.good("DELETE", path), {"id": made["id"], "object": "file",
                                                      "deleted": True})
            for method, again in (("GET", path), ("GET", path + "/content"), ("DELETE", path)):
                status, answer = g.ask(method, again)
                self.assertEqual((status, answer["error"]["type"]),
                                 (404, "invalid_request_error"))
            self.assertEqual(g.call("POST", "/v1/files", {})[0], 400)

    def test_the_bytes_of_large_ones_are_not_kept(self):
        with mock_calls.Gateway() as g:
            made = store(g, b"x" * (17 << 20))
            self.assertEqual((made["bytes"], made["mock"]["kept"]), (17 << 20, False))
            status, answer = g.ask("GET", f"/v1/files/{made['id']}/content")
            self.assertEqual((status, answer["error"]["code"]), (404, "content_not_kept"))


class Batches(unittest.TestCase):
    def begin(self, g, text, endpoint="/v1/chat/completions", **more):
        return g.good("POST", "/v1/batches", {"input_file_id": store(g, text.encode())["id"],
                                              "endpoint": endpoint, "completion_window": "24h",
                                              **more})

    def lines(self, g, batch, which):
        text = g.call("GET", f"/v1/files/{batch[which]}/content")[2].decode()
        # splitlines() would split at U+2028, too.
        return [json.loads(t) for t in text.split("\n") if t]

    def test_every_line_is_answered_once_under_its_name(self):
        with mock_calls.Gateway(*QUICK) as g:
            text = "".join(line(f"job {i}", seed=i, max_tokens=4) for i in range(20))
            text += line("fails", metadata={"mock_fail": 1})
            made = self.begin(g, text, metadata={"who": "me"})
            self.assertEqual(made["metadata"], {"who": "me"})
            done = g.good("GET", "/v1/batches/" + made["id"])
            self.assertEqual((done["status"], done["request_counts"]),
                             ("completed", {"total": 21, "completed": 20, "failed": 1}))
            answers = self.lines(g, done, "output_file_id")
            self.assertEqual({a["custom_id"] for a in answers}, {f"job {i}" for i in range(20)})
            self.assertNotEqual([a["custom_id"] for a in answers],
                                [f"job {i}" for i in range(20)])
            self.assertEqual(len({a["id"] for a in answers}), 20)
            for a in answers:
                said = a["response"]["body"]["choices"][0]["message"]["content"]
                alone = g.good("POST", "/v1/chat/completions",
                               {"seed": int(a["custom_id"][4:]), "max_tokens": 4})
                self.assertEqual(said, alone["choices"][0]["message"]["content"])
                self.assertEqual((a["response"]["status_code"], a["error"]), (200, None))
            failed, = self.lines(g, done, "error_file_id")
            self.assertEqual((failed["custom_id"], failed["response"]["status_code"]),
                             ("fails", 500))
            self.assertEqual(g.good("GET", "/v1/batches/" + made["id"])["output_file_id"],
                             done["output_file_id"])

    def test_embeddings_and_legacy_completions(self):
        with mock_calls.Gateway(*QUICK) as g:
            url = "/v1/embeddings"
            made = self.begin(g, line("a", url, input="x", dimensions=2)
                              + line("b", url, input=5), url)
            done = g.good("GET", "/v1/batches/" + made["id"])
            answer, = self.lines(g, done, "output_file_id")
            alone = g.good("POST", url, {"model": "gpt-5", "input": "x", "dimensions": 2})
            self.assertEqual(answer["response"]["body"], alone)
            failed, = self.lines(g, done, "error_file_id")
            self.assertEqual((failed["custom_id"], failed["response"]["status_code"]), ("b", 400))
            url = "/v1/completions"
            made = self.begin(g, line("a", url, prompt="x"), url)
            done = g.good("GET", "/v1/batches/" + made["id"])
            answer, = self.lines(g, done, "output_file_id")
            self.assertEqual(answer["response"]["body"]["object"], "text_completion")

    def test_statuses_by_the_clock_and_cancelling(self):
        with mock_calls.Gateway("--task-queued", "100ms", "--task-time", "300ms") as g:
            made = self.begin(g, line("a"))
            self.assertEqual((made["status"], made["request_counts"]["total"]), ("validating", 0))
            seen, until = ["validating"], time.monotonic() + mock_calls.WAIT
            while seen[-1] != "completed" and time.monotonic() < until:
                word = g.good("GET", "/v1/batches/" + made["id"])["status"]
                if word != seen[-1]:
                    seen.append(word)
                time.sleep(0.005)
            order = ["validating", "in_progress", "finalizing", "completed"]
            self.assertEqual(seen, [w for w in order if w in seen])
            other = self.begin(g, line("a"))
            path = f"/v1/batches/{other['id']}"
            self.assertEqual(g.good("POST", path + "/cancel")["status"], "cancelling")
            while g.good("GET", path)["status"] != "cancelled" and time.monotonic() < until:
                time.sleep(0.01)
            self.assertEqual(g.good("GET", path)["status"], "cancelled")
            self.assertEqual(g.call("POST", path + "/cancel")[0], 409)
            listed = g.good("GET", "/v1/batches?limit=1")
            self.assertEqual(([b["id"] for b in listed["data"]], listed["has_more"]),
                             ([other["id"]], True))

    def test_lines_that_cannot_be_read_fail_the_batch(self):
        with mock_calls.Gateway(*QUICK) as g:
            for text, number in ((line("a") + "{]\n", 2), ("", 1), (line("a", "/v1/other"), 1),
                                 (line("a") * 3 + '{"custom_id":"x"}', 4)):
                made = self.begin(g, text)
                self.assertEqual((made["status"], made["errors"]["data"][0]["line"]),
                                 ("failed", number))
                self.assertIsNone(made["output_file_id"])
            for body in ({}, {"input_file_id": "file-x", "endpoint": "/v1/embeddings"}, "{]",
                         {"input_file_id": store(g, b"x")["id"], "endpoint": "/v1/other"}):
                self.assertEqual(g.call("POST", "/v1/batches", body)[0], 400)
            for path in ("/v1/batches/none", "/v1/batches/batch_" + "0" * 24):
                self.assertEqual(g.call("GET", path)[0], 404)


if __name__ == "__main__":
    mock.main()
