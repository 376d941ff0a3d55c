#!/usr/bin/env python3
"""The gateway's tasks from outside: every family from submit to result in its own words, fetches of
many, ends of every kind, signed addresses, lognormal times, and the ledger that other tests trust.
"""
import base64
import json
import math
import os
import statistics
import tempfile
import threading
import time
import unittest

import mock
import mock_calls
from mock_calls import content, lane

FINAL = {"SUCCESS", "FAILURE", "completed", "failed", "succeeded", "succeed", "success", "done",
         "expired", "not_found", "cancelled", "FAILED", "MODAL", "modal"}


def at(value, pointer):
    """The value at a JSON pointer, None where there is none."""
    for key in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


class Family:
    """A family of tasks: where its submit and poll are, and where what they say stands."""

    def __init__(self, submit, poll, name, status, result, **more):
        self.submit, self.poll, self.name = submit, poll, name
        self.status, self.result = status, result
        self.body = more.get("body", {"prompt": "a mill", "model": "m"})
        self.words = more["words"]
        self.by_post = more.get("by_post")
        self.batch = more.get("batch")

    def begin(self, g, body=None, headers=None):
        answer = g.good("POST", self.submit, {**self.body, **(body or {})}, headers)
        task = at(answer, self.name)
        assert isinstance(task, str) and task, answer
        return task

    def look(self, g, task, headers=None):
        if self.by_post:
            return g.ask("POST", self.poll, {"req_key": "x", "task_id": task}, headers)
        return g.ask("GET", self.poll.format(task), None, headers)

    def follow(self, g, task):
        """-> (the different words in their order, the last answer)."""
        seen, until = [], time.monotonic() + mock_calls.WAIT
        while time.monotonic() < until:
            status, answer = self.look(g, task)
            assert status == 200, answer
            word = at(answer, self.status)
            if not seen or seen[-1] != word:
                seen.append(word)
            if word in FINAL:
                return seen, answer
            time.sleep(0.005)
        raise AssertionError(f"never final: {seen}")


UNIFIED = ["queued", "in_progress", "completed"]
NEW_API = ["SUBMITTED", "QUEUED", "IN_PROGRESS", "SUCCESS"]
KLING = ["submitted", "processing", "succeed"]
ARK = ["queued", "running", "succeeded"]
FAMILIES = {
    "video": Family("/v1/video/generations", "/v1/video/generations/{}", "/id", "/status",
                    "/metadata/url", words=UNIFIED),
    "sora": Family("/v1/videos", "/v1/videos/{}", "/id", "/status", "/metadata/url",
                   words=UNIFIED),
    "suno": Family("/suno/submit/MUSIC", "/suno/fetch/{}", "/data", "/data/status",
                   "/data/data/0/audio_url", words=NEW_API, batch="/suno/fetch"),
    "suno unified": Family("/suno/generate", "/suno/fetch/{}", "/data", "/data/status",
                           "/data/data/1/audio_url", words=NEW_API),
    "suno guessed": Family("/v1/audio/suno/generations", "/v1/audio/suno/generations/{}", "/data",
                           "/data/status", "/data/data/0/audio_url", words=NEW_API),
    "producer": Family("/producer/submit/REPLACE", "/producer/fetch/{}", "/data", "/data/status",
                       "/data/data/0/audio_url", words=NEW_API, batch="/producer/fetch"),
    "producer unified": Family("/producer/generate", "/producer/fetch/{}", "/data",
                               "/data/status", "/data/data/0/audio_url", words=NEW_API),
    "kling text": Family("/kling/v1/videos/text2video", "/kling/v1/videos/text2video/{}",
                         "/data/task_id", "/data/task_status", "/data/task_result/videos/0/url",
                         words=KLING),
    "kling image": Family("/kling/v1/videos/image2video", "/kling/v1/videos/image2video/{}",
                          "/data/task_id", "/data/task_status", "/data/task_result/videos/0/url",
                          words=KLING),
    "vidu": Family("/ent/v2/text2video", "/ent/v2/tasks/{}/creations", "/task_id", "/state",
                   "/creations/0/url", words=["created", "queueing", "processing", "success"]),
    "ark": Family("/api/v3/contents/generations/tasks", "/api/v3/contents/generations/tasks/{}",
                  "/id", "/status", "/content/video_url", words=ARK,
                  body={"model": "seedance", "content": [{"type": "text", "text": "a mill"}]}),
    "volc": Family("/volc/v1/contents/generations/tasks", "/volc/v1/contents/generations/tasks/{}",
                   "/id", "/status", "/content/video_url", words=ARK),
    "jimeng": Family("/jimeng/?Action=CVSync2AsyncSubmitTask&Version=2022-08-31",
                     "/jimeng/?Action=CVSync2AsyncGetResult&Version=2022-08-31", "/id",
                     "/data/status", "/data/data/data/video_url", words=NEW_API, by_post=True),
    "midjourney": Family("/mj/submit/imagine", "/mj/task/{}/fetch", "/result", "/status",
                         "/imageUrl", words=["", "SUBMITTED", "IN_PROGRESS", "SUCCESS"],
                         batch="/mj/task/list-by-condition"),
    "midjourney fast": Family("/mj-fast/mj/submit/imagine", "/mj-fast/mj/task/{}/fetch",
                              "/result", "/status", "/imageUrl",
                              words=["", "SUBMITTED", "IN_PROGRESS", "SUCCESS"]),
}
AT_ONCE = {"x-mock-task-ms": "0", "x-mock-task-queued-ms": "0"}


