-- A worker that leaves hands a job back, to the end of the queue: 1. That was no attempt.
local id, fence = ARGV[1], ARGV[2]
if not holds(id, fence) then
  return get(id, 'status') == 'queued' and get(id, 'fence') == fence and 1 or 0
end
insist()
leave_queue(id)
local entry = redis.call('XADD', key('queue', get(id, 'service')), '*', 'data', get(id, 'message'))
count('running', -1)
count('queued', 1)
redis.call('HSET', key('job', id), 'entry', entry)
publish(id, 'status', 'queued', 'attempts', get(id, 'attempts') - 1)
return 1
