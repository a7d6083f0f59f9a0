"""Long work as jobs: `Prefer: respond-async` (RFC 7240) is answered 202, and a worker does what was asked.

The queue is taskiq on Redis streams, whose consumer groups keep what was delivered until it is acknowledged. Of the
others, arq is in maintenance only mode; RQ forks a process a job, which an HTTP call does not need; Celery on Redis
takes up what a killed worker held after a visibility timeout of an hour, and long jobs must stay below that.

taskiq's receiver bounds concurrency and drains, its broker owns stream and group. Three things are this package's,
since taskiq-redis 1.2 does not have them: a job's whole state changes in one Lua script with its place in the stream
(`lua/`), so that nothing is accepted without being queued nor acknowledged without being finished; a delivered entry is
held by a lease that its worker renews (the pending list's idle time), not by a fixed time; and entries of dead workers
are looked for while no new ones come, too.

Modules: `store` is the state in Redis; `acceptance`, `routes`, `events` and `document` are the gateway's side; `queue`,
`call`, `runner` and `worker` the process's, `python -m gateway.jobs`.
"""
