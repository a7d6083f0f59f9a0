"""A job's message is what taskiq itself would write."""

from taskiq import TaskiqMessage
from taskiq.formatters.json_formatter import JSONFormatter

from gateway.jobs.message import TASK, message_of


def test_the_message_is_taskiqs_own() -> None:
    message = TaskiqMessage(task_id="a1", task_name=TASK, labels={}, args=["a1"], kwargs={})
    assert JSONFormatter().dumps(message).message == message_of("a1")
