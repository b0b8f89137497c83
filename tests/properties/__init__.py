"""Any order of anything: after all of it, the car has what was promised and the money is right.

| module | what it is |
|---|---|
| `promises.py` | the policy told a second time, plainly; it has never heard of the product |
| `ledger.py` | the raw facts of the sandbox's own objects, as promises.py wants them |
| `stage.py` | one world for many sequences: cleared in milliseconds, with a time that moves |
| `acts.py` | what owners, staff and Stripe's dashboard do, by the product's use cases |
| `checks.py` | what has to hold at each step, and in the end |
| `tally.py` | what was tried, and how much of it changed anything |
| `machine.py` | the rules by which Hypothesis puts sequences together |

# Note [Which way the car may lag]
What somebody does here (sells, withdraws, is cancelled by staff, is given something) holds at once,
whatever Stripe hears of it. What happens at Stripe reaches us by webhooks. While some of those
wait, were lost, or Stripe does not answer, the car may still be told what followed from any state
of Stripe's since all was last in step, and may be told Standard where a payment was not heard of.
It is never told Premium that followed from no such state. When nothing waits, both are equal.
"""
