-- Cancels what has not ended, removes what has: what was done, or nothing where there is no such job. `by` tells this
-- request from any other.
local id, by = ARGV[1], ARGV[2]
local status = get(id, 'status')
if not status then
  return false
elseif status == 'cancelled' and get(id, 'fence') == by then
  return 'cancelled'
elseif FINAL[status] then
  purge(id)
  return 'removed'
end
conclude(id, 'cancelled')
redis.call('HSET', key('job', id), 'fence', by)
return 'cancelled'
