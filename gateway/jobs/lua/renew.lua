-- A sign of life: 1 where the worker still holds the job. Its lease is the entry's idle time, which begins anew.
local id, fence, progress = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not holds(id, fence) then
  return 0
end
redis.call('XCLAIM', key('queue', get(id, 'service')), GROUP, CONSUMER, 0, get(id, 'entry'), 'JUSTID')
if progress >= get(id, 'progress') + 0.01 then
  publish(id, 'progress', ARGV[3])
end
return 1