class FamilyLives(unittest.TestCase):
    def test_each_goes_through_its_own_words_to_its_result(self):
        with mock_calls.Gateway("--task-queued", "150ms", "--task-time", "150ms") as g:
            for seed, (name, family) in enumerate(FAMILIES.items(), 50):
                with self.subTest(name):
                    task = family.begin(g, {"seed": seed, "metadata": {"mock_bytes": 5000}})
                    seen, last = family.follow(g, task)
                    # A busy machine may miss a word; none comes out of order, the last one comes.
                    self.assertEqual(seen, [w for w in family.words if w in seen], name)
                    self.assertEqual(seen[-1], family.words[-1])
                    url = at(last, family.result)
                    status, headers, body = g.fetch(url)
                    self.assertEqual((status, len(body)), (200, 5000))
                    self.assertIn(body, (content(seed, 5000), content(lane(seed, 2), 5000)))
                    self.assertIn("/", headers["Content-Type"])

    def test_progress_is_a_number_or_a_text_with_percent(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "10s") as g:
            video, suno = FAMILIES["video"], FAMILIES["suno"]
            task, song = video.begin(g), suno.begin(g)
            self.assertIsInstance(video.look(g, task)[1]["progress"], int)
            self.assertRegex(suno.look(g, song)[1]["data"]["progress"], r"^\d+%$")
            self.assertIsNone(at(suno.look(g, song)[1], "/data/result_url"))

    def test_the_manner_of_others(self):
        cases = {
            "new-api": (("video", "/data/status", "SUCCESS"), ("kling text", "/data/status",
                                                               "SUCCESS"),
                        ("jimeng", "/data/data/code", 10000)),
            "vendor": (("jimeng", "/data/status", "done"),
                       ("kling text", "/data/task_status", "succeed")),
            "docs": (("video", "/status", "succeeded"), ("suno", "/data/status", "SUCCESS"),
                     ("suno", "/code", 0)),
        }
        for manner, expected in cases.items():
            with mock_calls.Gateway("--task-forms", manner) as g:
                for name, pointer, word in expected:
                    family = FAMILIES[name]
                    answer = g.good("POST", family.submit, family.body, AT_ONCE)
                    found = [at(answer, p) for p in ("/data/task_id", "/task_id", "/id", "/data")]
                    task = next(t for t in found if isinstance(t, str))
                    self.assertEqual(at(family.look(g, task)[1], pointer), word, (manner, name))

    def test_every_envelope_can_be_asked_for(self):
        with mock_calls.Gateway() as g:
            task = FAMILIES["suno"].begin(g, headers=AT_ONCE)
            places = {1: ("/data/task_id", "SUCCESS", "/data/status"),
                      3: ("/id", "completed", "/status"), 4: ("/task_id", "succeeded", "/status"),
                      5: ("/data/task_id", "succeed", "/data/task_status"),
                      6: ("/data/taskId", "SUCCESS", "/data/status"), 7: ("/id", "SUCCESS",
                                                                         "/status"),
                      9: ("/id", "success", "/state"), 10: ("/id", "succeeded", "/status")}
            for number, (name, word, pointer) in places.items():
                found = FAMILIES["suno"].look(g, task, {"x-mock-envelope": f"E{number}"})[1]
                self.assertEqual((at(found, name), at(found, pointer)), (task, word), number)
            found = FAMILIES["suno"].look(g, task, {"x-mock-envelope": "E8"})[1]
            self.assertEqual((found["code"], found["data"]["status"]), (10000, "done"))


