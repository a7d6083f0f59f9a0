-- A delivered job to be run, under a new fence: its fields and the time. Nothing where it has ended meanwhile; where
-- every worker that began it fell silent it ends here.
local id, fence, most, abandoned = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local status = get(id, 'status')
if not status or FINAL[status] then
  return {}
end
local attempts = tonumber(get(id, 'attempts'))
if holds(id, fence) then
  return {redis.call('HGETALL', key('job', id)), stamp(seconds())}
end
if attempts >= most then
  conclude(id, 'failed', 'error', abandoned)
  return {redis.call('HGETALL', key('job', id)), stamp(seconds())}
end
insist()
count(status, -1)
count('running', 1)
redis.call('HSET', key('job', id), 'fence', fence)
redis.call('HSETNX', key('job', id), 'started', stamp(seconds()))
publish(id, 'status', 'running', 'attempts', attempts + 1, 'started', get(id, 'started'))
return {redis.call('HGETALL', key('job', id)), stamp(seconds())}
