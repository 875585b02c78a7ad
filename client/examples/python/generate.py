#!/usr/bin/env python3
"""Makes a video: submits a prompt, shows the progress, downloads the MP4. Ctrl-C cancels the job.

    generate.py HOST:PORT PROMPT FILE

With a key in LONGTAKE_API_KEY it is shown with every call; LONGTAKE_CA names the authorities' certificates (PEM) of a cluster with TLS.
"""
import os
import sys
import uuid

import grpc

from longtake.v1 import generation_pb2 as v1
from longtake.v1 import generation_pb2_grpc

UNARY_SECONDS = 60
ATTEMPTS = 5
# The worst case; most chunks have 1 MiB.
OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]


def connect(address):
    if "LONGTAKE_CA" not in os.environ:
        return grpc.insecure_channel(address, OPTIONS)
    with open(os.environ["LONGTAKE_CA"], "rb") as authorities:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities.read()), OPTIONS)


def metadata():
    key = os.environ.get("LONGTAKE_API_KEY")
    return [("authorization", f"Bearer {key}")] if key else []


def watch(generation, job_id):
    """Returns the job when it has ended. A stream that breaks goes on after the last event."""
    last, failures = 0, 0
    while True:
        try:
            request = v1.WatchRequest(job_id=job_id, after_sequence=last)
            for event in generation.Watch(request, metadata=metadata(), wait_for_ready=True):
                last, failures = event.sequence, 0
                kind = event.WhichOneof("event")
                if kind == "ended":
                    return event.ended
                if kind == "step_done":
                    step = event.step_done
                    print(f"step {step.step} of {step.steps}, segment {step.segment} of {step.segments}", flush=True)
                elif kind == "planned":
                    print("workers:", ", ".join(event.planned.worker_ids), flush=True)
        except grpc.RpcError as e:
            failures += 1
            if e.code() != grpc.StatusCode.UNAVAILABLE or failures > ATTEMPTS:
                raise


def download(generation, job_id, path):
    with open(path, "wb") as file:
        for chunk in generation.Download(v1.DownloadRequest(job_id=job_id), metadata=metadata()):
            file.seek(chunk.offset)
            file.write(chunk.data)


def main(address, prompt, path):
    with connect(address) as channel:
        generation = generation_pb2_grpc.GenerationStub(channel)
        # With a key of its own a request can be sent again, and is queued once.
        request = v1.SubmitRequest(
            request=v1.GenerationRequest(prompt=prompt), idempotency_key=str(uuid.uuid4()))
        job = generation.Submit(request, metadata=metadata(), timeout=UNARY_SECONDS, wait_for_ready=True)
        print("job", job.id, flush=True)
        try:
            job = watch(generation, job.id)
        except KeyboardInterrupt:
            job = generation.Cancel(
                v1.CancelJobRequest(job_id=job.id), metadata=metadata(), timeout=UNARY_SECONDS)
        if job.state != v1.JOB_STATE_DONE:
            sys.exit(f"{v1.JobState.Name(job.state)} {job.error.message}")
        download(generation, job.id, path)
        print(f"{path}: {job.video.frames} frames, SHA-256 {job.video.sha256}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as e:
        sys.exit(f"{e.code().name}: {e.details()}")