class Ends(unittest.TestCase):
    def test_failure_in_each_familys_words(self):
        places = {"video": "/error/message", "suno": "/data/fail_reason",
                  "kling text": "/data/task_status_msg", "vidu": "/err_code",
                  "ark": "/error/message", "jimeng": "/data/fail_reason",
                  "midjourney": "/failReason"}
        with mock_calls.Gateway() as g:
            for name, pointer in places.items():
                task = FAMILIES[name].begin(g, headers={**AT_ONCE, "x-mock-task-fail": "1"})
                seen, last = FAMILIES[name].follow(g, task)
                self.assertIn(seen[-1].lower(), ("failed", "failure"))
                self.assertTrue(at(last, pointer), (name, last))
                self.assertIsNone(at(last, "/metadata/url"))
            self.assertEqual(at(last, "/progress"), "100%")

    def test_expired_cancelled_odd_and_unknown(self):
        with mock_calls.Gateway() as g:
            for setting, name, word in (("expire", "ark", "expired"), ("cancel", "ark",
                                                                      "cancelled"),
                                        ("expire", "suno", "FAILURE")):
                task = FAMILIES[name].begin(g, headers={**AT_ONCE, f"x-mock-task-{setting}": "1"})
                self.assertEqual(FAMILIES[name].follow(g, task)[0], [word])
        for option, words in (("odd", ("reviewing", "REVIEWING")), ("unknown", ("unknown",
                                                                               "UNKNOWN"))):
            with mock_calls.Gateway("--task-status", option, "--task-queued", "0") as g:
                video, suno = FAMILIES["video"].begin(g), FAMILIES["suno"].begin(g)
                found = (FAMILIES["video"].look(g, video)[1]["status"],
                         FAMILIES["suno"].look(g, suno)[1]["data"]["status"])
                self.assertEqual(found, words)

    def test_lost_stuck_and_absent_at_first(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "0") as g:
            suno = FAMILIES["suno"]
            lost = suno.begin(g, {"metadata": {"mock_lost": 1}})
            status, answer = suno.look(g, lost)
            self.assertEqual((status, answer["code"], answer["data"]),
                             (400, "task_not_exist", None))
            stuck = suno.begin(g, {"prompt": "mock_stuck=1"})
            for _ in range(3):
                self.assertEqual(suno.look(g, stuck)[1]["data"]["status"], "IN_PROGRESS")
            late = suno.begin(g, {"metadata": {"mock_absent": 2}})
            found = [suno.look(g, late)[0] for _ in range(4)]
            self.assertEqual(found, [400, 400, 200, 200])

    def test_unknown_ids(self):
        with mock_calls.Gateway() as g:
            for name, family in FAMILIES.items():
                for task in ("task_" + "0" * 32, "x", "9" * 19, "..%2f", "0" * 300):
                    status, answer = family.look(g, task)
                    self.assertIn((status, answer.get("code")), ((400, "task_not_exist"),
                                                                 (400, 4)), name)
            self.assertEqual(g.call("GET", "/v1/videos/none/content")[0], 404)

    def test_modal_goes_on_after_the_second_call(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "0") as g:
            mj = FAMILIES["midjourney"]
            task = mj.begin(g, {"prompt": "a mill mock_modal=1"})
            self.assertEqual(mj.look(g, task)[1]["status"], "MODAL")
            again = g.good("POST", "/mj/submit/modal", {"taskId": task})
            self.assertEqual((again["code"], again["result"]), (1, task))
            self.assertEqual(mj.look(g, task)[1]["status"], "SUCCESS")
            self.assertEqual(g.ask("POST", "/mj/submit/modal", {"taskId": task})[0], 400)

    def test_codes_inside_200(self):
        with mock_calls.Gateway() as g:
            for code in (1, 21, 22):
                found = g.good("POST", "/mj/submit/imagine", {"prompt": f"mock_code={code}"})
                self.assertEqual(found["code"], code)
                self.assertEqual(g.good("GET", f"/mj/task/{found['result']}/fetch")["id"],
                                 found["result"])
            for code in (23, 24, 3, 9):
                found = g.good("POST", "/mj/submit/imagine", {"prompt": f"mock_code={code}"})
                self.assertEqual((found["code"], found["result"]), (code, None))
            found = g.good("POST", "/kling/v1/videos/text2video", {"prompt": "mock_code=1302"})
            self.assertEqual((found["code"], found["data"]), (1302, None))
            self.assertEqual(len(g.ledger()), 3)

    def test_refused_submits_are_no_tasks(self):
        with mock_calls.Gateway() as g:
            refused = (("/suno/submit/LYRICS", {}), ("/suno/submit/MUSIC", "{]"),
                       ("/suno/submit/MUSIC", {"continue_clip_id": "x"}),
                       ("/suno/submit/a%20b", {}), ("/mj/submit/imagine", {}),
                       ("/jimeng/", {}), ("/jimeng/?Action=Other", {}),
                       ("/v1/videos/none/remix", {"prompt": "x"}))
            for path, body in refused:
                status, answer = g.ask("POST", path, body)
                self.assertEqual(status, 400, path)
                self.assertTrue("data" in answer or answer["code"] == 4, answer)
            self.assertEqual(g.ledger(), [])


