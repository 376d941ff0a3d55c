"""Answers a file of requests in the shape of OpenAI's batches, with actors of Ray Data.

    ray_batch.py requests.jsonl answers.jsonl --base-url https://gateway.example

Every line of the input becomes one line of the output, in any order, told apart by its custom_id;
what failed has an error. Environment: LEAT_API_KEY; LEAT_CA_FILE, a PEM file of a gateway of one's
own; RAY_ADDRESS, a cluster instead of one on this machine.
"""
import argparse
import json
import os

import ray

import leat.ray


def parsed(row):
    """A line as a row, whatever it is: one that cannot be read fails by itself."""
    try:
        request = json.loads(row["text"])
        return {"custom_id": str(request["custom_id"]), "method": request.get("method", "POST"),
                "url": request.get("url"), "body": json.dumps(request.get("body"))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"custom_id": None, "method": "POST", "url": None, "body": row["text"]}


def options():
    reader = argparse.ArgumentParser()
    reader.add_argument("requests")
    reader.add_argument("answers")
    reader.add_argument("--base-url", required=True)
    reader.add_argument("--actors", type=int, default=2)
    reader.add_argument("--concurrency", type=int, default=100, help="requests of each actor")
    return reader.parse_args()


def main():
    chosen = options()
    if "RAY_ADDRESS" in os.environ:
        ray.init()
    else:
        ray.init(address="local", num_cpus=2, object_store_memory=128 << 20,
                 include_dashboard=False)
    arguments = {"base_url": chosen.base_url, "concurrency": chosen.concurrency}
    if "LEAT_CA_FILE" in os.environ:
        arguments["ca_file"] = os.environ["LEAT_CA_FILE"]
    answers = ray.data.read_text(chosen.requests).map(parsed).map_batches(
        leat.ray.BatchRequests, compute=ray.data.ActorPoolStrategy(size=chosen.actors),
        batch_format="pyarrow", batch_size=chosen.concurrency, num_cpus=0.25,
        fn_constructor_kwargs=arguments)
    failed = 0
    with open(chosen.answers, "w", encoding="utf-8") as file:
        for count, row in enumerate(answers.iter_rows(), 1):
            failed += row["error"] is not None
            if row["response"]:
                row["response"]["body"] = json.loads(row["response"]["body"])
            file.write(json.dumps(row) + "\n")
    print(f"{count} answers, {failed} of them failed")


if __name__ == "__main__":
    main()
