"""What a job is in the queue: taskiq's message, written without loading taskiq into every gateway."""

import orjson

TASK = "run"


def message_of(job_id: str) -> bytes:
    """As taskiq's JSONFormatter writes a call of the task with the job's id."""
    return orjson.dumps(
        {"task_id": job_id, "task_name": TASK, "labels": {}, "labels_types": None, "args": [job_id], "kwargs": {}}
    )