class Products(unittest.TestCase):
    def song(self, g, action, headers=None, **body):
        task = g.good("POST", f"/suno/submit/{action}", {"prompt": "x", **body}, AT_ONCE)["data"]
        return g.good("GET", f"/suno/fetch/{task}", None, headers)["data"]

    def test_actions_make_what_their_name_says(self):
        with mock_calls.Gateway() as g:
            clips = self.song(g, "music", mv="chirp-v5")
            self.assertEqual((clips["action"], clips["platform"], clips["progress"]),
                             ("MUSIC", "suno", "100%"))
            self.assertEqual([c["status"] for c in clips["data"]], ["complete", "complete"])
            self.assertEqual(clips["data"][0]["model_name"], "chirp-v5")
            self.assertIn("mill", self.song(g, "LYRICS")["data"]["text"])
            self.assertIn("water", self.song(g, "UPSAMPLE_TAGS", tags="a")["data"]["tags"])
            self.assertEqual(set(self.song(g, "STEMS")["data"]["stems"]),
                             {"vocalsUrl", "instrumentalsUrl"})
            self.assertEqual(len(self.song(g, "STEMS_FULL")["data"]["stems"]), 4)
            timed = self.song(g, "ALIGNED_LYRICS")["data"]["alignedLyrics"]
            self.assertEqual(timed[0]["time"], 0.5)
            self.assertEqual(self.song(g, "BPM")["data"]["bpm"], 96)
            for action, name in (("MIDI", "midi_url"), ("WAV", "wav_url"), ("VIDEO", "video_url")):
                self.assertEqual(g.fetch(self.song(g, action)["data"][name])[0], 200)
            self.assertEqual(len(self.song(g, "ANYTHING_NEW")["data"]), 2)

    def test_the_documented_form_has_members_of_its_own(self):
        with mock_calls.Gateway() as g:
            form = {"x-mock-envelope": "E6"}
            self.assertTrue(self.song(g, "MUSIC", form)["audioUrl"])
            self.assertEqual(len(self.song(g, "STEMS_FULL", form)["stems"]), 4)
            self.assertTrue(self.song(g, "LYRICS", form)["lyrics"])
            self.assertEqual(len(self.song(g, "ALIGNED_LYRICS", form)["alignedLyrics"]), 2)
            self.assertIsNone(self.song(g, "MUSIC", form)["stems"])

    def test_a_streaming_clip_can_be_heard_before_its_end(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "0") as g:
            suno = FAMILIES["suno"]
            stuck = suno.look(g, suno.begin(g, {"prompt": "mock_stuck=1"}))[1]["data"]
            clip = stuck["data"][0]
            self.assertEqual((stuck["status"], clip["status"]), ("IN_PROGRESS", "streaming"))
            self.assertEqual(g.fetch(clip["audio_url"])[0], 200)
            self.assertFalse(clip["video_url"])

    def test_remix_names_where_it_comes_from(self):
        with mock_calls.Gateway() as g:
            first = FAMILIES["sora"].begin(g)
            again = g.good("POST", f"/v1/videos/{first}/remix", {"prompt": "bluer"})
            self.assertEqual(again["remixed_from_video_id"], first)
            self.assertNotEqual(again["id"], first)

    def test_multipart_submit_with_a_reference(self):
        with mock_calls.Gateway() as g:
            body, headers = mock_calls.form([("model", "sora-2"), ("prompt", "mock_ms=0 mock_queued"
                                                                   "_ms=0")],
                                            [("input_reference", "a.png", "image/png", b"\x89PNG")])
            first = g.good("POST", "/v1/videos", body, headers)
            self.assertEqual(first["model"], "sora-2")
            self.assertEqual(g.good("GET", f"/v1/videos/{first['id']}")["status"], "completed")

    def test_a_preview_before_midjourneys_end(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "0") as g:
            mj = FAMILIES["midjourney"]
            stuck = mj.look(g, mj.begin(g, {"seed": 4, "prompt": "mock_stuck=1"}))[1]
            self.assertEqual(stuck["status"], "IN_PROGRESS")
            self.assertIn("?rand=", stuck["imageUrl"])
            done = mj.look(g, mj.begin(g, {"seed": 4}))[1]
            self.assertEqual(done["buttons"][0]["label"], "U1")
            self.assertNotIn("?rand=", done["imageUrl"])
            for found in (stuck, done):
                self.assertEqual(g.fetch(found["imageUrl"])[2], content(4, 65536))


