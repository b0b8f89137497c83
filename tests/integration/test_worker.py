"""A worker that has just come up looks at once what waits."""

from celery.signals import worker_ready

from connectivity import celery


def test_a_worker_that_is_ready_sends_for_the_sweeps_that_people_wait_for(
    monkeypatch,
) -> None:
    monkeypatch.setitem(celery.app.conf, "task_always_eager", False)
    celery.app.loader.import_default_modules()
    with celery.app.connection_for_read() as connection:
        sweeps = connection.SimpleQueue("sweeps")
        sweeps.clear()
        worker_ready.send(sender=None)
        messages = [sweeps.get(timeout=5) for _ in celery.AT_ONCE]
        for message in messages:
            message.ack()
        sweeps.close()

    assert [message.headers["task"] for message in messages] == [*celery.AT_ONCE]
    assert all(message.headers["expires"] for message in messages), "or they would pile up"
