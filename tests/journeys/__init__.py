"""Every path that a subscription can take, as a story, with all that follows stated at each step.

    def test_cancel_at_period_end(journey: Journey) -> None:
        journey.subscribes(MONTHLY)
        journey.expect(events=[…], mails=[…], charges=["$10.00"], grants=[…], car=premium(until=…))
        journey.cancels()
        journey.expect(events=["renewal_stopped", …], mails=["cancel_scheduled"], …)
        journey.at_boundary(END, before="premium", after="standard")
        journey.expect(events=["subscription_canceled"], car=STANDARD)

The product, its Stripe (the sandbox's own code) and the people run in this process, on real
PostgreSQL and Valkey, with Celery's tasks run where they are sent. Nothing waits, nothing polls.

| module | what it is |
|---|---|
| `wires.py` | calls to Stripe and webhooks from it, without sockets |
| `world.py` | the frozen time, what falls due, webhooks (`hold`, `deliver`, `drop`), sweeps |
| `people.py` | people who press what the pages show, with cards that pay, decline or ask |
| `telling.py` | what is new: domain events, mails, charges, refunds, errors; grants and verdicts |
| `journey.py` | the language: acts, `expect`, `at_boundary` |
| `remote.py`, `hosted.py` | the same world with Stripe's own test mode behind it |
| `orders.py` | orders in which a network may bring webhooks |

To state: events by kind, or with chosen data by `fact(kind, source=…)`, billing's before the
fleet's at one instant; mails by template (to the owner) or as `template to name`; charges and
refunds as money (`"$10.00"`, `"$10.00 declined"`); grants as `Given(source, starts, ends)`, past
ones too; the car as `premium(until=…)` or `STANDARD`. What is not stated must not have happened,
and a state that is not stated must be as it was.

Time: `journey.goes_to(at("2027-04-01 09:00"))`. Journeys begin on 1 March 2027 at nine.
"""