class Addresses(unittest.TestCase):
    def finished(self, g, **settings):
        wishes = {"mock_ms": 0, "mock_queued_ms": 0, "mock_bytes": 4000, **settings}
        task = FAMILIES["video"].begin(g, {"seed": 9, "metadata": wishes})
        return task, FAMILIES["video"].look(g, task)[1]["metadata"]["url"]

    def test_the_proxy_wants_the_key_and_signed_addresses_do_not(self):
        with mock_calls.Gateway("--require-key", "k") as g:
            key = {"Authorization": "Bearer k"}
            body = {"metadata": {"mock_ms": 0, "mock_queued_ms": 0}}
            task = g.good("POST", "/v1/videos", body, key)["id"]
            proxy = g.good("GET", f"/v1/videos/{task}", None, key)["metadata"]["url"]
            self.assertEqual(g.fetch(proxy)[0], 401)
            self.assertEqual(g.fetch(proxy, key)[0], 200)
            body["metadata"]["mock_signed"] = 1
            task = g.good("POST", "/v1/videos", body, key)["id"]
            signed = g.good("GET", f"/v1/videos/{task}", None, key)["metadata"]["url"]
            self.assertEqual(g.fetch(signed)[0], 200)
            self.assertEqual(g.stats()["tasks"]["signed_with_key"], 0)
            self.assertEqual(g.fetch(signed, key)[0], 200)
            self.assertEqual(g.stats()["tasks"]["signed_with_key"], 1)

    def test_signatures_count_and_expire(self):
        with mock_calls.Gateway() as g:
            _, url = self.finished(g, mock_signed=1)
            self.assertEqual(g.fetch(url)[2], content(9, 4000))
            self.assertEqual(g.fetch(url, {"Range": "bytes=10-19"})[2], content(9, 10, 10))
            self.assertEqual(g.fetch(url[:-1] + ("0" if url[-1] != "0" else "1"))[0], 403)
            self.assertEqual(g.fetch(url.split("?")[0])[0], 403)
            self.assertEqual(g.fetch(url.replace("/files/", "/files/x"))[0], 404)
            _, url = self.finished(g, mock_signed=1, mock_url_s=0)
            status, _, body = g.fetch(url)
            self.assertEqual((status, b"expired" in body), (403, True))

    def test_data_uris_and_the_older_place(self):
        with mock_calls.Gateway() as g:
            _, url = self.finished(g, mock_inline=1)
            head, text = url.split(",")
            self.assertEqual(head, "data:video/mp4;base64")
            self.assertEqual(base64.b64decode(text), content(9, 4000))
            task, _ = self.finished(g, mock_reason_url=1)
            dto = FAMILIES["video"].look(g, task, {"x-mock-envelope": "E1"})[1]["data"]
            self.assertEqual(dto["status"], "SUCCESS")
            self.assertTrue(dto["fail_reason"].startswith("http"))
            self.assertNotIn("result_url", dto)

    def test_the_vendors_words_inside_new_apis(self):
        with mock_calls.Gateway("--task-forms", "new-api") as g:
            for model, pointer in (("kling-v2", "/data/task_result/videos/0/url"),
                                   ("viduq2", "/creations/0/url"),
                                   ("doubao-seedance-1", "/content/video_url"),
                                   ("jimeng_v30", "/data/video_url")):
                wishes = {"mock_ms": 0, "mock_queued_ms": 0, "mock_raw": 1}
                task = g.good("POST", "/v1/video/generations", {"model": model, "prompt": "x",
                                                                "metadata": wishes})["id"]
                dto = g.good("GET", f"/v1/video/generations/{task}")["data"]
                self.assertNotIn("result_url", dto)
                self.assertEqual(g.fetch(at(dto["data"], pointer))[0], 200, model)

    def test_a_missing_slash_is_a_redirect(self):
        with mock_calls.Gateway() as g:
            status, headers, _ = g.call("POST", "/jimeng?Action=A&Version=1", {})
            self.assertEqual((status, headers["Location"]), (307, "/jimeng/?Action=A&Version=1"))

    def test_the_proxy_may_redirect(self):
        with mock_calls.Gateway("--content-redirect") as g:
            task, _ = self.finished(g)
            status, headers, _ = g.call("GET", f"/v1/videos/{task}/content")
            self.assertEqual((status, g.fetch(headers["Location"])[2]), (302, content(9, 4000)))


class Batches(unittest.TestCase):
    def test_unknown_ids_are_left_out_and_order_is_not_kept(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "0") as g:
            for name in ("suno", "producer", "midjourney"):
                family = FAMILIES[name]
                tasks = [family.begin(g) for _ in range(5)]
                lost = family.begin(g, {"prompt": "mock_lost=1"})
                found = g.good("POST", family.batch,
                               {"ids": [*tasks, "none", tasks[0], lost, "task_" + "0" * 32]})
                if name != "midjourney":
                    self.assertEqual(found["code"], "success")
                    found = found["data"]
                ids = [t.get("task_id", t["id"]) for t in found]
                self.assertEqual((sorted(ids), len(ids)), (sorted(tasks), 5))
                self.assertNotEqual(ids, tasks)
                empty = g.good("POST", family.batch, {"ids": []})
                self.assertEqual(empty if name == "midjourney" else empty["data"], [])
                self.assertEqual(g.ask("POST", family.batch, {"ids": 5})[0], 400)
            stats = g.stats()["tasks"]
            self.assertEqual((stats["batch_polls"], stats["batch_ids"]), (9, 27))

    def test_the_documented_form_is_an_array_of_envelopes(self):
        with mock_calls.Gateway("--task-forms", "docs") as g:
            tasks = [FAMILIES["suno"].begin(g, headers=AT_ONCE) for _ in range(3)]
            found = g.good("POST", "/suno/fetch", {"ids": tasks})
            self.assertEqual([(t["code"], t["data"]["status"]) for t in found],
                             [(0, "SUCCESS")] * 3)
            self.assertEqual({t["data"]["taskId"] for t in found}, set(tasks))

    def test_a_thousand_in_one_fetch(self):
        with mock_calls.Gateway("--task-queued", "0") as g:
            c, tasks = g.connect(), []
            for i in range(1000):
                c.request("POST", "/suno/submit/MUSIC", json.dumps({"prompt": "x",
                                                                    "custom_id": f"job {i}"}))
                tasks.append(json.loads(c.getresponse().read())["data"])
            c.request("POST", "/suno/fetch", json.dumps({"ids": tasks}))
            found = json.loads(c.getresponse().read())["data"]
            c.close()
            self.assertEqual({t["task_id"] for t in found}, set(tasks))
            lines = g.ledger()
            self.assertEqual([line["key"] for line in lines], [f"job {i}" for i in range(1000)])
            self.assertEqual([line["id"] for line in lines], tasks)
            self.assertEqual({line["batch_polls"] for line in lines}, {1})
            self.assertEqual(len(g.ledger(since=990)), 10)


class Times(unittest.TestCase):
    def test_lognormal_from_the_seed_by_the_jobs_own_name(self):
        def durations(order, seed):
            with mock_calls.Gateway("--task-median", "60s", "--task-sigma", "0.8", "--seed", seed,
                                    "--task-queued", "0", "--task-lost", "0.1", "--task-stuck",
                                    "0.1") as g:
                c = g.connect()
                for i in order:
                    c.request("POST", "/suno/submit/MUSIC", json.dumps({"custom_id": str(i)}))
                    c.getresponse().read()
                c.close()
                return {x["key"]: (x["final_ns"] - x["submitted_ns"] if x["final_ns"] else 0,
                                   x["end"]) for x in g.ledger()}
        one = durations(range(1000), "5")
        self.assertEqual(one, durations(reversed(range(1000)), "5"))
        self.assertNotEqual(one, durations(range(1000), "6"))
        logs = [math.log(ns / 1e9) for ns, end in one.values() if ns > 0]
        self.assertAlmostEqual(math.exp(statistics.mean(logs)), 60, delta=8)
        self.assertAlmostEqual(statistics.stdev(logs), 0.8, delta=0.08)
        ends = [end for _, end in one.values()]
        self.assertTrue(60 < ends.count("lost") < 140 and 60 < ends.count("stuck") < 140)


class Ledger(unittest.TestCase):
    def test_who_submitted_what_and_looked_when(self):
        with mock_calls.Gateway("--task-queued", "0", "--task-time", "300ms") as g:
            keyed = (({"custom_id": "a \"quoted\" name"}, "suno"),
                     ({"external_task_id": "b"}, "kling text"), ({"state": "c"}, "midjourney"),
                     ({"metadata": {"custom_id": "d"}}, "video"), ({"metadata": "e"}, "ark"))
            before = time.monotonic_ns()
            tasks = [FAMILIES[name].begin(g, body) for body, name in keyed]
            tasks.append(FAMILIES["suno"].begin(g, headers={"x-mock-request": "f"}))
            for _ in range(3):
                FAMILIES["suno"].look(g, tasks[0])
                time.sleep(0.2)
            lines = g.ledger()
            self.assertEqual([line["id"] for line in lines], tasks)
            self.assertEqual([line["key"] for line in lines],
                             ["a \"quoted\" name", "b", "c", "d", "e", "f"])
            first = lines[0]
            self.assertEqual(first["polls"], 3)
            self.assertEqual(first["final_ns"] - first["submitted_ns"], 300_000_000)
            self.assertTrue(before < first["submitted_ns"] < first["seen_ns"]
                            < time.monotonic_ns())
            self.assertAlmostEqual(first["lag_ms"], (first["seen_ns"] - first["final_ns"]) / 1e6,
                                   places=2)
            self.assertGreaterEqual(first["lag_ms"], 0)
            self.assertIsNone(lines[1]["seen_ns"])
            self.assertEqual([line["family"] for line in lines],
                             ["suno", "kling", "midjourney", "video", "ark", "suno"])

    def test_a_lost_answer_is_in_the_ledger(self):
        with mock_calls.Gateway() as g:
            with self.assertRaises(OSError):
                g.call("POST", "/suno/submit/MUSIC", {"custom_id": "x"}, {"x-mock-fault": "lose"})
            self.assertEqual([line["key"] for line in g.ledger()], ["x"])

    def test_the_file_survives_the_gateways_death(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ledger.jsonl")
            with mock_calls.Gateway("--ledger", path, "--task-queued", "0", "--task-time",
                                    "0") as g:
                answered, stop = [], threading.Event()

                def submit_for_ever():
                    try:
                        while not stop.is_set():
                            task = FAMILIES["suno"].begin(g, {"custom_id": str(len(answered))})
                            FAMILIES["suno"].look(g, task)
                            answered.append(task)
                    except (OSError, ValueError):
                        pass
                thread = threading.Thread(target=submit_for_ever)
                thread.start()
                while len(answered) < 50 and thread.is_alive():
                    time.sleep(0.01)
                g.kill()
                thread.join(mock_calls.WAIT)
                stop.set()
            with open(path, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            submitted = [x["id"] for x in lines if x["event"] == "submitted"]
            seen = [x["id"] for x in lines if x["event"] == "seen"]
            self.assertEqual(submitted[:len(answered)], answered)
            self.assertLessEqual(len(submitted) - len(answered), 1)
            self.assertEqual(seen[:len(answered)], answered)
            again = mock.leat("mock", "--plain", "--ledger", folder)
            self.assertEqual(again.returncode, 2)
            self.assertIn("cannot write", again.stderr)


if __name__ == "__main__":
    mock.main()
